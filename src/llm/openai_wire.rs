//! The words of OpenAI's chat completions: the request as JSON, and the chunks of an answer.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat>. Servers differ in what they leave out or send as
//! null, so that every field of a chunk is optional.

use serde::Deserialize;
use serde_json::{Value, json};

use super::halves::CutText;
use super::model::{ChatMessage, ChatPart, ChatRequest, ModelStop, ModelToolCall, TokenUsage, ToolResult};

/// The data of the event that ends a stream.
pub(super) const DONE: &str = "[DONE]";

/// One event of a stream. A whole completion (of a server that does not stream) reads as one chunk, too.
#[derive(Deserialize)]
pub(super) struct Chunk {
    pub(super) choices: Option<Vec<Choice>>,
    pub(super) usage: Option<Value>,
    pub(super) error: Option<Value>,
}

#[derive(Deserialize)]
pub(super) struct Choice {
    /// The answer is choice 0, or one without a number.
    #[serde(default)]
    pub(super) index: Value,
    #[serde(alias = "message")]
    pub(super) delta: Option<Delta>,
    pub(super) finish_reason: Option<String>,
}

#[derive(Deserialize, Default)]
pub(super) struct Delta {
    pub(super) content: Option<CutText>,
    /// What OpenAI's models say instead of content when they decline.
    pub(super) refusal: Option<CutText>,
    /// Not OpenAI's: what most compatible servers call the text of reasoning.
    pub(super) reasoning_content: Option<CutText>,
    /// The same, as others call it.
    pub(super) reasoning: Option<CutText>,
}

/// The body of a streaming call.
pub(super) fn request_body(model: &str, request: &ChatRequest) -> Value {
    let system = (!request.system.is_empty()).then(|| json!({"role": "system", "content": request.system}));
    let messages: Vec<Value> = system.into_iter().chain(request.messages.iter().flat_map(messages)).collect();
    json!({
        "model": model,
        "stream": true,
        "stream_options": {"include_usage": true},
        "messages": messages,
    })
}

/// What a finish reason means; `None` for those by which servers tell that an answer broke off.
pub(super) fn stop(finish_reason: &str) -> Option<ModelStop> {
    match finish_reason {
        "length" => Some(ModelStop::MaxTokens),
        "content_filter" => Some(ModelStop::Refused),
        "error" | "abort" => None,
        _ => Some(ModelStop::EndTurn),
    }
}

/// Usage as far as the server tells it; what is missing is zero.
pub(super) fn usage(told: &Value) -> TokenUsage {
    let count = |pointer: &str| told.pointer(pointer).and_then(Value::as_i64).unwrap_or(0).max(0);
    TokenUsage {
        input_tokens: count("/prompt_tokens"),
        output_tokens: count("/completion_tokens"),
        cached_input_tokens: count("/prompt_tokens_details/cached_tokens"),
        reasoning_tokens: count("/completion_tokens_details/reasoning_tokens"),
    }
}

fn messages(message: &ChatMessage) -> Vec<Value> {
    match message {
        ChatMessage::Assistant { text, calls } if calls.is_empty() => {
            vec![json!({"role": "assistant", "content": text})]
        }
        ChatMessage::Assistant { text, calls } => {
            let calls: Vec<Value> = calls.iter().map(call).collect();
            vec![json!({"role": "assistant", "content": text, "tool_calls": calls})]
        }
        ChatMessage::ToolResults(results) => {
            let result = |result: &ToolResult| json!({"role": "tool", "tool_call_id": result.call_id, "content": result.content});
            results.iter().map(result).collect()
        }
        // Text alone goes as a string, because small servers know no list of parts.
        ChatMessage::User(parts) => vec![match text_alone(parts) {
            Some(text) => json!({"role": "user", "content": text}),
            None => json!({"role": "user", "content": parts.iter().map(part).collect::<Vec<_>>()}),
        }],
    }
}

fn call(call: &ModelToolCall) -> Value {
    let function = json!({"name": call.name, "arguments": call.arguments.to_string()});
    json!({"id": call.id, "type": "function", "function": function})
}

fn text_alone(parts: &[ChatPart]) -> Option<String> {
    let texts = parts.iter().map(|part| match part {
        ChatPart::Text(text) => Some(text.as_str()),
        ChatPart::Image { .. } => None,
    });
    Some(texts.collect::<Option<Vec<_>>>()?.join("\n\n"))
}

fn part(part: &ChatPart) -> Value {
    match part {
        ChatPart::Text(text) => json!({"type": "text", "text": text}),
        ChatPart::Image { media_type, data } => {
            json!({"type": "image_url", "image_url": {"url": format!("data:{media_type};base64,{data}")}})
        }
    }
}
