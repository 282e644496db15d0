//! OpenAI's Responses: the request as JSON, and the events of an answer.
//!
//! Source: <https://platform.openai.com/docs/api-reference/responses>. Nothing is stored at the provider, so that each
//! call tells the whole conversation.

use serde::Deserialize;
use serde_json::{Value, json};

use super::calls;
use super::halves::CutText;
use super::model::{ChatMessage, ChatPart, ChatRequest, ModelStop, ModelToolCall, ToolDefinition, ToolResult};
use super::openai::{data_url, usage};
use super::said::{Said, Wrong};

/// An event, or a whole response of a server that does not stream.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Says that this is a whole response.
    object: Option<String>,
    error: Option<Value>,
}

/// An event that adds to a text.
#[derive(Deserialize)]
struct TextDelta {
    delta: CutText,
}

#[derive(Deserialize)]
struct ItemDone {
    item: Value,
}

#[derive(Deserialize)]
struct Ended {
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    status: Option<String>,
    output: Option<Vec<Value>>,
    usage: Option<Value>,
    incomplete_details: Option<Value>,
    error: Option<Value>,
}

/// The body of a streaming call.
pub(super) fn request_body(model: &str, request: &ChatRequest) -> Value {
    let mut body = json!({
        "model": model,
        "stream": true,
        "store": false,
        "input": request.messages.iter().flat_map(items).collect::<Vec<_>>(),
    });
    if !request.system.is_empty() {
        body["instructions"] = json!(request.system);
    }
    if !request.tools.is_empty() {
        body["tools"] = request.tools.iter().map(tool).collect();
    }
    body
}

pub(super) fn read(frame: &str, said: &mut Said) -> Result<(), Wrong> {
    let event: Event = serde_json::from_str(frame)?;
    let Some(kind) = event.kind else {
        return match event.error {
            Some(error) => Err(Wrong::Told(error)),
            None if event.object.as_deref() == Some("response") => end(serde_json::from_str(frame)?, said),
            None => Ok(()),
        };
    };
    said.answered |= kind.starts_with("response.");
    match kind.as_str() {
        "response.output_text.delta" => said.text(Some(text(frame)?)),
        "response.refusal.delta" => said.refusal(Some(text(frame)?)),
        "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
            said.reasoning(Some(text(frame)?));
        }
        "response.output_item.done" => call(&serde_json::from_str::<ItemDone>(frame)?.item, said),
        "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled" => {
            end(serde_json::from_str::<Ended>(frame)?.response, said)?;
        }
        "error" => return Err(Wrong::Told(event.error.map_or_else(|| serde_json::from_str(frame), Ok)?)),
        // Beginnings, and ends of what the deltas told.
        _ => {}
    }
    Ok(())
}

fn text(frame: &str) -> Result<CutText, Wrong> {
    Ok(serde_json::from_str::<TextDelta>(frame)?.delta)
}

/// Takes an item that is a call, once.
fn call(item: &Value, said: &mut Said) {
    let field = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
    let id = if field("call_id").is_empty() { field("id") } else { field("call_id") };
    if field("type") == "function_call" && (id.is_empty() || !said.calls.has(id)) {
        let arguments = match item.get("arguments") {
            Some(Value::String(text)) => CutText::from(text.as_str()),
            Some(Value::Null) | None => CutText::from(""),
            Some(json) => CutText::from(json.to_string().as_str()),
        };
        said.arguments(arguments, |calls| calls.whole(id, field("name")));
    }
}

/// The response is over, and told once more as a whole. What had not come by itself is taken from there.
fn end(response: Response, said: &mut Said) -> Result<(), Wrong> {
    if let Some(error) = response.error {
        return Err(Wrong::Told(error));
    }
    let status = response.status.as_deref().unwrap_or("completed");
    let reason = response.incomplete_details.as_ref().and_then(|details| details["reason"].as_str());
    let stop = match (status, reason) {
        ("completed", _) => ModelStop::EndTurn,
        ("incomplete", Some("content_filter")) => ModelStop::Refused,
        ("incomplete", _) => ModelStop::MaxTokens,
        _ => return Err(Wrong::Broken(format!("status {status:?}"))),
    };
    let had_text = said.has_text();
    for item in response.output.iter().flatten() {
        call(item, said);
        for part in item["content"].as_array().into_iter().flatten().filter(|_| !had_text) {
            let text = |name: &str| part[name].as_str().map(CutText::from);
            match part["type"].as_str() {
                Some("output_text") => said.text(text("text")),
                Some("refusal") => said.refusal(text("refusal")),
                _ => {}
            }
        }
    }
    if let Some(told) = response.usage {
        said.usage = usage(&told, "input_tokens", "output_tokens");
    }
    (said.answered, said.closed, said.stop) = (true, true, Some(stop));
    Ok(())
}

/// Strict schemas would have to name every property as required.
fn tool(tool: &ToolDefinition) -> Value {
    let ToolDefinition { name, description, parameters } = tool;
    json!({"type": "function", "name": name, "description": description, "parameters": parameters, "strict": false})
}

fn items(message: &ChatMessage) -> Vec<Value> {
    match message {
        ChatMessage::User(parts) => {
            let content: Vec<Value> = parts.iter().map(part).collect();
            vec![json!({"type": "message", "role": "user", "content": content})]
        }
        ChatMessage::Assistant { text, calls } => {
            let content = json!([{"type": "output_text", "text": text, "annotations": []}]);
            let told = json!({"type": "message", "role": "assistant", "status": "completed", "content": content});
            let told = Some(told).filter(|_| !text.is_empty());
            told.into_iter().chain(calls.iter().map(call_item)).collect()
        }
        ChatMessage::ToolResults(results) => results.iter().map(result_item).collect(),
    }
}

fn part(part: &ChatPart) -> Value {
    match part {
        ChatPart::Text(text) => json!({"type": "input_text", "text": text}),
        ChatPart::Image { media_type, data } => {
            json!({"type": "input_image", "image_url": data_url(media_type, data)})
        }
    }
}

fn call_item(call: &ModelToolCall) -> Value {
    let arguments = calls::object(&call.arguments).to_string();
    let name = calls::safe_name(&call.name);
    json!({"type": "function_call", "call_id": call.id, "name": name, "arguments": arguments})
}

fn result_item(result: &ToolResult) -> Value {
    json!({"type": "function_call_output", "call_id": result.call_id, "output": result.content})
}
