//! Providers: made, found, changed, deleted.

use serde_json::{Value, json};

use super::{KEY, PROVIDER_FIELDS, PROVIDERS, as_rest, model, provider, simulator};
use crate::app::TestApp;
use crate::shapes::{id, ids, keys, time};

async fn by_graphql(app: &TestApp, id: &str) -> Value {
    let query = format!("query($id: ID!) {{ llmProvider(id: $id) {{ {PROVIDER_FIELDS} }} }}");
    as_rest(&app.ask(&query, json!({ "id": id })).await["llmProvider"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_rest_makes_is_the_one_that_graphql_shows() {
    let app = TestApp::start().await;
    let made = app.post(PROVIDERS, json!({ "name": "OpenAI", "provider_type": "openai", "api_key": KEY })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let expected = [
        "id",
        "name",
        "provider_type",
        "api_key_set",
        "api_key_last4",
        "is_default",
        "status",
        "created_at",
        "updated_at",
    ];
    assert_eq!(keys(&made.body), expected);
    assert_eq!(
        (&made.body["provider_type"], &made.body["status"], &made.body["api_key_last4"]),
        (&json!("openai"), &json!("active"), &json!("wxyz"))
    );
    assert_eq!((&made.body["api_key_set"], &made.body["is_default"]), (&json!(true), &json!(false)));
    let id = id(&made.body["id"]);
    let got = app.get(&format!("{PROVIDERS}/{id}")).await;
    assert_eq!((got.status, &got.body), (200, &made.body));
    assert_eq!(by_graphql(&app, &id).await, made.body);
    let node = app.ask("query($id: ID!) { node(id: $id) { __typename id } }", json!({ "id": id })).await;
    assert_eq!(node["node"], json!({ "__typename": "LlmProvider", "id": id }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_graphql_makes_is_the_one_that_rest_shows() {
    let app = TestApp::start().await;
    let query = format!(
        "mutation($input: CreateLlmProviderInput!) {{ createLlmProvider(input: $input) {{ provider {{ {PROVIDER_FIELDS} }} }} }}"
    );
    let input = json!({ "name": "Mine", "providerType": "OLLAMA", "baseUrl": "http://localhost:11434/v1" });
    let made = app.ask(&query, json!({ "input": input })).await;
    let provider = &made["createLlmProvider"]["provider"];
    assert_eq!((&provider["apiKeySet"], &provider["apiKeyLast4"]), (&json!(false), &Value::Null));
    let got = app.get(&format!("{PROVIDERS}/{}", id(&provider["id"]))).await;
    assert_eq!((got.status, &got.body), (200, &as_rest(provider)));
    assert_eq!(got.body["base_url"], "http://localhost:11434/v1");
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_are_listed_newest_first_page_by_page() {
    let app = TestApp::start().await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(simulator(&app).await);
    }
    made.reverse();
    let all = app.get(PROVIDERS).await.body;
    assert_eq!((ids(&all["data"]), keys(&all)), (made.iter().map(String::as_str).collect(), vec!["data"]));
    let graphql = app.ask("{ llmProviders { totalCount nodes { id } } }", json!({})).await;
    assert_eq!(
        (&graphql["llmProviders"]["totalCount"], ids(&graphql["llmProviders"]["nodes"])),
        (&json!(3), ids(&all["data"]))
    );
    let first = app.get(&format!("{PROVIDERS}?limit=2")).await.body;
    let next = first["next"].as_str().unwrap();
    let rest = app.get(&format!("{PROVIDERS}?limit=2&after={next}")).await.body;
    assert_eq!((ids(&first["data"]), ids(&rest["data"])), (vec![&*made[0], &*made[1]], vec![&*made[2]]));
    assert_eq!(keys(&rest), ["data"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_provider_leaves_what_it_does_not_name() {
    let app = TestApp::start().await;
    let body = json!({ "name": "A", "provider_type": "openai_compatible", "base_url": "http://127.0.0.1:1/v1", "api_key": KEY });
    let path = format!("{PROVIDERS}/{}", provider(&app, body).await);
    let before = app.get(&path).await.body;
    let changed = app.patch(&path, json!({ "name": "B", "status": "disabled" })).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let mut expected = before.clone();
    (expected["name"], expected["status"]) = (json!("B"), json!("disabled"));
    expected["updated_at"] = changed.body["updated_at"].clone();
    assert_eq!(changed.body, expected);
    assert!(time(&changed.body["updated_at"]) > time(&before["updated_at"]));

    let new_key = app.patch(&path, json!({ "api_key": "another-key-4711" })).await.body;
    assert_eq!((&new_key["api_key_set"], &new_key["api_key_last4"]), (&json!(true), &json!("4711")));
    let cleared = app.patch(&path, json!({ "api_key": null })).await.body;
    assert_eq!((&cleared["api_key_set"], cleared.get("api_key_last4")), (&json!(false), None));
    assert_eq!(app.get(&path).await.body, cleared);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_key_goes_to_no_other_server() {
    let app = TestApp::start().await;
    let body = json!({ "name": "A", "provider_type": "openai_compatible", "base_url": "http://127.0.0.1:7001/v1", "api_key": KEY });
    let id = provider(&app, body).await;
    let path = format!("{PROVIDERS}/{id}");
    for elsewhere in ["http://127.0.0.1:7002/v1", "https://127.0.0.1:7001/v1", "http://localhost:7001/v1"] {
        let refused = app.patch(&path, json!({ "base_url": elsewhere })).await;
        assert_eq!((refused.status, &refused.body["field"]), (400, &json!("api_key")), "{}", refused.body);
        let query =
            "mutation($input: UpdateLlmProviderInput!) { updateLlmProvider(input: $input) { provider { id } } }";
        let error = app.refused(query, json!({ "input": { "id": id, "baseUrl": elsewhere } })).await;
        assert_eq!(error["extensions"], json!({ "code": "BAD_USER_INPUT", "field": "input.apiKey" }));
    }
    assert_eq!(app.get(&path).await.body["base_url"], "http://127.0.0.1:7001/v1");
    let same = app.patch(&path, json!({ "base_url": "http://127.0.0.1:7001/v2" })).await;
    assert_eq!((same.status, &same.body["api_key_set"]), (200, &json!(true)));
    let anew = app.patch(&path, json!({ "base_url": "http://127.0.0.1:7002/v1", "api_key": "another-key-4711" })).await;
    assert_eq!((anew.status, &anew.body["api_key_last4"]), (200, &json!("4711")));
    let without = app.patch(&path, json!({ "base_url": "http://127.0.0.1:7003/v1", "api_key": null })).await;
    assert_eq!((without.status, &without.body["api_key_set"]), (200, &json!(false)));

    let public = provider(&app, json!({ "name": "O", "provider_type": "openai", "api_key": KEY })).await;
    let moved = app.patch(&format!("{PROVIDERS}/{public}"), json!({ "base_url": "http://127.0.0.1:7001/v1" })).await;
    assert_eq!((moved.status, &moved.body["field"]), (400, &json!("api_key")));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_provider_is_the_default() {
    let app = TestApp::start().await;
    let body = json!({ "name": "A", "provider_type": "llmsim", "is_default": true });
    let first = format!("{PROVIDERS}/{}", provider(&app, body.clone()).await);
    let second = format!("{PROVIDERS}/{}", provider(&app, body).await);
    let is_default = async |path: &str| app.get(path).await.body["is_default"].clone();
    assert_eq!((is_default(&first).await, is_default(&second).await), (json!(false), json!(true)));
    assert_eq!(app.patch(&first, json!({ "is_default": true })).await.status, 200);
    assert_eq!((is_default(&first).await, is_default(&second).await), (json!(true), json!(false)));
    assert_eq!(app.patch(&first, json!({ "is_default": false })).await.body["is_default"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_deleted_with_its_models() {
    let app = TestApp::start().await;
    let id = simulator(&app).await;
    let model = model(&app, &id, "llmsim").await;
    let path = format!("{PROVIDERS}/{id}");
    let deleted = app.delete(&path).await;
    assert_eq!((deleted.status, deleted.body), (204, json!("")));
    for path in [path.clone(), format!("{path}/models"), format!("/v1/llm-models/{model}")] {
        let gone = app.get(&path).await;
        assert_eq!((gone.status, &gone.body["code"]), (404, &json!("NOT_FOUND")), "{path}");
    }
    assert_eq!(app.delete(&path).await.status, 404);
    let query = "mutation($id: ID!) { deleteLlmProvider(input: { id: $id }) { deletedProviderId } }";
    assert_eq!(app.refused(query, json!({ "id": id })).await["extensions"]["code"], "NOT_FOUND");
}
