//! Where a provider's key must never be seen.

use everruns::config::ModelSettings;
use everruns::llm::ModelErrorCode;
use serde_json::json;

use super::server::{Reply, Server};
use super::{KEY, ask, ask_at, compatible, models, user};
use crate::log::Log;

#[tokio::test]
async fn a_key_leaves_its_server_by_no_redirect() {
    let mut other = Server::start([]);
    let elsewhere = format!("{}/chat/completions", other.root);
    let server = Server::start([Reply::redirect(307, &elsewhere)]);
    let said = ask_at(&server.root).await;
    assert_eq!(said.end.unwrap_err().code, ModelErrorCode::Unavailable);
    assert_eq!(other.requests_left(), 0);

    let replies = [Reply::redirect(307, "/v2/chat"), Reply::json(500, "")];
    let mut server = Server::start(replies);
    ask_at(&server.root).await;
    server.request().await;
    assert!(server.request().await.head.starts_with("post /v2/chat "));
}

#[test]
fn a_target_shows_neither_key_nor_address() {
    let shown = format!("{:?}", compatible("http://user:canary@host/v1"));
    assert!(shown.contains("small-model") && !shown.contains("canary"), "{shown}");
}

#[tokio::test]
async fn the_log_has_the_cause_once_and_no_key() {
    let message = format!("no such key: {KEY}\nfaked line");
    let body = json!({"error": {"message": message, "code": "invalid_api_key"}});
    let replies = [Reply::json(500, ""), Reply::json(401, &body.to_string())];
    let server = Server::start(replies);
    let (models, target) = (models(ModelSettings::default()), compatible(&server.root));
    let fail = async || ask(models.client(&target), &target, user("hello")).await.end.unwrap_err();
    let (log, guard) = Log::listen();
    fail().await;
    log.clear();
    fail().await;
    drop(guard);

    let text = log.text();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("invalid_api_key") && text.contains("[key]"), "{text}");
    assert!(!text.contains(KEY), "{text}");
}
