//! Where each type of provider is called, and where it lists its models.

use everruns::config::ModelSettings;
use everruns::db::ids::Id;
use everruns::llm::*;
use serde_json::json;

use super::faces::face;
use super::server::{Reply, Server};
use super::{KEY, ask, models, user};

fn target(provider_type: ProviderType, base_url: String) -> ModelTarget {
    ModelTarget {
        provider_type,
        base_url: Some(base_url),
        api_key: Some(KEY.into()),
        model: "small model".into(),
        context_window: None,
        provider_id: Some(Id::fixed(1)),
    }
}

#[tokio::test]
async fn azure_is_called_however_its_address_is_given() {
    let version = "api-version=2024-10-21";
    let cases = [
        ("/openai/v1/", "/openai/v1/chat/completions".to_owned()),
        ("", format!("/openai/deployments/small%20model/chat/completions?{version}")),
        ("/openai", format!("/openai/deployments/small%20model/chat/completions?{version}")),
        ("/openai/deployments/mine", format!("/openai/deployments/mine/chat/completions?{version}")),
        (
            "/openai/deployments/mine/chat/completions?api-version=2025-01-01-preview",
            "/openai/deployments/mine/chat/completions?api-version=2025-01-01-preview".to_owned(),
        ),
        ("/openai/v1/responses", "/openai/v1/responses".to_owned()),
    ];
    for (path, expected) in cases {
        let spoken = face(if path.ends_with("/responses") { "responses" } else { "chat completions" });
        let mut server = Server::start([spoken.reply(&(spoken.text)())]);
        let target = target(ProviderType::AzureOpenai, format!("{}{path}", server.origin));
        ask(models(ModelSettings::default()).client(&target), &target, user("hello")).await.end.unwrap();
        let request = server.request().await;
        assert!(request.head.starts_with(&format!("post {expected} ").to_lowercase()), "{}", request.head);
        assert!(request.head.contains(&format!("\r\napi-key: {KEY}\r\n")), "{}", request.head);
        assert_eq!(request.body["model"], "small model");
    }
}

#[tokio::test]
async fn ollama_has_a_second_face() {
    let spoken = face("chat completions");
    let mut server = Server::start([spoken.reply(&(spoken.text)())]);
    let target = target(ProviderType::Ollama, server.root.clone());
    ask(models(ModelSettings::default()).client(&target), &target, user("hello")).await.end.unwrap();
    assert!(server.request().await.head.starts_with("post /v1/chat/completions "));
}

#[tokio::test]
async fn a_gemini_model_may_be_named_in_full() {
    let spoken = face("gemini");
    for (model, segment) in [("models/small", "small"), ("a/b?c#d", "a%2fb%3fc%23d")] {
        let mut server = Server::start([spoken.reply(&(spoken.text)())]);
        let target = ModelTarget { model: model.into(), ..spoken.target(&server) };
        ask(models(ModelSettings::default()).client(&target), &target, user("hello")).await.end.unwrap();
        let head = server.request().await.head;
        assert!(head.starts_with(&format!("post /v1beta/models/{segment}:streamgeneratecontent?alt=sse ")), "{head}");
    }
}

#[tokio::test]
async fn a_model_that_answers_by_responses_only_is_remembered() {
    let refusals = [
        "This model is only supported in v1/responses and not in v1/chat/completions.",
        "This is not a chat model and thus not supported in the v1/chat/completions endpoint.",
    ];
    for refusal in refusals {
        let spoken = face("responses");
        let answer = || spoken.reply(&(spoken.text)());
        let refused = Reply::json(404, &json!({"error": {"message": refusal}}).to_string());
        let mut server = Server::start([refused, answer(), answer()]);
        let target = target(ProviderType::Openai, server.root.clone());
        let models = models(ModelSettings::default());
        for _ in 0..2 {
            let said = ask(models.client(&target), &target, user("hello")).await;
            assert_eq!((said.text().as_str(), said.end.is_ok()), ("Bonjour é🥞", true));
        }
        for path in ["/v1/chat/completions", "/v1/responses", "/v1/responses"] {
            assert!(server.request().await.head.starts_with(&format!("post {path} ")));
        }
        assert_eq!(server.requests_left(), 0);
    }
}

#[tokio::test]
async fn without_a_base_url_that_is_needed_nobody_is_called() {
    for provider_type in [ProviderType::AzureOpenai, ProviderType::OpenaiCompatible] {
        let target = ModelTarget { base_url: None, ..target(provider_type, String::new()) };
        let error =
            ask(models(ModelSettings::default()).client(&target), &target, user("hello")).await.end.unwrap_err();
        assert_eq!(error.code, ModelErrorCode::Unavailable);
        assert!(error.message.contains("Set the provider's base URL"), "{error}");
    }
}
