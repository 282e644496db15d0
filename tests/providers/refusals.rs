//! What is refused of providers and models, by both faces and with the field.

use std::sync::Arc;

use everruns::llm::{CreateLlmProviderInput, LlmProvider, ProviderRules, ProviderType};
use everruns::organizations::DEFAULT_ORGANIZATION;
use everruns::outbound::Reach;
use everruns::secrets::Secrets;
use serde_json::{Value, json};

use super::{PROVIDERS, model, provider, simulator};
use crate::app::{Answer, TestApp};
use crate::shapes::{as_input, camel_case};

/// Fields beside a whole body, and the field that is then refused.
fn bad_providers() -> Vec<(Value, &'static str)> {
    let long = |length: usize| format!("http://host/{}", "a".repeat(length - 12));
    vec![
        (json!({ "name": "" }), "name"),
        (json!({ "name": "é".repeat(256) }), "name"),
        (json!({ "base_url": "host/v1" }), "base_url"),
        (json!({ "base_url": "ftp://host/v1" }), "base_url"),
        (json!({ "base_url": "http://user@host/v1" }), "base_url"),
        (json!({ "base_url": "http://:password@host/v1" }), "base_url"),
        (json!({ "base_url": "http://host/v1?key=1" }), "base_url"),
        (json!({ "base_url": "http://host/v1#top" }), "base_url"),
        (json!({ "base_url": long(2049) }), "base_url"),
        (json!({ "base_url": "http://169.254.169.254/latest" }), "base_url"),
        (json!({ "base_url": "http://[fe80::1]/v1" }), "base_url"),
        (json!({ "base_url": "http://0xa9fea9fe/v1" }), "base_url"),
        (json!({ "base_url": "http://[::ffff:169.254.169.254]/v1" }), "base_url"),
        (json!({ "api_key": "" }), "api_key"),
        (json!({ "api_key": "with space" }), "api_key"),
        (json!({ "api_key": "line\n" }), "api_key"),
        (json!({ "api_key": "ключ" }), "api_key"),
        (json!({ "api_key": "a".repeat(4097) }), "api_key"),
    ]
}

fn bad_models() -> Vec<(Value, &'static str)> {
    vec![
        (json!({ "model_id": "" }), "model_id"),
        (json!({ "model_id": "é".repeat(256) }), "model_id"),
        (json!({ "display_name": " " }), "display_name"),
        (json!({ "context_window": 0 }), "context_window"),
        (json!({ "context_window": 2_147_483_648_i64 }), "context_window"),
        (json!({ "input_price_per_million": -0.01 }), "input_price_per_million"),
        (json!({ "output_price_per_million": -1 }), "output_price_per_million"),
    ]
}

fn merged(mut whole: Value, part: &Value) -> Value {
    whole.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
    whole
}

fn assert_refused(answer: &Answer, field: &str, asked: &Value) {
    let told = (answer.status, &answer.body["code"], &answer.body["field"]);
    assert_eq!(told, (400, &json!("BAD_USER_INPUT"), &json!(field)), "{asked}: {}", answer.body);
}

async fn assert_refused_by_graphql(app: &TestApp, name: &str, input: Value, field: &str) {
    let mut input_type = name.to_owned() + "Input";
    input_type[..1].make_ascii_uppercase();
    let query = format!("mutation($input: {input_type}!) {{ {name}(input: $input) {{ __typename }} }}");
    let error = app.refused(&query, json!({ "input": input })).await;
    let expected = json!({ "code": "BAD_USER_INPUT", "field": format!("input.{}", camel_case(field)) });
    assert_eq!(error["extensions"], expected, "{input}: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_providers_are_refused_by_both_faces() {
    let app = TestApp::start().await;
    let whole = json!({ "name": "A", "provider_type": "openai" });
    let id = provider(&app, whole.clone()).await;
    let path = format!("{PROVIDERS}/{id}");
    let before = app.get(&path).await.body;
    for (part, field) in bad_providers() {
        let body = merged(whole.clone(), &part);
        assert_refused(&app.post(PROVIDERS, body.clone()).await, field, &part);
        let mut input = Value::Object(as_input(&body));
        input["providerType"] = json!("OPENAI");
        assert_refused_by_graphql(&app, "createLlmProvider", input, field).await;
        assert_refused(&app.patch(&path, part.clone()).await, field, &part);
        let input = merged(json!({ "id": id }), &Value::Object(as_input(&part)));
        assert_refused_by_graphql(&app, "updateLlmProvider", input, field).await;
    }
    for (body, field) in [
        (json!({ "provider_type": "openai" }), "name"),
        (json!({ "name": "A" }), "provider_type"),
        (json!({ "name": "A", "provider_type": "closedai" }), "provider_type"),
        (json!({ "name": "A", "provider_type": "azure_openai" }), "base_url"),
        (json!({ "name": "A", "provider_type": "ollama" }), "base_url"),
        (json!({ "name": "A", "provider_type": "openai_compatible" }), "base_url"),
        (json!({ "name": "A", "provider_type": "llmsim", "base_url": "http://host/v1" }), "base_url"),
        (json!({ "name": "A", "provider_type": "llmsim", "api_key": "a" }), "api_key"),
    ] {
        assert_refused(&app.post(PROVIDERS, body.clone()).await, field, &body);
    }
    for field in ["name", "is_default", "status"] {
        let change = json!({ field: null });
        assert_refused(&app.patch(&path, change.clone()).await, field, &change);
    }
    assert_eq!(app.get(PROVIDERS).await.body, json!({ "data": [before] }));
    let ollama = json!({ "name": "A", "provider_type": "ollama", "base_url": "http://127.0.0.1:1/v1" });
    let ollama = format!("{PROVIDERS}/{}", provider(&app, ollama).await);
    let change = json!({ "base_url": null });
    assert_refused(&app.patch(&ollama, change.clone()).await, "base_url", &change);
}

/// As mode full judges them.
#[test]
fn an_address_of_the_operators_network_is_refused_at_once() {
    let reach = Reach { allowed: "models.internal, 10.0.0.5:8080".parse().unwrap(), private_networks: false };
    let secrets = Secrets::new(&crate::app::secret_settings(), None).unwrap();
    let rules = ProviderRules { reach, secrets: Arc::new(secrets) };
    let made = |url: &str| {
        let input = CreateLlmProviderInput {
            name: "A".into(),
            provider_type: ProviderType::Ollama,
            base_url: Some(url.to_owned()),
            api_key: None,
            is_default: None,
        };
        LlmProvider::new(DEFAULT_ORGANIZATION, input, &rules).map(|_| ())
    };
    let private = ["127.0.0.1/v1", "localhost:11434/v1", "[::1]/v1", "10.0.0.5/v1", "2130706433/v1"];
    for url in private.map(|rest| format!("http://{rest}")) {
        assert_eq!(made(&url).unwrap_err().field.as_deref(), Some("input.baseUrl"), "{url}");
    }
    for url in ["http://models.internal:1/v1", "http://10.0.0.5:8080/v1", "https://api.example.com/v1"] {
        assert!(made(url).is_ok(), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_models_are_refused_by_both_faces() {
    let app = TestApp::start().await;
    let provider = simulator(&app).await;
    let id = model(&app, &provider, "llmsim").await;
    let path = format!("/v1/llm-models/{id}");
    let before = app.get(&path).await.body;
    let whole = json!({ "model_id": "m", "display_name": "M" });
    for (part, field) in bad_models() {
        let body = merged(whole.clone(), &part);
        assert_refused(&app.post(&format!("{PROVIDERS}/{provider}/models"), body.clone()).await, field, &part);
        let input = merged(json!({ "providerId": provider }), &Value::Object(as_input(&body)));
        assert_refused_by_graphql(&app, "createLlmModel", input, field).await;
        assert_refused(&app.patch(&path, part.clone()).await, field, &part);
        let input = merged(json!({ "id": id }), &Value::Object(as_input(&part)));
        assert_refused_by_graphql(&app, "updateLlmModel", input, field).await;
    }
    for field in ["model_id", "display_name", "is_default", "status"] {
        let change = json!({ field: null });
        assert_refused(&app.patch(&path, change.clone()).await, field, &change);
    }
    assert_eq!(app.get("/v1/llm-models").await.body["data"][0]["updated_at"], before["updated_at"]);
    assert_eq!(app.get(&path).await.body, before);
    let nowhere = format!("{PROVIDERS}/01890000-0000-7000-8000-00000000000a/models");
    assert_eq!((app.post(&nowhere, whole).await.status, app.get(&nowhere).await.status), (404, 404));
    assert_eq!(app.get(&format!("{PROVIDERS}/x")).await.status, 400);
    assert_eq!(app.get("/v1/llm-models/x").await.body["field"], "id");
}
