//! Calls of tools, however a server tells them.

use std::collections::HashSet;

use everruns::llm::*;
use serde_json::{Value, json};

use super::faces::{FACES, face};
use super::user;

#[tokio::test]
async fn every_protocol_calls_several_tools_at_once() {
    for face in FACES {
        for reply in [face.reply(&(face.calls)()), face.reply(&(face.calls)()).one_by_one()] {
            let said = face.ask(reply, user("hello")).await;
            assert_eq!(said.text(), "Let me look.", "{}", face.name);
            let calls: Vec<_> = said.calls.iter().map(|call| (call.name.as_str(), call.arguments.clone())).collect();
            let expected = [("get_weather", json!({"city": "Köln 🥞"})), ("noop", json!({}))];
            assert_eq!(calls, expected, "{}", face.name);
            assert_eq!(said.end.unwrap().stop, ModelStop::ToolCalls, "{}", face.name);
            assert!(!said.calls[0].id.is_empty() && !said.calls[1].id.is_empty(), "{}", face.name);
            assert_ne!(said.calls[0].id, said.calls[1].id, "{}", face.name);
            // Where the provider names a call, the name stays.
            if face.name != "ollama" {
                assert_eq!(said.calls[0].id, "a", "{}", face.name);
            }
            let signature = (face.name == "gemini").then_some("c2ln");
            assert_eq!(said.calls[0].signature.as_deref(), signature, "{}", face.name);
        }
    }
}

#[tokio::test]
async fn arguments_may_be_cut_anywhere() {
    let arguments = json!({"city": "Köln", "note": "\"\\ 🥞\n", "n": [1, 2.5, null]});
    // As JSON in JSON, with characters beyond ASCII escaped: a server may cut between the halves of one.
    let text = arguments.to_string().replace('🥞', "\\ud83e\\udd5e");
    let quoted = Value::from(text.as_str()).to_string();
    let quoted = quoted[1..quoted.len() - 1].replace('ö', "\\u00f6");
    let cuts = (0..=quoted.len()).filter(|at| {
        let begin = &quoted[..*at];
        // Not inside an escape of the outer JSON, which no server cuts.
        serde_json::from_str::<Value>(&format!("\"{begin}\"")).is_ok()
    });
    for at in cuts {
        let (one, two) = quoted.split_at(at);
        let chat = |text: &str| {
            format!(
                r#"data: {{"choices":[{{"delta":{{"tool_calls":[{{"index":0,"id":"a","function":{{"name":"noop","arguments":"{text}"}}}}]}}}}]}}"#
            )
        };
        let begin = r#"data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"a","name":"noop","input":{}}}"#;
        let anthropic = |text: &str| {
            format!(r#"data: {{"type":"content_block_delta","index":1,"delta":{{"partial_json":"{text}"}}}}"#)
        };
        let bodies = [
            ("chat completions", format!("{}\n\n{}\n\ndata: [DONE]\n\n", chat(one), chat(two))),
            (
                "anthropic",
                format!(
                    "{begin}\n\n{}\n\n{}\n\ndata: {{\"type\":\"message_stop\"}}\n\n",
                    anthropic(one),
                    anthropic(two)
                ),
            ),
        ];
        for (name, body) in bodies {
            let face = face(name);
            let said = face.ask(face.raw(&body), user("hello")).await;
            assert_eq!(said.calls.len(), 1, "{name} cut at {at}");
            assert_eq!(said.calls[0].arguments, arguments, "{name} cut at {at}");
        }
    }
}

/// What the chat completions of other servers make of calls: pieces, and the calls that they mean.
#[tokio::test]
async fn servers_tell_calls_in_their_own_ways() {
    let function = |name: &str, arguments: Value| json!({"name": name, "arguments": arguments});
    let cases = [
        // Without index, each whole.
        (
            json!([[{"id": "a", "function": function("one", json!("{\"n\":1}"))},
                {"id": "b", "function": function("two", json!("{}"))}]]),
            json!([["a", "one", {"n": 1}], ["b", "two", {}]]),
        ),
        // Without index and id.
        (
            json!([[{"function": function("one", json!(""))}], [{"function": {"arguments": "{\"n\""}}],
                [{"function": {"arguments": ":1}"}}], [{"function": function("two", json!(null))}]]),
            json!([[null, "one", {"n": 1}], [null, "two", {}]]),
        ),
        // All with index 0.
        (
            json!([[{"index": 0, "id": "a", "function": function("one", json!("{}"))}],
                [{"index": 0, "id": "b", "function": function("two", json!("{\"n\":2}"))}]]),
            json!([["a", "one", {}], ["b", "two", {"n": 2}]]),
        ),
        // Id and name with each piece.
        (
            json!([[{"index": 0, "id": "a", "function": function("one", json!("{\"n\""))}],
                [{"index": 0, "id": "a", "function": function("one", json!(":1}"))}]]),
            json!([["a", "one", {"n": 1}]]),
        ),
        // In turns.
        (
            json!([[{"index": 0, "id": "a", "function": function("one", json!("{"))}],
                [{"index": 1, "id": "b", "function": function("two", json!("{"))}],
                [{"index": 0, "function": {"arguments": "}"}}, {"index": 1, "function": {"arguments": "}"}}]]),
            json!([["a", "one", {}], ["b", "two", {}]]),
        ),
        // The arguments as an object; the same id twice.
        (
            json!([[{"index": 0, "id": "a", "function": function("one", json!({"n": 1}))},
                {"index": 1, "id": "a", "function": function("two", json!({}))}]]),
            json!([["a", "one", {"n": 1}], [null, "two", {}]]),
        ),
        // No JSON, or no object, stays a text.
        (json!([[{"index": 0, "function": function("one", json!("{\"n\":"))}]]), json!([[null, "one", "{\"n\":"]])),
        (json!([[{"index": 0, "function": function("one", json!("[1]"))}]]), json!([[null, "one", "[1]"]])),
        // A name that is none, and none at all.
        (
            json!([[{"index": 0, "function": function("no such\u{0} näme", json!("{}"))}, {"index": 1}]]),
            json!([[null, "no such\u{0} näme", {}], [null, "", {}]]),
        ),
    ];
    let face = face("chat completions");
    for (chunks, expected) in cases {
        let delta = |pieces: &Value| json!({"choices": [{"delta": {"tool_calls": pieces}}]});
        let mut frames: Vec<Value> = chunks.as_array().unwrap().iter().map(delta).collect();
        frames.push(json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}));
        let said = face.ask(face.reply(&frames), user("hello")).await;
        let ids: HashSet<&str> = said.calls.iter().map(|call| call.id.as_str()).collect();
        assert!(ids.len() == said.calls.len() && !ids.contains(""), "{chunks}");
        let expected = expected.as_array().unwrap();
        assert_eq!(said.calls.len(), expected.len(), "{chunks}");
        for (call, expected) in said.calls.iter().zip(expected) {
            assert_eq!((&json!(call.name), &call.arguments), (&expected[1], &expected[2]), "{chunks}");
            assert!(expected[0].is_null() || call.id == expected[0], "{chunks}");
        }
        assert_eq!(said.end.unwrap().stop, ModelStop::ToolCalls, "{chunks}");
    }
}

#[tokio::test]
async fn a_single_call_may_be_told_as_before_there_were_several() {
    let frames = [
        json!({"choices": [{"delta": {"function_call": {"name": "one", "arguments": "{\"n\""}}}]}),
        json!({"choices": [{"delta": {"function_call": {"arguments": ":1}"}}}]}),
        json!({"choices": [{"delta": {}, "finish_reason": "function_call"}]}),
    ];
    let face = face("chat completions");
    let said = face.ask(face.reply(&frames), user("hello")).await;
    assert_eq!((said.calls[0].name.as_str(), &said.calls[0].arguments), ("one", &json!({"n": 1})));
    assert_eq!(said.end.unwrap().stop, ModelStop::ToolCalls);
}

#[tokio::test]
async fn calls_of_an_answer_that_is_not_whole_are_not_told() {
    let last = [
        ("chat completions", json!({"choices": [{"finish_reason": "length"}]})),
        ("responses", json!({"type": "response.incomplete", "response": {"status": "incomplete"}})),
        ("anthropic", json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}})),
        ("gemini", json!({"candidates": [{"finishReason": "MAX_TOKENS"}]})),
        ("ollama", json!({"done": true, "done_reason": "length"})),
    ];
    for (name, last) in last {
        let face = face(name);
        let mut frames = (face.calls)();
        let end = frames.iter().position(|frame| {
            let text = frame.to_string();
            ["finish_reason", "completed", "stop_reason", "finishReason", "done_reason"]
                .iter()
                .any(|w| text.contains(w))
        });
        frames.truncate(end.unwrap());
        frames.push(last);
        let said = face.ask(face.reply(&frames), user("hello")).await;
        assert_eq!((said.calls.len(), said.end.unwrap().stop), (0, ModelStop::MaxTokens), "{name}");
    }
}

#[tokio::test]
async fn too_many_calls_are_cut() {
    let call = json!({"function": {"name": "one", "arguments": {}}});
    let frame = json!({"message": {"tool_calls": vec![call; 129]}, "done": true});
    let face = face("ollama");
    let said = face.ask(face.reply(&[frame]), user("hello")).await;
    assert_eq!((said.calls.len(), said.end.unwrap_err().code), (0, ModelErrorCode::Cut));
}
