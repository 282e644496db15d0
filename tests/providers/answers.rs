//! Turns that a stored provider answers, over the network.

use std::sync::Arc;

use everruns::config::ModelSettings;
use everruns::db::Store;
use everruns::db::ids::Id;
use everruns::llm::{ModelChoices, ModelTimeouts, Models};
use everruns::organizations::DEFAULT_ORGANIZATION;
use everruns::outbound::{Reach, model_clients};
use everruns::secrets::Secrets;
use secrecy::SecretString;
use serde_json::json;

use super::{KEY, PROVIDERS, model, provider};
use crate::app::{TestApp, database_url, text_of};
use crate::llm::server::Server;
use crate::turns::whole;

/// A default model of an OpenAI-compatible provider at this root.
pub async fn default_model_at(app: &TestApp, root: &str) -> String {
    let body = json!({ "name": "Mine", "provider_type": "openai_compatible", "base_url": root, "api_key": KEY });
    let provider = provider(app, body).await;
    let model = model(app, &provider, "small-model").await;
    assert_eq!(app.patch(&format!("/v1/llm-models/{model}"), json!({ "is_default": true })).await.status, 200);
    format!("{PROVIDERS}/{provider}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_provider_answers_with_its_key() {
    let mut server = Server::start([whole("From afar."), whole("Again.")]);
    let app = TestApp::start().await;
    let provider = default_model_at(&app, &server.root).await;
    let (session, _) = app.session().await;
    let mut stream = app.sse(&session, None).await;
    app.say(&session, "hello").await;
    assert_eq!(text_of(&stream.until("session.completed").await), "From afar.");
    let request = server.request().await;
    assert!(request.head.starts_with("post /v1/chat/completions "), "{}", request.head);
    assert!(request.head.contains(&format!("authorization: bearer {KEY}")), "{}", request.head);
    assert_eq!(request.body["model"], "small-model");

    app.patch(&provider, json!({ "api_key": "another-key-4711" })).await;
    app.say(&session, "hello").await;
    stream.until("session.completed").await;
    assert!(server.request().await.head.contains("authorization: bearer another-key-4711"));
}

/// Mode full holds users to this, and what is stored may be older than the mode.
#[tokio::test(flavor = "multi_thread")]
async fn a_stored_address_that_is_not_allowed_any_more_is_not_asked() {
    // Its own folder outlives the server.
    let folder = tempfile::tempdir().unwrap();
    let url = SecretString::from(database_url(&folder).await);
    let app = TestApp::start_with(|config| config.database_url = url.clone()).await;
    let provider = default_model_at(&app, "http://127.0.0.1:1/v1").await;
    let model = app.get(&format!("{provider}/models")).await.body["data"][0]["id"].take();
    app.stop().await;
    let store = Store::open(&url, Arc::default()).await.unwrap();
    let choices = ModelChoices { organization: Id::parse(model.as_str().unwrap()), ..ModelChoices::default() };
    let secrets = Arc::new(Secrets::new(&crate::app::secret_settings(), None).unwrap());
    for (allowed, private_networks, is_asked) in [("", true, true), ("", false, false), ("127.0.0.1:1", false, true)] {
        let clients = model_clients(&Reach { allowed: allowed.parse().unwrap(), private_networks }).unwrap();
        let models = Models::new(ModelSettings::default(), clients, ModelTimeouts::DEFAULT, secrets.clone());
        match models.resolve(&store, DEFAULT_ORGANIZATION, choices).await.unwrap() {
            Ok(target) => assert!(is_asked && !target.by_operator() && target.model == "small-model"),
            Err(told) => assert!(!is_asked && told.message.contains("OUTBOUND_ALLOWED_HOSTS"), "{told}"),
        }
    }
}
