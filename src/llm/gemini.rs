//! Google's Gemini: the request as JSON, and the chunks of an answer.
//!
//! Source: <https://ai.google.dev/api/generate-content>.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::calls;
use super::halves::CutText;
use super::model::{ChatMessage, ChatPart, ChatRequest, ModelStop, ModelToolCall, ToolDefinition, ToolResult};
use super::said::{Said, Wrong};

/// One event of a stream, or a whole answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk {
    candidates: Option<Vec<Candidate>>,
    prompt_feedback: Option<PromptFeedback>,
    usage_metadata: Option<Value>,
    error: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    index: Option<i64>,
    content: Option<Content>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    parts: Option<Vec<Part>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    text: Option<CutText>,
    /// The text is reasoning.
    #[serde(default)]
    thought: bool,
    thought_signature: Option<String>,
    function_call: Option<FunctionCall>,
}

#[derive(Deserialize)]
struct FunctionCall {
    id: Option<String>,
    name: Option<String>,
    args: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PromptFeedback {
    block_reason: Option<String>,
}

/// A model's name without what Gemini puts before it.
pub(super) fn short_name(model: &str) -> &str {
    model.strip_prefix("models/").unwrap_or(model)
}

/// The body of a streaming call; the model stands in the address.
pub(super) fn request_body(request: &ChatRequest) -> Value {
    let mut body = json!({"contents": request.messages.iter().filter_map(content).collect::<Vec<_>>()});
    if !request.system.is_empty() {
        body["systemInstruction"] = json!({"parts": [{"text": request.system}]});
    }
    if !request.tools.is_empty() {
        let tools: Vec<Value> = request.tools.iter().map(tool).collect();
        body["tools"] = json!([{"functionDeclarations": tools}]);
    }
    body
}

pub(super) fn read(frame: &str, said: &mut Said) -> Result<(), Wrong> {
    // A server that does not send events answers with a list of all chunks.
    let chunks: Vec<Chunk> = if frame.trim_start().starts_with('[') {
        serde_json::from_str(frame)?
    } else {
        vec![serde_json::from_str(frame)?]
    };
    chunks.into_iter().try_for_each(|chunk| take(chunk, said))
}

fn take(chunk: Chunk, said: &mut Said) -> Result<(), Wrong> {
    if let Some(error) = chunk.error {
        return Err(Wrong::Told(error));
    }
    if let Some(told) = &chunk.usage_metadata {
        usage(told, said);
    }
    if let Some(reason) = chunk.prompt_feedback.and_then(|feedback| feedback.block_reason) {
        return Err(Wrong::Declined(format!("block reason {reason:?}")));
    }
    let mut candidates = chunk.candidates.into_iter().flatten();
    let Some(candidate) = candidates.find(|candidate| candidate.index.unwrap_or(0) == 0) else {
        return Ok(());
    };
    said.answered = true;
    for part in candidate.content.and_then(|content| content.parts).into_iter().flatten() {
        if part.thought {
            said.reasoning(part.text);
        } else {
            said.text(part.text);
        }
        if let Some(call) = part.function_call {
            take_call(&call, part.thought_signature, said);
        }
    }
    if let Some(reason) = candidate.finish_reason {
        said.stop = stop(&reason)?.or(said.stop);
    }
    Ok(())
}

fn take_call(call: &FunctionCall, signature: Option<String>, said: &mut Said) {
    let arguments = call.args.as_deref().map_or_else(|| CutText::from(""), calls::spelled);
    said.arguments(arguments, |calls| {
        let parts = calls.whole(call.id.as_deref().unwrap_or_default(), call.name.as_deref().unwrap_or_default());
        if let Some(signature) = signature {
            parts.sign(signature);
        }
        parts
    });
}

/// What a finish reason means.
fn stop(reason: &str) -> Result<Option<ModelStop>, Wrong> {
    match reason {
        "" | "FINISH_REASON_UNSPECIFIED" => Ok(None),
        "MAX_TOKENS" => Ok(Some(ModelStop::MaxTokens)),
        "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "IMAGE_SAFETY" => {
            Ok(Some(ModelStop::Refused))
        }
        // What the model wrote is of no use, and may be better another time.
        "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS" | "MALFORMED_RESPONSE" | "OTHER" => {
            Err(Wrong::Broken(format!("finish reason {reason:?}")))
        }
        _ => Ok(Some(ModelStop::EndTurn)),
    }
}

/// Usage as far as the server tells it. Each telling counts from the beginning.
fn usage(told: &Value, said: &mut Said) {
    let count = |name: &str| told.get(name).and_then(Value::as_i64).unwrap_or(0).max(0);
    let thoughts = count("thoughtsTokenCount");
    let usage = &mut said.usage;
    usage.input_tokens = count("promptTokenCount").saturating_add(count("toolUsePromptTokenCount"));
    usage.output_tokens = count("candidatesTokenCount").saturating_add(thoughts);
    usage.cached_input_tokens = count("cachedContentTokenCount");
    usage.reasoning_tokens = thoughts;
}

fn tool(tool: &ToolDefinition) -> Value {
    // `parameters` would take a part of JSON Schema only.
    json!({"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters})
}

/// A message, unless nothing of it is left: Gemini takes no empty one.
fn content(message: &ChatMessage) -> Option<Value> {
    let text = |text: &str| (!text.is_empty()).then(|| json!({"text": text}));
    let (role, parts): (&str, Vec<Value>) = match message {
        ChatMessage::User(parts) => {
            let part = |part: &ChatPart| match part {
                ChatPart::Text(told) => text(told),
                ChatPart::Image { media_type, data } => {
                    Some(json!({"inlineData": {"mimeType": media_type, "data": data}}))
                }
            };
            ("user", parts.iter().filter_map(part).collect())
        }
        ChatMessage::Assistant { text: told, calls } => {
            ("model", text(told).into_iter().chain(calls.iter().map(call)).collect())
        }
        ChatMessage::ToolResults(results) => ("user", results.iter().map(result).collect()),
    };
    (!parts.is_empty()).then(|| json!({"role": role, "parts": parts}))
}

fn call(call: &ModelToolCall) -> Value {
    let name = calls::safe_name(&call.name);
    let mut told = json!({"functionCall": {"id": call.id, "name": name, "args": calls::object(&call.arguments)}});
    // A signature that is an object comes from another protocol.
    if let Some(signature) = call.signature.as_deref().filter(|signature| !signature.starts_with('{')) {
        told["thoughtSignature"] = json!(signature);
    }
    told
}

/// What a tool answered, as the object that Gemini wants.
fn result(result: &ToolResult) -> Value {
    let response = match serde_json::from_str::<Value>(&result.content) {
        _ if result.is_error => json!({"error": result.content}),
        Ok(Value::Object(object)) => Value::Object(object),
        Ok(other) => json!({"result": other}),
        Err(_) => json!({"result": result.content}),
    };
    let name = calls::safe_name(&result.name);
    json!({"functionResponse": {"id": result.call_id, "name": name, "response": response}})
}
