//! The protocols as a scripted server speaks them, so that one story is told in each.

use std::sync::OnceLock;

use everruns::config::ModelSettings;
use everruns::db::ids::Id;
use everruns::llm::*;
use serde_json::{Value, json};

use super::server::{Reply, Server};
use super::{KEY, Said, ask, models};

/// A protocol, and what a server says in it.
pub struct Face {
    pub name: &'static str,
    pub provider_type: ProviderType,
    /// The base URL's path.
    pub path: &'static str,
    /// Says "Bon" and "jour é🥞" after thinking "hm", with 11 tokens in (5 of them cached) and 7 out.
    pub text: fn() -> Vec<Value>,
    /// Says "Let me look." and calls `get_weather` for Köln 🥞 and `noop` without arguments.
    pub calls: fn() -> Vec<Value>,
}

pub const FACES: [Face; 5] = [
    Face {
        name: "chat completions",
        provider_type: ProviderType::Openai,
        path: "/v1",
        text: chat_text,
        calls: chat_calls,
    },
    Face {
        name: "responses",
        provider_type: ProviderType::Openai,
        path: "/v1/responses",
        text: responses_text,
        calls: responses_calls,
    },
    Face {
        name: "anthropic",
        provider_type: ProviderType::Anthropic,
        path: "/v1",
        text: anthropic_text,
        calls: anthropic_calls,
    },
    Face {
        name: "gemini",
        provider_type: ProviderType::Gemini,
        path: "/v1beta",
        text: gemini_text,
        calls: gemini_calls,
    },
    Face { name: "ollama", provider_type: ProviderType::Ollama, path: "", text: ollama_text, calls: ollama_calls },
];

impl Face {
    pub fn target(&self, server: &Server) -> ModelTarget {
        ModelTarget {
            provider_type: self.provider_type,
            base_url: Some(format!("{}{}", server.origin, self.path)),
            api_key: Some(KEY.into()),
            model: "small-model".into(),
            context_window: None,
            provider_id: Some(Id::fixed(1)),
        }
    }

    pub fn body(&self, frames: &[Value]) -> String {
        let frame = |frame: &Value| match self.provider_type {
            ProviderType::Ollama => format!("{frame}\n"),
            _ => format!("data: {frame}\n\n"),
        };
        frames.iter().map(frame).collect()
    }

    pub fn reply(&self, frames: &[Value]) -> Reply {
        self.raw(&self.body(frames))
    }

    pub fn raw(&self, body: &str) -> Reply {
        match self.provider_type {
            ProviderType::Ollama => Reply::lines(body),
            _ => Reply::events(body),
        }
    }

    /// Asks a server that has this reply. All stories share the clients, which take a while to make; their servers
    /// close each connection.
    pub async fn ask(&self, reply: Reply, request: ChatRequest) -> Said {
        static MODELS: OnceLock<Models> = OnceLock::new();
        let server = Server::start([reply]);
        let target = self.target(&server);
        ask(MODELS.get_or_init(|| models(ModelSettings::default())).client(&target), &target, request).await
    }
}

pub fn face(name: &str) -> &'static Face {
    FACES.iter().find(|face| face.name == name).unwrap()
}

fn chat_text() -> Vec<Value> {
    vec![
        json!({"choices": [{"delta": {"role": "assistant", "content": null, "reasoning_content": "hm"}}]}),
        json!({"choices": [{"delta": {"content": "Bon"}}]}),
        json!({"choices": [{"delta": {"content": "jour é🥞"}}]}),
        json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}),
        json!({"choices": [], "usage": {
            "prompt_tokens": 11, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 5},
        }}),
    ]
}

fn chat_calls() -> Vec<Value> {
    let piece = |piece: Value| json!({"choices": [{"delta": {"tool_calls": [piece]}}]});
    vec![
        json!({"choices": [{"delta": {"content": "Let me look."}}]}),
        piece(json!({"index": 0, "id": "a", "type": "function", "function": {"name": "get_weather", "arguments": ""}})),
        piece(json!({"index": 0, "function": {"arguments": "{\"city\":\"Köln"}})),
        piece(json!({"index": 0, "function": {"arguments": " 🥞\"}"}})),
        piece(json!({"index": 1, "id": "b", "type": "function", "function": {"name": "noop", "arguments": ""}})),
        json!({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}),
    ]
}

fn responses_text() -> Vec<Value> {
    let usage = json!({"input_tokens": 11, "output_tokens": 7, "input_tokens_details": {"cached_tokens": 5}});
    let content = json!([{"type": "output_text", "text": "Bonjour é🥞"}]);
    vec![
        json!({"type": "response.created", "response": {"status": "in_progress", "output": []}}),
        json!({"type": "response.reasoning_summary_text.delta", "delta": "hm"}),
        json!({"type": "response.output_text.delta", "delta": "Bon"}),
        json!({"type": "response.output_text.delta", "delta": "jour é🥞"}),
        json!({"type": "response.completed", "response": {
            "status": "completed", "usage": usage, "output": [{"type": "message", "content": content}],
        }}),
    ]
}

fn responses_calls() -> Vec<Value> {
    let first = json!({"type": "function_call", "id": "fc_1", "call_id": "a", "name": "get_weather",
        "arguments": "{\"city\":\"Köln 🥞\"}"});
    let second = json!({"type": "function_call", "id": "fc_2", "call_id": "b", "name": "noop", "arguments": "{}"});
    vec![
        json!({"type": "response.output_text.delta", "delta": "Let me look."}),
        json!({"type": "response.output_item.added", "item": {"type": "function_call", "arguments": ""}}),
        json!({"type": "response.function_call_arguments.delta", "item_id": "fc_1", "delta": "{\"city\""}),
        json!({"type": "response.output_item.done", "item": first}),
        // A server that tells the second call at the end only.
        json!({"type": "response.completed", "response": {"status": "completed", "output": [first, second]}}),
    ]
}

fn anthropic_text() -> Vec<Value> {
    let usage =
        json!({"input_tokens": 4, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2, "output_tokens": 1});
    let delta = |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    vec![
        json!({"type": "message_start", "message": {"content": [], "usage": usage, "stop_reason": null}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}),
        delta(json!({"type": "thinking_delta", "thinking": "hm"})),
        delta(json!({"type": "signature_delta", "signature": "c2ln"})),
        json!({"type": "ping"}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
        delta(json!({"type": "text_delta", "text": "Bon"})),
        delta(json!({"type": "text_delta", "text": "jour é🥞"})),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}}),
        json!({"type": "message_stop"}),
    ]
}

fn anthropic_calls() -> Vec<Value> {
    let begin =
        |index: i64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let delta = |index: i64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    vec![
        json!({"type": "message_start", "message": {"content": []}}),
        begin(0, json!({"type": "text", "text": ""})),
        delta(0, json!({"type": "text_delta", "text": "Let me look."})),
        begin(1, json!({"type": "tool_use", "id": "a", "name": "get_weather", "input": {}})),
        delta(1, json!({"type": "input_json_delta", "partial_json": ""})),
        delta(1, json!({"type": "input_json_delta", "partial_json": "{\"city\":\"Köln"})),
        delta(1, json!({"type": "input_json_delta", "partial_json": " 🥞\"}"})),
        begin(2, json!({"type": "tool_use", "id": "b", "name": "noop", "input": {}})),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}),
        json!({"type": "message_stop"}),
    ]
}

fn gemini_text() -> Vec<Value> {
    let part = |part: Value| json!({"candidates": [{"content": {"role": "model", "parts": [part]}}]});
    vec![
        part(json!({"text": "hm", "thought": true})),
        part(json!({"text": "Bon"})),
        json!({
            "candidates": [{"content": {"parts": [{"text": "jour é🥞"}]}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 7, "cachedContentTokenCount": 5},
        }),
    ]
}

fn gemini_calls() -> Vec<Value> {
    let first = json!({"functionCall": {"id": "a", "name": "get_weather", "args": {"city": "Köln 🥞"}},
        "thoughtSignature": "c2ln"});
    vec![
        json!({"candidates": [{"content": {"parts": [{"text": "Let me look."}]}}]}),
        json!({"candidates": [{"content": {"parts": [first, {"functionCall": {"name": "noop"}}]}}]}),
        json!({"candidates": [{"finishReason": "STOP"}]}),
    ]
}

fn ollama_text() -> Vec<Value> {
    let message = |message: Value| json!({"model": "small-model", "message": message, "done": false});
    vec![
        message(json!({"role": "assistant", "content": "", "thinking": "hm"})),
        message(json!({"role": "assistant", "content": "Bon"})),
        message(json!({"role": "assistant", "content": "jour é🥞"})),
        json!({"message": {"content": ""}, "done": true, "done_reason": "stop", "prompt_eval_count": 11, "eval_count": 7}),
    ]
}

fn ollama_calls() -> Vec<Value> {
    let call = |name: &str, arguments: Value| json!({"function": {"name": name, "arguments": arguments}});
    let calls = json!([call("get_weather", json!({"city": "Köln 🥞"})), call("noop", json!({}))]);
    vec![
        json!({"message": {"content": "Let me look."}, "done": false}),
        json!({"message": {"content": "", "tool_calls": calls}, "done": false}),
        json!({"message": {"content": ""}, "done": true, "done_reason": "stop"}),
    ]
}
