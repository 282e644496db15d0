//! Anthropic's messages: the request as JSON, and the events of an answer.
//!
//! Source: <https://docs.anthropic.com/en/api/messages>.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::calls;
use super::halves::CutText;
use super::model::{ChatMessage, ChatPart, ChatRequest, ModelStop, ModelToolCall, ToolDefinition, ToolResult};
use super::said::{Said, Wrong};

pub(super) const VERSION_HEADER: &str = "anthropic-version";
pub(super) const VERSION: &str = "2023-06-01";

/// Tokens of an answer, which Anthropic wants to be bounded. All models since Claude 3.5 take as many.
const ANSWER_TOKENS_MAX: u32 = 8192;

/// An event, or a whole message of a server that does not stream.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: Option<String>,
    error: Option<Value>,
    /// Which block a delta adds to.
    index: Option<i64>,
    content_block: Option<Value>,
    delta: Option<Delta>,
    /// What `message_start` holds.
    message: Option<Whole>,
    usage: Option<Value>,
}

#[derive(Deserialize)]
struct Delta {
    text: Option<CutText>,
    thinking: Option<CutText>,
    partial_json: Option<CutText>,
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
struct Whole {
    content: Option<Vec<Value>>,
    stop_reason: Option<String>,
    usage: Option<Value>,
}

/// The body of a streaming call.
pub(super) fn request_body(model: &str, request: &ChatRequest) -> Value {
    let mut body = json!({
        "model": model,
        "stream": true,
        "max_tokens": ANSWER_TOKENS_MAX,
        "messages": request.messages.iter().filter_map(message).collect::<Vec<_>>(),
    });
    if !request.system.is_empty() {
        body["system"] = json!(request.system);
    }
    if !request.tools.is_empty() {
        body["tools"] = request.tools.iter().map(tool).collect();
    } else if let names = called_names(&request.messages)
        && !names.is_empty()
    {
        // Calls of the past are refused where no tools are declared.
        body["tools"] =
            names.into_iter().map(|name| json!({"name": name, "input_schema": {"type": "object"}})).collect();
        body["tool_choice"] = json!({"type": "none"});
    }
    body
}

fn called_names(messages: &[ChatMessage]) -> BTreeSet<String> {
    let calls = messages.iter().flat_map(|message| match message {
        ChatMessage::Assistant { calls, .. } => calls.as_slice(),
        _ => &[],
    });
    calls.map(|call| calls::safe_name(&call.name)).collect()
}

pub(super) fn read(frame: &str, said: &mut Said) -> Result<(), Wrong> {
    let event: Event = serde_json::from_str(frame)?;
    if let Some(error) = event.error {
        return Err(Wrong::Told(error));
    }
    let kind = event.kind.unwrap_or_default();
    said.answered |= kind.starts_with("message") || kind.starts_with("content_block");
    usage(event.usage.as_ref(), said);
    match kind.as_str() {
        "message_start" => usage(event.message.and_then(|message| message.usage).as_ref(), said),
        "message" => {
            let whole: Whole = serde_json::from_str(frame)?;
            for (index, content) in (0..).zip(whole.content.iter().flatten()) {
                block(index, content, said);
            }
            stopped(whole.stop_reason.as_deref(), said);
            said.closed = true;
        }
        "content_block_start" => {
            if let (Some(index), Some(content)) = (event.index, &event.content_block) {
                block(index, content, said);
            }
        }
        "content_block_delta" => {
            let Some(delta) = event.delta else { return Ok(()) };
            said.text(delta.text);
            said.reasoning(delta.thinking);
            if let Some(json) = delta.partial_json {
                said.arguments(json, |calls| calls.of_piece(event.index, "", ""));
            }
        }
        "message_delta" => stopped(event.delta.and_then(|delta| delta.stop_reason).as_deref(), said),
        "message_stop" => said.closed = true,
        // Pings, ends of blocks, and what may yet be invented.
        _ => {}
    }
    Ok(())
}

/// Takes a block as it begins, which is whole where the server does not stream.
fn block(index: i64, content: &Value, said: &mut Said) {
    let field = |name: &str| content.get(name).and_then(Value::as_str);
    match field("type") {
        Some("text") => said.text(field("text").map(CutText::from)),
        Some("thinking") => said.reasoning(field("thinking").map(CutText::from)),
        Some("tool_use") => said.arguments(CutText::from(""), |calls| {
            let call = calls.of_piece(Some(index), field("id").unwrap_or_default(), field("name").unwrap_or_default());
            call.begin_arguments(&content["input"]);
            call
        }),
        _ => {}
    }
}

fn stopped(reason: Option<&str>, said: &mut Said) {
    let stop = match reason {
        None => return,
        Some("max_tokens" | "model_context_window_exceeded") => ModelStop::MaxTokens,
        Some("refusal") => ModelStop::Refused,
        Some(_) => ModelStop::EndTurn,
    };
    said.stop = Some(stop);
}

/// Adds what an event tells of usage. Each telling counts from the beginning and may leave out what is known.
fn usage(told: Option<&Value>, said: &mut Said) {
    let Some(told) = told else { return };
    let count = |name: &str| told.get(name).and_then(Value::as_i64).unwrap_or(0).max(0);
    let cached = count("cache_read_input_tokens");
    let input = count("input_tokens").saturating_add(cached).saturating_add(count("cache_creation_input_tokens"));
    let usage = &mut said.usage;
    usage.input_tokens = usage.input_tokens.max(input);
    usage.cached_input_tokens = usage.cached_input_tokens.max(cached);
    usage.output_tokens = usage.output_tokens.max(count("output_tokens"));
}

fn tool(tool: &ToolDefinition) -> Value {
    json!({"name": tool.name, "description": tool.description, "input_schema": tool.parameters})
}

/// A message, unless nothing of it is left: Anthropic takes neither blank texts nor empty messages.
fn message(message: &ChatMessage) -> Option<Value> {
    let text = |text: &str| (!text.trim().is_empty()).then(|| json!({"type": "text", "text": text}));
    let (role, content): (&str, Vec<Value>) = match message {
        ChatMessage::User(parts) => {
            let part = |part: &ChatPart| match part {
                ChatPart::Text(told) => text(told),
                ChatPart::Image { media_type, data } => {
                    let source = json!({"type": "base64", "media_type": media_type, "data": data});
                    Some(json!({"type": "image", "source": source}))
                }
            };
            ("user", parts.iter().filter_map(part).collect())
        }
        ChatMessage::Assistant { text: told, calls } => {
            ("assistant", text(told).into_iter().chain(calls.iter().map(call)).collect())
        }
        ChatMessage::ToolResults(results) => ("user", results.iter().map(result).collect()),
    };
    (!content.is_empty()).then(|| json!({"role": role, "content": content}))
}

fn call(call: &ModelToolCall) -> Value {
    let name = calls::safe_name(&call.name);
    json!({"type": "tool_use", "id": id(&call.id), "name": name, "input": calls::object(&call.arguments)})
}

fn result(result: &ToolResult) -> Value {
    let mut told = json!({"type": "tool_result", "tool_use_id": id(&result.call_id), "content": result.content});
    if result.is_error {
        told["is_error"] = json!(true);
    }
    told
}

/// An id as Anthropic takes it: one that another provider gave may hold other characters.
fn id(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}
