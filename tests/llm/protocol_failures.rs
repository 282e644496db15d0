//! What can go wrong in every protocol, and what the user is told of it.

use std::time::Duration;

use everruns::config::ModelSettings;
use everruns::llm::*;
use serde_json::{Value, json};

use super::faces::{FACES, face};
use super::server::{Reply, Server};
use super::{KEY, Said, ask, models, patient_models, user};

const SHORT: Duration = Duration::from_millis(50);

fn error(said: &Said) -> &ModelError {
    said.end.as_ref().expect_err("a failure")
}

/// What a user may never see of a failure of a stored provider.
fn assert_leaks_nothing(said: &Said) {
    let told = format!("{:?}", error(said));
    for secret in [KEY, "127.0.0.1", "canary", "OPENAI_", "ANTHROPIC_", "GEMINI_"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[tokio::test]
async fn a_stream_that_ends_too_early_is_cut() {
    for face in FACES {
        for frames in [(face.text)(), (face.calls)()] {
            let ends = |frame: &Value| {
                let text = frame.to_string();
                let words = ["finish_reason\":\"", "completed", "stop_reason\":\"", "finishReason", "done_reason"];
                words.iter().any(|word| text.contains(word))
            };
            let whole = frames.iter().position(ends).unwrap();
            for count in 0..=whole {
                let body = face.body(&frames[..count]);
                let half = face.body(&frames[count..=count]);
                for tail in ["", &half[..half.len() / 2]] {
                    let said = face.ask(face.raw(&format!("{body}{tail}")), user("hello")).await;
                    assert_eq!(error(&said).code, ModelErrorCode::Cut, "{} after {count}", face.name);
                    assert!(said.calls.is_empty(), "{} after {count}", face.name);
                    assert_leaks_nothing(&said);
                }
            }
        }
    }
}

#[tokio::test]
async fn silence_is_borne_for_a_while_only() {
    for face in FACES {
        let begun = face.body(&(face.text)()[..2]);
        let patient = ModelTimeouts::DEFAULT;
        let cases = [
            ("", ModelTimeouts { first_byte: SHORT, ..patient }, ModelErrorCode::Unavailable),
            (begun.as_str(), ModelTimeouts { between_bytes: SHORT, ..patient }, ModelErrorCode::Cut),
        ];
        for (body, timeouts, code) in cases {
            let server = Server::start([face.raw(body).held()]);
            let target = face.target(&server);
            let models = patient_models(ModelSettings::default(), timeouts);
            let said = ask(models.client(&target), &target, user("hello")).await;
            assert_eq!(error(&said).code, code, "{}", face.name);
            assert_leaks_nothing(&said);
        }
    }
}

#[tokio::test]
async fn a_failure_inside_the_stream_is_told() {
    use ModelErrorCode::*;
    let anthropic = |kind: &str| json!({"type": "error", "error": {"type": kind, "message": "canary"}});
    let failed =
        json!({"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error"}}});
    let cases = [
        ("responses", failed, Unavailable, "told of a failure"),
        (
            "responses",
            json!({"type": "error", "code": "rate_limit_exceeded", "message": "canary"}),
            Unavailable,
            "too much to do",
        ),
        (
            "responses",
            json!({"type": "error", "error": {"code": "context_length_exceeded"}}),
            ContextTooLong,
            "new session",
        ),
        ("anthropic", anthropic("overloaded_error"), Unavailable, "too much to do"),
        ("anthropic", anthropic("api_error"), Unavailable, "told of a failure"),
        (
            "gemini",
            json!({"error": {"code": 503, "message": "canary", "status": "UNAVAILABLE"}}),
            Unavailable,
            "told of a failure",
        ),
        ("gemini", json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}), Unavailable, "too much to do"),
        ("gemini", json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}), Refused, "declined"),
        ("gemini", json!({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]}), Cut, "broke off"),
        ("ollama", json!({"error": "canary: model runner has unexpectedly stopped"}), Unavailable, "told of a failure"),
        ("ollama", json!({"error": "the input length exceeds the context length"}), ContextTooLong, "new session"),
    ];
    for (name, frame, code, hint) in cases {
        let face = face(name);
        let begun = (face.text)()[..2].to_vec();
        for frames in [vec![frame.clone()], [begun, vec![frame.clone()]].concat()] {
            let said = face.ask(face.reply(&frames), user("hello")).await;
            assert_eq!(error(&said).code, code, "{name} {frame}");
            assert!(error(&said).message.contains(hint), "{name} {frame}: {}", error(&said));
            assert_leaks_nothing(&said);
        }
    }
}

#[tokio::test]
async fn every_status_says_what_to_check() {
    use ModelErrorCode::*;
    let anthropic = |kind: &str, message: &str| json!({"type": "error", "error": {"type": kind, "message": message}});
    let gemini = |status: &str, message: &str| json!({"error": {"status": status, "message": message, "canary": KEY}});
    let long = "prompt is too long: 200001 tokens > 200000 maximum";
    let many = "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).";
    let azure = json!({"error": {"code": "400", "innererror": {"code": "ResponsibleAIPolicyViolation"}}});
    let cases = [
        (
            "anthropic",
            401,
            anthropic("authentication_error", "invalid x-api-key canary"),
            Unavailable,
            "the provider's key",
        ),
        ("anthropic", 404, anthropic("not_found_error", "model: canary"), Unavailable, "the model's name"),
        ("anthropic", 400, anthropic("invalid_request_error", long), ContextTooLong, "new session"),
        ("anthropic", 413, anthropic("request_too_large", "canary"), Unavailable, "of this size"),
        ("anthropic", 429, anthropic("rate_limit_error", "too many tokens a minute"), Unavailable, "limits"),
        ("anthropic", 529, anthropic("overloaded_error", "Overloaded"), Unavailable, "too much to do"),
        (
            "gemini",
            400,
            gemini("INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
            Unavailable,
            "the provider's key",
        ),
        ("gemini", 400, gemini("INVALID_ARGUMENT", many), ContextTooLong, "new session"),
        ("gemini", 429, gemini("RESOURCE_EXHAUSTED", "canary"), Unavailable, "limits"),
        ("gemini", 404, gemini("NOT_FOUND", "canary"), Unavailable, "https://host/v1beta"),
        ("ollama", 404, json!({"error": "model 'canary' not found"}), Unavailable, "the model's name"),
        ("ollama", 400, json!({"error": "canary does not support tools"}), Unavailable, "tools"),
        (
            "responses",
            401,
            json!({"error": {"code": "invalid_api_key", "message": KEY}}),
            Unavailable,
            "the provider's key",
        ),
        ("chat completions", 402, json!({"error": "canary"}), Unavailable, "limits"),
        ("chat completions", 400, azure, Refused, "declined"),
    ];
    for (name, status, body, code, hint) in cases {
        let face = face(name);
        let said = face.ask(Reply::json(status, &body.to_string()), user("hello")).await;
        assert_eq!(error(&said).code, code, "{name} {status} {body}");
        assert!(error(&said).message.contains(hint), "{name} {status} {body}: {}", error(&said));
        let begin = format!("The model small-model ({}) ", face.provider_type);
        assert!(error(&said).message.starts_with(&begin), "{}", error(&said));
        assert_leaks_nothing(&said);
    }
}

#[tokio::test]
async fn what_is_no_model_server_is_told_so() {
    for face in FACES {
        let replies = [
            Reply::status(200, "text/html", "<html>canary</html>"),
            Reply::status(200, "text/plain", "canary"),
            Reply::json(200, "{\"ok\":true}"),
            face.raw("data: canary\n\n"),
        ];
        for reply in replies {
            let said = face.ask(reply, user("hello")).await;
            assert_eq!(error(&said).code, ModelErrorCode::Unavailable, "{}", face.name);
            assert!(
                error(&said).message.contains("Check that the provider's base URL is an API root"),
                "{}",
                error(&said)
            );
            assert_leaks_nothing(&said);
        }
    }
}

#[tokio::test]
async fn the_operator_is_told_of_the_environment() {
    let cases =
        [("anthropic", "ANTHROPIC"), ("gemini", "GEMINI"), ("responses", "OPENAI"), ("ollama", "the provider's")];
    for (name, word) in cases {
        let server = Server::start([Reply::json(401, "")]);
        let target = ModelTarget { provider_id: None, ..face(name).target(&server) };
        let said = ask(models(ModelSettings::default()).client(&target), &target, user("hello")).await;
        assert!(error(&said).message.contains(word), "{}", error(&said));
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    let piece = "x".repeat(900_000);
    let frames = [
        ("responses", json!({"type": "response.output_text.delta", "delta": piece})),
        ("anthropic", json!({"type": "content_block_delta", "index": 0, "delta": {"text": piece}})),
        ("anthropic", json!({"type": "content_block_delta", "index": 0, "delta": {"partial_json": piece}})),
        ("gemini", json!({"candidates": [{"content": {"parts": [{"text": piece}]}}]})),
        ("ollama", json!({"message": {"content": piece}})),
    ];
    for (name, frame) in frames {
        let face = face(name);
        let said = face.ask(face.reply(&vec![frame; 10]), user("hello")).await;
        assert_eq!(error(&said).code, ModelErrorCode::Cut, "{name}");
    }
}
