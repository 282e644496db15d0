//! Addresses that are refused of providers for what they are already, or for where the server runs; the rest is in tests/bad_input.

use std::sync::Arc;

use everruns::llm::{CreateLlmProviderInput, LlmProvider, ProviderRules, ProviderType};
use everruns::organizations::DEFAULT_ORGANIZATION;
use everruns::outbound::Reach;
use everruns::secrets::Secrets;
use serde_json::json;

use super::{PROVIDERS, provider};
use crate::app::TestApp;

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
            idempotency_key: None,
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
async fn an_address_that_is_needed_is_not_cleared() {
    let app = TestApp::start().await;
    let ollama = json!({ "name": "A", "provider_type": "ollama", "base_url": "http://127.0.0.1:1/v1" });
    let id = provider(&app, ollama).await;
    let refused = app.patch(&format!("{PROVIDERS}/{id}"), json!({ "base_url": null })).await;
    let told = (refused.status, &refused.body["code"], &refused.body["field"]);
    assert_eq!(told, (400, &json!("BAD_USER_INPUT"), &json!("base_url")), "{}", refused.body);
    let query = "mutation($input: UpdateLlmProviderInput!) { updateLlmProvider(input: $input) { provider { id } } }";
    let error = app.refused(query, json!({ "input": { "id": id, "baseUrl": null } })).await;
    assert_eq!(error["extensions"], json!({ "code": "BAD_USER_INPUT", "field": "input.baseUrl" }));
}
