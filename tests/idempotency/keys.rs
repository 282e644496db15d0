//! Which key stands for what: whose it is, what it must look like, who ignores it.

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};

use super::*;
use crate::app::{ADMIN, PASSWORD};

const CREATE_KEY: &str = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { key } }";

#[test]
fn every_mutation_that_creates_something_takes_a_key_and_says_whether_it_answers_again() {
    let schema = parse_schema(include_str!("../../schema.graphql")).unwrap();
    let fields = |name: &str| -> Vec<String> {
        let definition = schema.definitions.iter().find_map(|definition| match definition {
            TypeSystemDefinition::Type(found) if found.node.name.node == name => Some(&found.node.kind),
            _ => None,
        });
        match definition.unwrap_or_else(|| panic!("no type {name}")) {
            TypeKind::Object(object) => object.fields.iter().map(|field| field.node.name.node.to_string()).collect(),
            TypeKind::InputObject(input) => input.fields.iter().map(|field| field.node.name.node.to_string()).collect(),
            _ => panic!("{name} has no fields"),
        }
    };
    let mut creating = 0;
    for mutation in fields("Mutation") {
        let creates = mutation.starts_with("create") || mutation == "sendMessage";
        let noun = mutation[..1].to_uppercase() + &mutation[1..];
        let takes = fields(&format!("{noun}Input")).contains(&"idempotencyKey".to_owned());
        let tells = fields(&format!("{noun}Payload")).contains(&"replayed".to_owned());
        // An API key is shown once.
        assert_eq!((takes, tells), (creates, creates && mutation != "createApiKey"), "{mutation}");
        creating += usize::from(creates);
    }
    assert_eq!(creating, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_fields_and_what_is_left_out_are_the_same_input() {
    let app = TestApp::start().await;
    let first = post(&app, "/v1/agents", "k", &json!({ "name": "A", "system_prompt": "" })).await;
    let second = json!({ "system_prompt": "", "name": "A", "description": null, "tags": null });
    let second = post(&app, "/v1/agents", "k", &second).await;
    assert_eq!((second.status, second.body), (201, first.body));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_failed_leaves_its_key_unused() {
    let app = TestApp::start().await;
    let changes = changes(&app).await;
    let model = changes.iter().find(|change| change.document == CREATE_MODEL).unwrap();
    let twin = model.post(&app, "twin").await.body["id"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        assert_eq!(model.post(&app, "k").await.body["code"], "CONFLICT");
    }
    assert_eq!(app.delete(&format!("/v1/llm-models/{twin}")).await.status, 204);
    let made = model.post(&app, "k").await;
    assert_eq!((made.status, is_replayed(&made)), (201, false), "{}", made.body);
    assert!(is_replayed(&model.post(&app, "k").await));
    // Bad input likewise, and the key is then good for another one.
    assert_eq!(post(&app, "/v1/agents", "l", &json!({ "name": "", "system_prompt": "" })).await.status, 400);
    assert_eq!(post(&app, "/v1/agents", "l", &json!({ "name": "A", "system_prompt": "" })).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_organizations_use_the_same_key_without_meeting() {
    let app = TestApp::start_full().await;
    let alice = app.signed_in(&app.register("alice@example.com").await);
    let bob = app.signed_in(&app.register("bob@example.com").await);
    let agent = json!({ "name": "A", "system_prompt": "" });
    let one = post(&alice, "/v1/agents", "k", &agent).await;
    let two = post(&bob, "/v1/agents", "k", &agent).await;
    assert_eq!((two.status, is_replayed(&two)), (201, false));
    assert_ne!(one.body["id"], two.body["id"]);
    // Who may not make it is told so, whatever the key stands for.
    let (_, reader) = alice.key(json!(["agents:read"])).await;
    assert_eq!(post(&reader, "/v1/agents", "k", &agent).await.status, 403);
    assert_eq!(post(&app, "/v1/agents", "k", &agent).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_is_made_and_shown_once() {
    let app = TestApp::start_admin().await;
    let admin = app.signed_in(&app.login(ADMIN).await);
    let body = json!({ "name": "k", "scopes": ["agents:read"], "expires_in_days": 1 });
    let made = join_all((0..AT_ONCE).map(|_| post(&admin, "/v1/auth/api-keys", "k", &body))).await;
    let made: Vec<_> = made.iter().map(|answer| (answer.status, answer.body["code"].as_str())).collect();
    assert_eq!(made.iter().filter(|answer| **answer == (201, None)).count(), 1, "{made:?}");
    assert_eq!(made.iter().filter(|answer| **answer == (409, Some("CONFLICT"))).count(), AT_ONCE - 1, "{made:?}");
    let input = json!({ "name": "k", "scopes": ["agents:read"], "expiresInDays": 1, "idempotencyKey": "k" });
    assert_eq!(admin.refused(CREATE_KEY, json!({ "input": input })).await["extensions"]["code"], "CONFLICT");
    let other = json!({ "name": "other" });
    assert_eq!(post(&admin, "/v1/auth/api-keys", "k", &other).await.body["code"], "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(admin.get("/v1/auth/api-keys").await.body["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_nothing_or_signs_in_ignores_the_key() {
    let app = TestApp::start_full().await;
    let ada = json!({ "email": "ada@example.com", "password": PASSWORD });
    assert_eq!(post(&app, "/v1/auth/register", "k", &ada).await.status, 201);
    assert_eq!(post(&app, "/v1/auth/register", "k", &ada).await.status, 400);
    for _ in 0..2 {
        let login = post(&app, "/v1/auth/login", "\u{1f511}", &ada).await;
        assert_eq!((login.status, is_replayed(&login)), (200, false));
    }
    let tokens = app.login(("ada@example.com", PASSWORD)).await;
    let refresh = json!({ "refresh_token": tokens["refresh_token"] });
    assert_eq!(post(&app, "/v1/auth/refresh", "k", &refresh).await.status, 200);
    let caller = app.signed_in(&tokens);
    let (session, _) = caller.session().await;
    for _ in 0..2 {
        assert_eq!(post(&caller, &format!("{session}/cancel"), "k", &json!({})).await.status, 200);
    }
    assert_eq!(post(&caller, "/v1/auth/logout", "k", &json!({})).await.status, 204);
}
