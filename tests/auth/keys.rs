//! API keys: shown once, listed, deleted.

use serde_json::{Value, json};

use super::{assert_known, assert_unknown, code, refusal, refused};
use crate::app::{ADMIN, Caller, PATIENCE, TestApp};

const CREATE: &str =
    "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { key apiKey { id scopes } } }";
const ALL: [&str; 4] = ["agents:read", "agents:write", "sessions:read", "sessions:write"];

async fn admin(app: &TestApp) -> Caller {
    app.signed_in(&app.login(ADMIN).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once() {
    let app = TestApp::start_admin().await;
    let admin = admin(&app).await;
    let made =
        admin.post("/v1/auth/api-keys", json!({ "name": "mine", "scopes": ["sessions:write", "agents:read"] })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let names: Vec<&String> = made.body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["id", "name", "key", "key_prefix", "scopes", "expires_at", "created_at"]);
    let key = made.body["key"].as_str().unwrap();
    assert_eq!((key.len(), &key[..4]), (40, "evr_"));
    assert!(key[4..].chars().all(|character| character.is_ascii_alphanumeric()));
    assert_eq!((&made.body["key_prefix"], &made.body["expires_at"]), (&json!(key[..12]), &Value::Null));
    assert_eq!(made.body["scopes"], json!(["agents:read", "sessions:write"]));
    let list = admin.get("/v1/auth/api-keys").await.body;
    let expected = json!({ "data": [{
        "id": made.body["id"], "name": "mine", "key_prefix": key[..12], "scopes": ["agents:read", "sessions:write"],
        "expires_at": null, "last_used_at": null, "created_at": made.body["created_at"],
    }] });
    assert_eq!(list, expected);
    let query =
        "{ viewer { apiKeys { totalCount nodes { id name keyPrefix scopes expiresAt lastUsedAt createdAt } } } }";
    let found = admin.ask(query, json!({})).await["viewer"]["apiKeys"].take();
    assert_eq!((&found["totalCount"], &found["nodes"][0]["keyPrefix"]), (&json!(1), &list["data"][0]["key_prefix"]));
    let node = "query($id: ID!) { node(id: $id) { ... on ApiKey { name } } }";
    assert_eq!(admin.ask(node, json!({ "id": made.body["id"] })).await["node"]["name"], "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_scopes_has_all_and_one_with_days_ends() {
    let app = TestApp::start_admin().await;
    let admin = admin(&app).await;
    for body in [json!({ "name": "a" }), json!({ "name": "a", "scopes": null, "expires_in_days": null })] {
        let made = admin.post("/v1/auth/api-keys", body).await;
        assert_eq!((made.status, &made.body["scopes"]), (201, &json!(ALL)));
    }
    let made = admin.ask(CREATE, json!({ "input": { "name": "a" } })).await;
    assert_eq!(made["createApiKey"]["apiKey"]["scopes"], json!(ALL));
    let made = admin.post("/v1/auth/api-keys", json!({ "name": "a", "expires_in_days": 3650 })).await;
    assert!(made.body["expires_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{}", made.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_key_is_refused_at_once_and_deleted_again_not_found() {
    let app = TestApp::start_admin().await;
    let admin = admin(&app).await;
    let ((first, one), (second, two)) = (admin.key(json!(null)).await, admin.key(json!(null)).await);
    assert_known(&one).await;
    assert_eq!(admin.delete(&format!("/v1/auth/api-keys/{first}")).await.status, 204);
    assert_unknown(&one).await;
    assert_known(&two).await;
    assert_eq!(refusal(&admin.delete(&format!("/v1/auth/api-keys/{first}")).await).0, 404);
    let delete = "mutation($id: ID!) { deleteApiKey(input: { id: $id }) { deletedApiKeyId } }";
    let gone = admin.ask(delete, json!({ "id": second })).await;
    assert_eq!(gone["deleteApiKey"]["deletedApiKeyId"], json!(second));
    assert_unknown(&two).await;
    assert_eq!(refused(&admin.refused(delete, json!({ "id": second })).await).0, Some("NOT_FOUND"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_manages_no_keys() {
    let app = TestApp::start_admin().await;
    let admin = admin(&app).await;
    let (id, key) = admin.key(json!(null)).await;
    for answer in [
        key.get("/v1/auth/api-keys").await,
        key.post("/v1/auth/api-keys", json!({ "name": "another" })).await,
        key.delete(&format!("/v1/auth/api-keys/{id}")).await,
    ] {
        assert_eq!((answer.status, &answer.body["code"]), (403, &json!("FORBIDDEN")));
    }
    for query in [
        "{ viewer { apiKeys { nodes { id } } } }".to_owned(),
        r#"mutation { createApiKey(input: { name: "a" }) { key } }"#.to_owned(),
        format!(r#"mutation {{ deleteApiKey(input: {{ id: "{id}" }}) {{ deletedApiKeyId }} }}"#),
        format!(r#"{{ node(id: "{id}") {{ id }} }}"#),
    ] {
        assert_eq!(code(&key, &query).await.as_deref(), Some("FORBIDDEN"), "{query}");
    }
    // But it may say whose it is.
    assert_eq!(key.get("/v1/auth/me").await.body["email"], ADMIN.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reaches_another_users_keys() {
    let app = TestApp::start_full().await;
    let ada = app.signed_in(&app.register("ada@example.com").await);
    let bob = app.signed_in(&app.register("bob@example.com").await);
    let (id, key) = ada.key(json!(null)).await;
    assert_eq!(bob.get("/v1/auth/api-keys").await.body["data"], json!([]));
    assert_eq!(bob.delete(&format!("/v1/auth/api-keys/{id}")).await.status, 404);
    let node = "query($id: ID!) { node(id: $id) { id } }";
    assert_eq!(bob.ask(node, json!({ "id": id })).await["node"], Value::Null);
    assert_known(&key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_keys_is_read_page_by_page_and_a_user_has_100() {
    let app = TestApp::start_admin().await;
    let admin = admin(&app).await;
    for number in 0..100 {
        let made = admin.post("/v1/auth/api-keys", json!({ "name": format!("{number}") })).await;
        assert_eq!(made.status, 201);
    }
    let full = admin.post("/v1/auth/api-keys", json!({ "name": "one more" })).await;
    assert_eq!((full.status, &full.body["code"]), (409, &json!("CONFLICT")));
    let mut names = Vec::new();
    let mut path = "/v1/auth/api-keys?limit=40".to_owned();
    loop {
        let page = admin.get(&path).await.body;
        names.extend(page["data"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/auth/api-keys?limit=40&after={next}");
    }
    let expected: Vec<String> = (0..100).rev().map(|number| number.to_string()).collect();
    assert_eq!(names, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_of_a_key_is_noted_out_of_the_requests_way() {
    let app = TestApp::start_admin().await;
    let admin = admin(&app).await;
    let (_, key) = admin.key(json!(null)).await;
    assert_known(&key).await;
    let noted = async {
        loop {
            let at = admin.get("/v1/auth/api-keys").await.body["data"][0]["last_used_at"].take();
            if at.is_string() {
                return at;
            }
        }
    };
    let at = tokio::time::timeout(PATIENCE, noted).await.expect("the use is noted");
    assert_known(&key).await;
    let again = admin.get("/v1/auth/api-keys").await.body["data"][0]["last_used_at"].take();
    assert_eq!(again, at, "at most once a minute");
}
