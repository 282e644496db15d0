//! What can go wrong at a model server, and what the user is told of it.

use std::time::Duration;

use everruns::config::ModelSettings;
use everruns::llm::*;
use serde_json::json;

use super::server::{Reply, Server};
use super::{KEY, Said, ask, ask_at, compatible, patient_models, user};

const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"begun\"}}]}\n\n";
const SHORT: Duration = Duration::from_millis(50);

fn code(said: &Said) -> ModelErrorCode {
    said.end.as_ref().expect_err("a failure").code
}

/// What a user may never see of a failure.
fn assert_leaks_nothing(said: &Said, root: &str) {
    let told = format!("{:?}", said.end);
    let address = root.trim_start_matches("http://").trim_end_matches("/v1");
    for secret in [KEY, address, "canary"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_cut() {
    let chunked = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let replies = [
        ("end of the connection", Reply::events(TEXT)),
        ("half an event", Reply::events(format!("{TEXT}data: {{\"choices\":[{{\"del"))),
        ("a chunk that never ends", Reply::raw(format!("{chunked}{:x}\r\n{TEXT}\r\nff\r\ndata", TEXT.len()))),
        ("no JSON", Reply::events(format!("{TEXT}data: canary\n\n"))),
        ("no UTF-8", Reply::events([TEXT.as_bytes(), b"data: {\"choices\":[\xff]}\n\n"].concat())),
        ("an endless event", Reply::events(format!("{TEXT}data: {}", "x".repeat(2_000_000)))),
        (
            "a finish reason",
            Reply::events(format!("{TEXT}data: {{\"choices\":[{{\"finish_reason\":\"error\"}}]}}\n\n")),
        ),
    ];
    for (name, reply) in replies {
        let server = Server::start([reply]);
        let said = ask_at(&server.root).await;
        assert_eq!(said.text(), "begun", "{name}");
        assert_eq!(code(&said), ModelErrorCode::Cut, "{name}");
        assert_leaks_nothing(&said, &server.root);
    }
}

#[tokio::test]
async fn an_empty_stream_is_cut() {
    for body in ["", ": ping\n\n", "data: [DONE]\n\n"] {
        let server = Server::start([Reply::events(body)]);
        assert_eq!(code(&ask_at(&server.root).await), ModelErrorCode::Cut, "{body:?}");
    }
}

#[tokio::test]
async fn a_failure_inside_the_stream_is_told() {
    let cases = [
        (json!({"error": {"message": "overloaded canary", "type": "server_error"}}), ModelErrorCode::Unavailable),
        (json!({"error": {"message": "canary", "code": 500}}), ModelErrorCode::Unavailable),
        (json!({"error": "canary"}), ModelErrorCode::Unavailable),
        (json!({"error": {"code": "context_length_exceeded"}}), ModelErrorCode::ContextTooLong),
    ];
    for (error, expected) in cases {
        let server = Server::start([Reply::events(format!("{TEXT}data: {error}\n\n"))]);
        let said = ask_at(&server.root).await;
        assert_eq!((said.text().as_str(), code(&said)), ("begun", expected), "{error}");
        assert_leaks_nothing(&said, &server.root);
    }
}

#[tokio::test]
async fn a_null_error_is_none() {
    let body = "data: {\"error\":null,\"choices\":[{\"delta\":null,\"finish_reason\":\"stop\"}]}\n\n";
    let server = Server::start([Reply::events(body)]);
    assert!(ask_at(&server.root).await.end.is_ok());
}

#[tokio::test]
async fn every_status_says_what_to_check() {
    use ModelErrorCode::*;
    let context =
        r#"{"error":{"message":"maximum context length is 8 tokens, canary","type":"invalid_request_error"}}"#;
    let llama = r#"{"error":{"code":400,"message":"the request exceeds the available context size"}}"#;
    let filter = r#"{"error":{"code":"content_filter","message":"canary"}}"#;
    let cases = [
        (401, r#"{"error":{"message":"wrong key sk-canary-4711"}}"#, Unavailable, "OPENAI_API_KEY"),
        (403, "canary", Unavailable, "OPENAI_API_KEY"),
        (404, "", Unavailable, "OPENAI_BASE_URL"),
        (400, "{}", Unavailable, "model's name"),
        (400, context, ContextTooLong, "new session"),
        (400, llama, ContextTooLong, "new session"),
        (413, context, ContextTooLong, "new session"),
        (413, "", Unavailable, "size"),
        (400, filter, Refused, "declined"),
        (429, context.replace("context", "rate").leak(), Unavailable, "later"),
        (500, "canary", Unavailable, "later"),
        (503, "<html>canary</html>", Unavailable, "later"),
    ];
    for (status, body, expected, hint) in cases {
        let server = Server::start([Reply::json(status, body)]);
        let said = ask_at(&server.root).await;
        let error = said.end.as_ref().unwrap_err();
        assert_eq!(error.code, expected, "{status} {body}");
        assert!(error.message.starts_with("The model small-model (openai_compatible) "), "{}", error.message);
        assert!(error.message.contains(hint), "{}", error.message);
        assert_leaks_nothing(&said, &server.root);
    }
}

#[tokio::test]
async fn what_is_no_model_server_is_told_so() {
    let replies = [
        Reply::status(200, "text/html", "<html>canary</html>"),
        Reply::status(200, "text/plain", "canary"),
        Reply::json(200, "{\"ok\":true}"),
    ];
    for reply in replies {
        let server = Server::start([reply]);
        let said = ask_at(&server.root).await;
        assert_eq!(code(&said), ModelErrorCode::Unavailable);
        assert!(said.end.as_ref().unwrap_err().message.contains("OPENAI_BASE_URL"));
        assert_leaks_nothing(&said, &server.root);
    }
}

#[tokio::test]
async fn an_unreachable_server_is_unavailable() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let root = format!("http://{}/v1", free.local_addr().unwrap());
    drop(free);
    for root in [root.as_str(), "no address", "ftp://canary/v1"] {
        let said = ask_at(root).await;
        assert_eq!(code(&said), ModelErrorCode::Unavailable, "{root}");
        assert!(said.end.as_ref().unwrap_err().message.contains("OPENAI_BASE_URL"));
        assert_leaks_nothing(&said, root);
    }
}

#[tokio::test]
async fn silence_is_borne_for_a_while_only() {
    let finish = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let patient = ModelTimeouts::DEFAULT;
    let cases = [
        (Reply::raw(""), ModelTimeouts { first_byte: SHORT, ..patient }, "", Err(ModelErrorCode::Unavailable)),
        (Reply::events(""), ModelTimeouts { first_byte: SHORT, ..patient }, "", Err(ModelErrorCode::Unavailable)),
        (Reply::events(TEXT), ModelTimeouts { between_bytes: SHORT, ..patient }, "begun", Err(ModelErrorCode::Cut)),
        (Reply::events(format!("{TEXT}{finish}")), ModelTimeouts { after_finish: SHORT, ..patient }, "begun", Ok(())),
    ];
    for (reply, timeouts, text, expected) in cases {
        let server = Server::start([reply.held()]);
        let target = compatible(&server.root);
        let models = patient_models(ModelSettings::default(), timeouts);
        let said = ask(models.client(&target), &target, user("hello")).await;
        assert_eq!((said.text().as_str(), said.end.map(drop).map_err(|error| error.code)), (text, expected));
    }
}
