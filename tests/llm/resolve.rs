//! Which model answers where nobody chose one.

use everruns::config::ModelSettings;
use everruns::llm::*;

use super::server::{Reply, Server};
use super::{KEY, models};

const LIST: &str = r#"{"object":"list","data":[{"id":"first"},{"id":"second"}]}"#;

fn settings(key: Option<&str>, root: Option<&str>, default_model: Option<&str>) -> ModelSettings {
    ModelSettings {
        openai_api_key: key.map(Into::into),
        openai_base_url: root.map(Into::into),
        default_model: default_model.map(Into::into),
        ..ModelSettings::default()
    }
}

async fn resolved(settings: ModelSettings) -> (ProviderType, String) {
    let target = models(settings).of_operator().await.unwrap();
    (target.provider_type, target.model)
}

#[tokio::test]
async fn without_a_provider_the_simulator_answers() {
    use ProviderType::Llmsim;
    assert_eq!(resolved(settings(None, None, None)).await, (Llmsim, "llmsim".into()));
    assert_eq!(resolved(settings(Some(""), Some(" "), Some(""))).await, (Llmsim, "llmsim".into()));
    assert_eq!(resolved(settings(None, None, Some("llmsim?words=5"))).await, (Llmsim, "llmsim?words=5".into()));
    assert_eq!(resolved(settings(None, None, Some("gpt-4"))).await, (Llmsim, "llmsim".into()));
}

#[tokio::test]
async fn key_and_base_url_make_the_provider() {
    let model = Some("m");
    let own = (ProviderType::Openai, "m".to_owned());
    assert_eq!(resolved(settings(Some(KEY), None, model)).await, own);
    assert_eq!(resolved(settings(Some(KEY), Some("https://api.openai.com/v1/"), model)).await, own);
    let compatible = (ProviderType::OpenaiCompatible, "m".to_owned());
    assert_eq!(resolved(settings(None, Some("http://localhost:1/v1"), model)).await, compatible);
    assert_eq!(resolved(settings(Some(KEY), Some("https://api.openai.com.example/v1"), model)).await, compatible);
}

#[tokio::test]
async fn the_first_of_the_list_answers_and_is_asked_for_once() {
    let mut server = Server::start([Reply::json(200, LIST)]);
    let models = models(settings(Some(KEY), Some(&server.root), None));
    for _ in 0..3 {
        let target = models.of_operator().await.unwrap();
        assert_eq!((target.model.as_str(), target.base_url.as_ref()), ("first", Some(&server.root)));
        assert!(target.api_key.is_some());
    }
    let request = server.request().await;
    assert!(request.head.starts_with("get /v1/models ") && request.head.contains(KEY), "{}", request.head);
    assert_eq!(server.requests_left(), 0);
}

#[tokio::test]
async fn callers_at_the_same_time_share_one_request() {
    let mut server = Server::start([Reply::json(200, LIST), Reply::json(200, LIST)]);
    let models = models(settings(None, Some(&server.root), None));
    let (one, two, three) = tokio::join!(models.of_operator(), models.of_operator(), models.of_operator());
    assert!([one, two, three].into_iter().all(|target| target.unwrap().model == "first"));
    server.request().await;
    assert_eq!(server.requests_left(), 0);
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_spoil_the_request_of_others() {
    let server = Server::start([Reply::json(200, LIST)]);
    let models = models(settings(None, Some(&server.root), None));
    let (left, stayed) = tokio::join!(
        async {
            tokio::select! {
                biased;
                _ = models.of_operator() => true,
                _ = tokio::task::yield_now() => false,
            }
        },
        models.of_operator(),
    );
    assert!(!left);
    assert_eq!(stayed.unwrap().model, "first");
}

#[tokio::test]
async fn a_failure_is_told_and_not_remembered() {
    let replies = [
        Reply::json(401, "canary"),
        Reply::json(200, "{\"data\":[]}"),
        Reply::json(200, "canary"),
        Reply::json(200, LIST),
    ];
    let server = Server::start(replies);
    let models = models(settings(Some(KEY), Some(&server.root), None));
    for hint in ["OPENAI_API_KEY", "DEFAULT_MODEL", "OPENAI_BASE_URL"] {
        let error = models.of_operator().await.unwrap_err();
        assert_eq!(error.code, ModelErrorCode::Unavailable);
        assert!(error.message.starts_with("The model provider (openai_compatible) "), "{error}");
        assert!(error.message.contains(hint) && !error.message.contains("canary"), "{error}");
    }
    assert_eq!(models.of_operator().await.unwrap().model, "first");
}
