//! OpenAI's chat completions: the request as JSON, and the chunks of an answer.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat>. Servers differ in what they leave out or send as
//! null, so that every field of a chunk is optional.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::calls::{self, Calls};
use super::halves::CutText;
use super::model::{
    ChatMessage, ChatPart, ChatRequest, ModelStop, ModelToolCall, TokenUsage, ToolDefinition, ToolResult,
};
use super::said::{Said, Wrong};

/// The data of the event that ends a stream.
const DONE: &str = "[DONE]";

/// One event of a stream. A whole completion (of a server that does not stream) reads as one chunk, too.
#[derive(Deserialize)]
struct Chunk {
    choices: Option<Vec<Choice>>,
    usage: Option<Value>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    /// The answer is choice 0, or one without a number.
    #[serde(default)]
    index: Value,
    #[serde(alias = "message")]
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize, Default)]
struct Delta {
    content: Option<CutText>,
    /// What OpenAI's models say instead of content when they decline.
    refusal: Option<CutText>,
    /// Not OpenAI's: what most compatible servers call the text of reasoning.
    reasoning_content: Option<CutText>,
    /// The same, as others call it.
    reasoning: Option<CutText>,
    tool_calls: Option<Vec<CallPiece>>,
    /// How a single call was told before there were several.
    function_call: Option<Function>,
}

#[derive(Deserialize)]
struct CallPiece {
    index: Option<i64>,
    id: Option<String>,
    function: Option<Function>,
    /// What Gemini's models attach to a call where they are asked by chat completions.
    extra_content: Option<Value>,
}

#[derive(Deserialize, Default)]
struct Function {
    name: Option<String>,
    /// JSON in a text, as OpenAI has it; the JSON itself from others.
    arguments: Option<Box<RawValue>>,
}

/// The body of a streaming call.
pub(super) fn request_body(model: &str, request: &ChatRequest) -> Value {
    let system = (!request.system.is_empty()).then(|| json!({"role": "system", "content": request.system}));
    let messages: Vec<Value> = system.into_iter().chain(request.messages.iter().flat_map(messages)).collect();
    let mut body = json!({
        "model": model,
        "stream": true,
        "stream_options": {"include_usage": true},
        "messages": messages,
    });
    if !request.tools.is_empty() {
        body["tools"] = request.tools.iter().map(tool).collect();
    }
    body
}

/// A tool, as the servers know it that learned it from OpenAI.
pub(super) fn tool(tool: &ToolDefinition) -> Value {
    let ToolDefinition { name, description, parameters } = tool;
    json!({"type": "function", "function": {"name": name, "description": description, "parameters": parameters}})
}

pub(super) fn read(frame: &str, said: &mut Said) -> Result<(), Wrong> {
    if frame == DONE {
        said.closed = true;
        return Ok(());
    }
    let chunk: Chunk = serde_json::from_str(frame)?;
    if let Some(error) = chunk.error {
        return Err(Wrong::Told(error));
    }
    if let Some(told) = chunk.usage {
        said.usage = usage(&told, "prompt_tokens", "completion_tokens");
    }
    let mut choices = chunk.choices.into_iter().flatten();
    let Some(choice) = choices.find(|choice| choice.index.as_i64().unwrap_or(0) == 0) else {
        return Ok(());
    };
    said.answered = true;
    take(choice.delta.unwrap_or_default(), said);
    if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
        let stop = stop(&reason).ok_or_else(|| Wrong::Broken(format!("finish reason {reason:?}")))?;
        said.stop = Some(stop);
    }
    Ok(())
}

fn take(delta: Delta, said: &mut Said) {
    let some = |text: Option<CutText>| text.filter(|text| !text.is_empty());
    said.reasoning(some(delta.reasoning_content).or(delta.reasoning));
    said.text(delta.content);
    said.refusal(delta.refusal);
    for piece in delta.tool_calls.into_iter().flatten() {
        let function = piece.function.unwrap_or_default();
        take_call(said, piece.index, &piece.id.unwrap_or_default(), &function, piece.extra_content);
    }
    if let Some(function) = delta.function_call {
        take_call(said, Some(0), "", &function, None);
    }
}

fn take_call(said: &mut Said, index: Option<i64>, id: &str, function: &Function, extra: Option<Value>) {
    let arguments = function.arguments.as_deref().map_or_else(|| CutText::from(""), calls::spelled);
    said.arguments(arguments, |calls: &mut Calls| {
        let call = calls.of_piece(index, id, function.name.as_deref().unwrap_or_default());
        if let Some(extra) = extra {
            call.sign(extra.to_string());
        }
        call
    });
}

/// What a finish reason means; `None` for those by which servers tell that an answer broke off.
fn stop(finish_reason: &str) -> Option<ModelStop> {
    match finish_reason {
        "length" => Some(ModelStop::MaxTokens),
        "content_filter" => Some(ModelStop::Refused),
        "error" | "abort" => None,
        _ => Some(ModelStop::EndTurn),
    }
}

/// Usage as far as the server tells it, by its names of what was read and written; what is missing is zero.
pub(super) fn usage(told: &Value, input: &str, output: &str) -> TokenUsage {
    let count = |value: &Value| value.as_i64().unwrap_or(0).max(0);
    let detail = |of: &str, name: &str| count(&told[format!("{of}_details")][name]);
    TokenUsage {
        input_tokens: count(&told[input]),
        output_tokens: count(&told[output]),
        cached_input_tokens: detail(input, "cached_tokens"),
        reasoning_tokens: detail(output, "reasoning_tokens"),
    }
}

fn messages(message: &ChatMessage) -> Vec<Value> {
    match message {
        ChatMessage::Assistant { text, calls } if calls.is_empty() => {
            vec![json!({"role": "assistant", "content": text})]
        }
        ChatMessage::Assistant { text, calls } => {
            let calls: Vec<Value> = calls.iter().map(call).collect();
            // Some servers refuse an empty text beside calls, and OpenAI has none there.
            let text = (!text.is_empty()).then_some(text);
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
    let arguments = calls::object(&call.arguments).to_string();
    let function = json!({"name": calls::safe_name(&call.name), "arguments": arguments});
    let mut told = json!({"id": call.id, "type": "function", "function": function});
    // A signature that is no object comes from another protocol.
    let extra = call.signature.as_deref().and_then(|signature| serde_json::from_str::<Value>(signature).ok());
    if let Some(extra) = extra.filter(Value::is_object) {
        told["extra_content"] = extra;
    }
    told
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
            json!({"type": "image_url", "image_url": {"url": data_url(media_type, data)}})
        }
    }
}

/// An image as an address that holds it.
pub(super) fn data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}
