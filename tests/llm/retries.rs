//! Which failures are worth another try, and when.

use std::time::Duration;

use everruns::config::ModelSettings;
use everruns::db::ids::Id;
use everruns::llm::*;
use serde_json::json;

use super::faces::face;
use super::server::Reply;
use super::{ask, ask_at, compatible, models, user};

const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"begun\"}}]}\n\n";
const THOUGHT: &str = "data: {\"choices\":[{\"delta\":{\"reasoning\":\"hm\"}}]}\n\n";
const AT_ANY_TIME: Retry = Retry::Worth { after: None };

fn after(seconds: u64) -> Retry {
    Retry::Worth { after: Some(Duration::from_secs(seconds)) }
}

async fn retry_of(reply: Reply) -> Retry {
    face("chat completions").ask(reply, user("hello")).await.end.unwrap_err().retry
}

#[tokio::test]
async fn a_status_says_whether_to_ask_again() {
    for status in [408, 429, 500, 502, 503, 504, 529] {
        assert_eq!(retry_of(Reply::json(status, "{}")).await, AT_ANY_TIME, "{status}");
        let reply = Reply::json(status, "{}").header("Retry-After", "7");
        assert_eq!(retry_of(reply).await, after(7), "{status}");
    }
    for status in [301, 400, 401, 402, 403, 404, 409, 413, 422] {
        let reply = Reply::json(status, "{}").header("Retry-After", "7");
        assert_eq!(retry_of(reply).await, Retry::Never, "{status}");
    }
}

#[tokio::test]
async fn a_time_to_wait_is_read_in_every_form() {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let in_a_minute = "Sun, 06 Nov 1994 08:50:37 GMT";
    let gemini = json!({"error": {"status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "36s"}]}}).to_string();
    let cases = [
        (Reply::json(429, "{}").header("retry-after-ms", "2000").header("retry-after", "9"), after(2)),
        (Reply::json(429, "{}").header("retry-after", in_a_minute).header("date", date), after(60)),
        (Reply::json(503, "{}").header("retry-after", date), after(0)),
        (Reply::json(429, &gemini), after(36)),
        (Reply::json(503, "{}").header("retry-after", "soon"), AT_ANY_TIME),
    ];
    for (reply, expected) in cases {
        assert_eq!(retry_of(reply).await, expected);
    }
}

#[tokio::test]
async fn an_account_that_is_used_up_is_not_asked_again() {
    let body = json!({"error": {"code": "insufficient_quota", "message": "check your plan"}}).to_string();
    assert_eq!(retry_of(Reply::json(429, &body)).await, Retry::Never);
    assert_eq!(retry_of(Reply::events(format!("data: {body}\n\n"))).await, Retry::Never);
}

#[tokio::test]
async fn what_breaks_off_is_worth_another_try_until_it_says_something() {
    let told = |error: serde_json::Value| format!("data: {}\n\n", json!({ "error": error }));
    let overloaded = told(json!({"message": "overloaded"}));
    let broken = "data: {\"choices\":[{\"finish_reason\":\"error\"}]}\n\n".to_owned();
    for end in ["", ": ping\n\n", &overloaded, &told(json!("out of order")), &broken] {
        assert_eq!(retry_of(Reply::events(end)).await, AT_ANY_TIME, "{end:?}");
        for begun in [TEXT, THOUGHT] {
            assert_eq!(retry_of(Reply::events(format!("{begun}{end}"))).await, Retry::Never, "{begun:?} {end:?}");
        }
    }
    assert_eq!(retry_of(Reply::raw("")).await, AT_ANY_TIME);
    let lasting = [json!({"type": "invalid_request_error"}), json!({"code": "context_length_exceeded"})];
    for error in lasting {
        assert_eq!(retry_of(Reply::events(told(error.clone()))).await, Retry::Never, "{error}");
    }
}

#[tokio::test]
async fn what_is_no_model_server_is_not_asked_again() {
    for reply in [Reply::status(200, "text/html", "<html>"), Reply::json(200, "{}"), Reply::events("data: canary\n\n")]
    {
        assert_eq!(retry_of(reply).await, Retry::Never);
    }
}

#[tokio::test]
async fn an_unreachable_server_is_asked_again_but_not_a_wrong_or_forbidden_address() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let root = format!("http://{}/v1", free.local_addr().unwrap());
    drop(free);
    assert_eq!(ask_at(&root).await.end.unwrap_err().retry, AT_ANY_TIME);
    for root in ["no address", "ftp://host/v1"] {
        assert_eq!(ask_at(root).await.end.unwrap_err().retry, Retry::Never, "{root}");
    }
    let target = ModelTarget { provider_id: Some(Id::fixed(1)), ..compatible("http://localhost:1/v1") };
    let said = ask(models(ModelSettings::default()).client(&target), &target, user("hello")).await;
    assert_eq!(said.end.unwrap_err().retry, Retry::Never);
}

#[tokio::test]
async fn the_simulator_fails_for_good() {
    let models = models(ModelSettings::default());
    let target = models.of_operator().await.unwrap();
    for failure in ["unavailable", "refused", "cut", "context"] {
        let said = ask(models.client(&target), &target, user(&format!("/sim fail={failure}"))).await;
        assert_eq!(said.end.unwrap_err().retry, Retry::Never, "{failure}");
    }
}
