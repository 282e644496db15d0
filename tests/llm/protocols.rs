//! What every protocol can rightly answer.

use everruns::llm::*;
use serde_json::{Value, json};

use super::faces::{FACES, face};
use super::server::Reply;
use super::user;

#[tokio::test]
async fn every_protocol_streams_text_reasoning_and_usage() {
    for face in FACES {
        for reply in [face.reply(&(face.text)()), face.reply(&(face.text)()).one_by_one()] {
            let said = face.ask(reply, user("hello")).await;
            assert_eq!(said.pieces, ["Bon", "jour é🥞"], "{}", face.name);
            assert_eq!((said.reasoning.as_str(), said.calls.len()), ("hm", 0), "{}", face.name);
            // Ollama counts what it reads, not what it knew already.
            let cached_input_tokens = if face.name == "ollama" { 0 } else { 5 };
            let usage = TokenUsage { input_tokens: 11, output_tokens: 7, cached_input_tokens, reasoning_tokens: 0 };
            assert_eq!(said.end, Ok(ModelEnd { stop: ModelStop::EndTurn, usage }), "{}", face.name);
        }
    }
}

#[tokio::test]
async fn every_protocol_tells_why_an_answer_ended() {
    use ModelStop::{EndTurn, MaxTokens, Refused};
    let responses = |status: &str, reason: Value| {
        let response = json!({"status": status, "incomplete_details": {"reason": reason}, "output": []});
        json!({"type": format!("response.{status}"), "response": response})
    };
    let anthropic = |reason: &str| json!({"type": "message_delta", "delta": {"stop_reason": reason}});
    let gemini = |reason: &str| json!({"candidates": [{"finishReason": reason}]});
    let ollama = |reason: &str| json!({"message": {"content": ""}, "done": true, "done_reason": reason});
    let cases = [
        ("responses", responses("completed", Value::Null), EndTurn),
        ("responses", responses("incomplete", json!("max_output_tokens")), MaxTokens),
        ("responses", responses("incomplete", json!("content_filter")), Refused),
        ("anthropic", anthropic("end_turn"), EndTurn),
        ("anthropic", anthropic("stop_sequence"), EndTurn),
        ("anthropic", anthropic("pause_turn"), EndTurn),
        // No call came with it.
        ("anthropic", anthropic("tool_use"), EndTurn),
        ("anthropic", anthropic("max_tokens"), MaxTokens),
        ("anthropic", anthropic("model_context_window_exceeded"), MaxTokens),
        ("anthropic", anthropic("refusal"), Refused),
        ("gemini", gemini("STOP"), EndTurn),
        ("gemini", gemini("SOMETHING_NEW"), EndTurn),
        ("gemini", gemini("MAX_TOKENS"), MaxTokens),
        ("gemini", gemini("SAFETY"), Refused),
        ("gemini", gemini("RECITATION"), Refused),
        ("gemini", gemini("PROHIBITED_CONTENT"), Refused),
        ("gemini", gemini("BLOCKLIST"), Refused),
        ("gemini", gemini("SPII"), Refused),
        ("ollama", ollama("stop"), EndTurn),
        ("ollama", ollama("length"), MaxTokens),
    ];
    for (name, last, stop) in cases {
        let face = face(name);
        let frames = [(face.text)()[..2].to_vec(), vec![last.clone()]].concat();
        let said = face.ask(face.reply(&frames), user("hello")).await;
        assert_eq!(said.end.unwrap().stop, stop, "{name} {last}");
    }
}

#[tokio::test]
async fn a_refusal_in_words_is_one() {
    let frames = [
        json!({"type": "response.refusal.delta", "delta": "I will not."}),
        json!({"type": "response.completed", "response": {"status": "completed"}}),
    ];
    let face = face("responses");
    let said = face.ask(face.reply(&frames), user("hello")).await;
    assert_eq!((said.text().as_str(), said.end.unwrap().stop), ("I will not.", ModelStop::Refused));
}

#[tokio::test]
async fn reasoning_is_a_part_of_what_is_counted() {
    let cases = [
        (
            "responses",
            json!({"type": "response.completed", "response": {"usage": {
                "input_tokens": 3, "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 4},
            }}}),
        ),
        (
            "gemini",
            json!({
                "candidates": [{"finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 5, "thoughtsTokenCount": 4},
            }),
        ),
    ];
    for (name, last) in cases {
        let face = face(name);
        let usage = face.ask(face.reply(&[last]), user("hello")).await.end.unwrap().usage;
        let expected = TokenUsage { input_tokens: 3, output_tokens: 9, cached_input_tokens: 0, reasoning_tokens: 4 };
        assert_eq!(usage, expected, "{name}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_stream_is_read_too() {
    let text = json!([{"type": "output_text", "text": "whole"}]);
    let call = json!({"type": "function_call", "call_id": "a", "name": "noop", "arguments": "{\"n\":1}"});
    let cases = [
        (
            "responses",
            json!({"object": "response", "status": "completed", "output": [{"type": "message", "content": text}, call],
                "usage": {"input_tokens": 3, "output_tokens": 1}}),
        ),
        (
            "anthropic",
            json!({"type": "message", "stop_reason": "tool_use", "usage": {"input_tokens": 3, "output_tokens": 1},
                "content": [{"type": "text", "text": "whole"}, {"type": "tool_use", "id": "a", "name": "noop", "input": {"n": 1}}]}),
        ),
        (
            "gemini",
            json!([{"candidates": [{"finishReason": "STOP", "content": {"parts": [
                {"text": "whole"}, {"functionCall": {"id": "a", "name": "noop", "args": {"n": 1}}},
            ]}}], "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1}}]),
        ),
        (
            "ollama",
            json!({"message": {"content": "whole", "tool_calls": [
                {"id": "a", "function": {"name": "noop", "arguments": {"n": 1}}},
            ]}, "done": true, "prompt_eval_count": 3, "eval_count": 1}),
        ),
    ];
    for (name, body) in cases {
        let said = face(name).ask(Reply::json(200, &body.to_string()), user("hello")).await;
        assert_eq!(said.text(), "whole", "{name}");
        let arguments = json!({"n": 1});
        let expected = ModelToolCall { id: "a".into(), name: "noop".into(), arguments, signature: None };
        assert_eq!(said.calls, [expected], "{name}");
        let usage = TokenUsage { input_tokens: 3, output_tokens: 1, ..TokenUsage::default() };
        assert_eq!(said.end, Ok(ModelEnd { stop: ModelStop::ToolCalls, usage }), "{name}");
    }
}
