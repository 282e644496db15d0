//! What a model server can rightly answer.

use everruns::config::ModelSettings;
use everruns::llm::*;
use futures_util::StreamExt;
use serde_json::json;

use super::server::{Reply, Server};
use super::{KEY, ask, ask_at, compatible, models, user};

const DONE: &str = "data: [DONE]\n\n";

fn delta(field: &str, text: &str) -> String {
    format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {field: text}, "finish_reason": null}]}))
}

/// The same with a text that is JSON already: halves of characters, which no text of Rust holds, must come escaped.
fn escaped_delta(field: &str, text: &str) -> String {
    let log = format!(r#"{{"content":[{{"token":"{text}"}}]}}"#);
    format!("data: {{\"choices\":[{{\"delta\":{{\"{field}\":\"{text}\"}},\"logprobs\":{log}}}]}}\n\n")
}

fn finish(reason: &str) -> String {
    format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}))
}

fn end(stop: ModelStop) -> Result<ModelEnd, ModelError> {
    Ok(ModelEnd { stop, usage: TokenUsage::default() })
}

#[tokio::test]
async fn an_answer_streams_with_its_usage() {
    let usage = json!({"choices": [], "usage": {
        "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18,
        "prompt_tokens_details": {"cached_tokens": 5}, "completion_tokens_details": {"reasoning_tokens": 2},
    }});
    let role = json!({"choices": [{"delta": {"role": "assistant", "content": null}}]});
    let begin = format!("data: {{\"choices\":[]}}\n\ndata: {role}\n\n");
    let parts = [begin, delta("content", ""), delta("content", "Bon"), delta("content", "jour é🥞"), finish("stop")];
    let body = format!("{}data: {usage}\n\n{DONE}", parts.concat());
    let server = Server::start([Reply::events(body)]);
    let said = ask_at(&server.root).await;
    assert_eq!(said.pieces, ["Bon", "jour é🥞"]);
    let usage = TokenUsage { input_tokens: 11, output_tokens: 7, cached_input_tokens: 5, reasoning_tokens: 2 };
    assert_eq!(said.end, Ok(ModelEnd { stop: ModelStop::EndTurn, usage }));
}

#[tokio::test]
async fn a_request_holds_the_whole_conversation() {
    let mut server = Server::start([Reply::events(finish("stop"))]);
    let target = ModelTarget { base_url: Some(format!("{}/", server.root)), ..compatible("") };
    let image = ChatPart::Image { media_type: "image/png".into(), data: "aGk=".into() };
    let messages = vec![
        ChatMessage::User(vec![ChatPart::Text("one".into())]),
        ChatMessage::Assistant { text: "two".into(), calls: Vec::new() },
        ChatMessage::User(vec![ChatPart::Text("three".into()), image]),
    ];
    let request = ChatRequest { system: "Be brief.".into(), messages, tools: Vec::new() };
    ask(models(ModelSettings::default()).client(&target), &target, request).await.end.unwrap();
    let request = server.request().await;
    assert!(request.head.starts_with("post /v1/chat/completions http/1.1\r\n"), "{}", request.head);
    assert!(request.head.contains(&format!("authorization: bearer {KEY}\r\n")));
    assert!(request.head.contains(&format!("user-agent: everruns/{}\r\n", env!("CARGO_PKG_VERSION"))));
    let expected = json!({
        "model": "small-model",
        "stream": true,
        "stream_options": {"include_usage": true},
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"},
            {"role": "user", "content": [
                {"type": "text", "text": "three"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
            ]},
        ],
    });
    assert_eq!(request.body, expected);
}

#[tokio::test]
async fn without_a_key_none_is_sent() {
    let mut server = Server::start([Reply::events(finish("stop"))]);
    let target = ModelTarget { api_key: None, ..compatible(&server.root) };
    let request = ChatRequest { system: String::new(), ..user("hello") };
    ask(models(ModelSettings::default()).client(&target), &target, request).await.end.unwrap();
    let request = server.request().await;
    assert!(!request.head.contains("authorization"));
    assert_eq!(request.body["messages"], json!([{"role": "user", "content": "hello"}]));
}

#[tokio::test]
async fn bytes_may_come_one_by_one_with_comments_and_crlf() {
    let body = [": ping\n\n", &delta("content", "é🥞 "), ": ping\n\n", &delta("content", "fin"), &finish("stop"), DONE];
    let body = body.concat().replace('\n', "\r\n");
    let server = Server::start([Reply::events(body).one_by_one()]);
    let said = ask_at(&server.root).await;
    assert_eq!((said.text().as_str(), said.end), ("é🥞 fin", end(ModelStop::EndTurn)));
}

#[tokio::test]
async fn reasoning_stands_apart() {
    for field in ["reasoning_content", "reasoning"] {
        let body = [&delta(field, "hm "), &delta(field, "so"), &delta("content", "42"), &finish("stop"), DONE];
        let server = Server::start([Reply::events(body.concat())]);
        let said = ask_at(&server.root).await;
        assert_eq!((said.reasoning.as_str(), said.text().as_str()), ("hm so", "42"));
    }
}

#[tokio::test]
async fn characters_may_come_in_halves() {
    let cases: [(&[&str], &str); 12] = [
        (&[r"\ud83d", r"\ude80"], "🚀"),
        (&[r"one \ud83d", "", r"\ude80 two \uD83D", r"\uDE80"], "one 🚀 two 🚀"),
        (&["🚀", r"\ud83d\ude80"], "🚀🚀"),
        (&[r"end \ud83d"], "end \u{fffd}"),
        (&[r"\ude80 begin"], "\u{fffd} begin"),
        (&[r"\ude80", r"\ud83d"], "\u{fffd}\u{fffd}"),
        (&[r"\ud83d", "é", r"\ude80"], "\u{fffd}é\u{fffd}"),
        (&[r"\ud83d", r"\ud83d", r"\ude80"], "\u{fffd}🚀"),
        (&[r"\ud83d", r"\ud83d\ude80"], "\u{fffd}🚀"),
        (&[r"\ud83d\n\ud83d", r"\ude80"], "\u{fffd}\n🚀"),
        (&[r"\\ud83d", r"\\ude80"], r"\ud83d\ude80"),
        (&[r"\\\ud83d", r"\ude80"], r"\🚀"),
    ];
    for (halves, expected) in cases {
        for field in ["content", "refusal", "reasoning_content", "reasoning"] {
            let deltas: String = halves.iter().map(|half| escaped_delta(field, half)).collect();
            let server = Server::start([Reply::events(deltas + &finish("stop") + DONE)]);
            let said = ask_at(&server.root).await;
            let text = if field.starts_with("reasoning") { &said.reasoning } else { &said.text() };
            assert_eq!(text, expected, "{field} {halves:?}");
            assert!(said.end.is_ok() && !said.pieces.contains(&String::new()), "{field} {halves:?}");
        }
    }
}

#[tokio::test]
async fn halves_meet_within_their_field_only() {
    let fields = [("reasoning", r"\ud83d"), ("content", r"\ud83e"), ("reasoning", r"\ude80"), ("content", r"\udd5e")];
    let deltas: String = fields.iter().map(|(field, half)| escaped_delta(field, half)).collect();
    let server = Server::start([Reply::events(deltas + &finish("stop"))]);
    let said = ask_at(&server.root).await;
    assert_eq!((said.reasoning.as_str(), said.text().as_str(), said.end), ("🚀", "🥞", end(ModelStop::EndTurn)));
}

#[tokio::test]
async fn the_first_choice_is_the_answer() {
    let other = json!({"index": 1, "delta": {"content": "other"}, "finish_reason": "length"});
    let first = json!({"index": 0, "delta": {"content": "text"}});
    let body = format!("data: {}\n\ndata: {}\n\n", json!({"choices": [other]}), json!({"choices": [other, first]}));
    let server = Server::start([Reply::events(body + &finish("stop") + DONE)]);
    let said = ask_at(&server.root).await;
    assert_eq!((said.text().as_str(), said.end), ("text", end(ModelStop::EndTurn)));
}

#[tokio::test]
async fn stop_reasons_are_told() {
    let cases = [
        ("content", "stop", ModelStop::EndTurn),
        ("content", "length", ModelStop::MaxTokens),
        ("content", "content_filter", ModelStop::Refused),
        ("refusal", "stop", ModelStop::Refused),
        // No tools are offered, so that a call of one asks for nothing.
        ("content", "tool_calls", ModelStop::EndTurn),
        ("content", "function_call", ModelStop::EndTurn),
        ("content", "something_new", ModelStop::EndTurn),
    ];
    for (field, reason, stop) in cases {
        let server = Server::start([Reply::events(delta(field, "text") + &finish(reason) + DONE)]);
        let said = ask_at(&server.root).await;
        assert_eq!((said.text().as_str(), said.end), ("text", end(stop)), "{field} {reason}");
    }
}

#[tokio::test]
async fn either_mark_of_the_end_is_enough() {
    let whole = [finish("stop"), DONE.to_owned(), "data: [DONE]".to_owned()];
    for tail in whole {
        let server = Server::start([Reply::events(delta("content", "text") + &tail)]);
        let said = ask_at(&server.root).await;
        assert_eq!((said.text().as_str(), said.end), ("text", end(ModelStop::EndTurn)), "{tail}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_read_too() {
    let body = json!({
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "whole"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1},
    });
    let server = Server::start([Reply::json(200, &body.to_string())]);
    let said = ask_at(&server.root).await;
    assert_eq!(said.text(), "whole");
    assert_eq!(said.end.unwrap().usage, TokenUsage { input_tokens: 3, output_tokens: 1, ..TokenUsage::default() });
}

#[tokio::test]
async fn dropping_a_stream_closes_its_connection() {
    let mut server = Server::start([Reply::events(delta("content", "first")).held()]);
    let target = compatible(&server.root);
    let models = models(ModelSettings::default());
    let mut stream = models.client(&target).stream(&target, user("hello"));
    assert_eq!(stream.next().await.unwrap(), Ok(ModelPiece::Text("first".into())));
    drop(stream);
    server.client_gone().await;
}

#[tokio::test]
async fn dropping_a_call_that_waits_closes_its_connection() {
    let mut server = Server::start([Reply::raw("").held()]);
    let target = compatible(&server.root);
    let models = models(ModelSettings::default());
    let mut stream = models.client(&target).stream(&target, user("hello"));
    tokio::select! {
        piece = stream.next() => panic!("{piece:?}"),
        _ = server.request() => {}
    }
    drop(stream);
    server.client_gone().await;
}

#[tokio::test]
async fn a_whole_answer_leaves_its_connection_for_the_next() {
    let reply = Reply::kept_events(&(delta("content", "text") + &finish("stop") + DONE));
    let mut server = Server::start([reply.clone(), reply]);
    let target = compatible(&server.root);
    let models = models(ModelSettings::default());
    for _ in 0..2 {
        ask(models.client(&target), &target, user("hello")).await.end.unwrap();
        assert_eq!(server.request().await.connection, 1);
    }
}
