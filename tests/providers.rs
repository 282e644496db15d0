//! Providers and models: kept by both faces alike, chosen, asked, and never told of their keys.

mod answers;
mod choices;
mod keys;
mod kept_models;
mod kept_providers;
mod refusals;
mod tenancy;

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::shapes::id;

const PROVIDERS: &str = "/v1/llm-providers";
/// A key that must be seen nowhere.
const KEY: &str = "sk-canary-0815-wxyz";

const PROVIDER_FIELDS: &str = "id name providerType baseUrl apiKeySet apiKeyLast4 isDefault status createdAt updatedAt";
const MODEL_FIELDS: &str = "id providerId modelId displayName contextWindow inputPricePerMillion outputPricePerMillion isDefault status createdAt updatedAt";

/// A new provider; its id.
async fn provider(app: &TestApp, body: Value) -> String {
    let made = app.post(PROVIDERS, body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    id(&made.body["id"])
}

/// A new simulator's provider; its id.
async fn simulator(app: &TestApp) -> String {
    provider(app, json!({ "name": "Simulator", "provider_type": "llmsim" })).await
}

/// A new model of this name; its id.
async fn model(app: &TestApp, provider: &str, name: &str) -> String {
    let body = json!({ "model_id": name, "display_name": name });
    let made = app.post(&format!("{PROVIDERS}/{provider}/models"), body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    id(&made.body["id"])
}

/// What REST prints where GraphQL says this.
fn as_rest(value: &Value) -> Value {
    let mut shown = crate::shapes::as_rest(value);
    // An enum beside `status`.
    if let Some(kind) = shown.get_mut("provider_type") {
        *kind = json!(kind.as_str().unwrap().to_lowercase());
    }
    shown
}
