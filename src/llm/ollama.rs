//! Ollama's own chat: the request as JSON, and the lines of an answer.
//!
//! Source: <https://docs.ollama.com/api/chat>.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::calls;
use super::halves::CutText;
use super::model::{ChatMessage, ChatPart, ChatRequest, ModelStop, ModelTarget, ModelToolCall, ToolResult};
use super::openai;
use super::said::{Said, Wrong};

/// One line of a stream.
#[derive(Deserialize)]
struct Line {
    message: Option<Message>,
    #[serde(default)]
    done: bool,
    done_reason: Option<String>,
    prompt_eval_count: Option<i64>,
    eval_count: Option<i64>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<CutText>,
    thinking: Option<CutText>,
    tool_calls: Option<Vec<Call>>,
}

#[derive(Deserialize)]
struct Call {
    id: Option<String>,
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<Box<RawValue>>,
}

/// The body of a streaming call.
pub(super) fn request_body(target: &ModelTarget, request: &ChatRequest) -> Value {
    let system = (!request.system.is_empty()).then(|| json!({"role": "system", "content": request.system}));
    let messages: Vec<Value> = system.into_iter().chain(request.messages.iter().flat_map(messages)).collect();
    let mut body = json!({"model": target.model, "stream": true, "messages": messages});
    if !request.tools.is_empty() {
        body["tools"] = request.tools.iter().map(openai::tool).collect();
    }
    if let Some(tokens) = target.context_window {
        // Ollama's own default is small, and what exceeds it is dropped without a word.
        body["options"] = json!({"num_ctx": tokens});
    }
    body
}

pub(super) fn read(frame: &str, said: &mut Said) -> Result<(), Wrong> {
    let line: Line = serde_json::from_str(frame)?;
    if let Some(error) = line.error {
        return Err(Wrong::Told(error));
    }
    said.answered |= line.message.is_some();
    if let Some(message) = line.message {
        said.reasoning(message.thinking);
        said.text(message.content);
        for call in message.tool_calls.into_iter().flatten() {
            let arguments = call.function.arguments.as_deref().map_or_else(|| CutText::from(""), calls::spelled);
            let (id, name) = (call.id.unwrap_or_default(), call.function.name.unwrap_or_default());
            said.arguments(arguments, |calls| calls.whole(&id, &name));
        }
    }
    let count = |told: Option<i64>| told.unwrap_or(0).max(0);
    if line.done {
        said.usage.input_tokens = count(line.prompt_eval_count);
        said.usage.output_tokens = count(line.eval_count);
        let cut_short = line.done_reason.as_deref() == Some("length");
        said.stop = Some(if cut_short { ModelStop::MaxTokens } else { ModelStop::EndTurn });
        said.closed = true;
    }
    Ok(())
}

fn messages(message: &ChatMessage) -> Vec<Value> {
    match message {
        ChatMessage::User(parts) => vec![user(parts)],
        ChatMessage::Assistant { text, calls } => {
            let mut told = json!({"role": "assistant", "content": text});
            if !calls.is_empty() {
                told["tool_calls"] = calls.iter().map(call).collect();
            }
            vec![told]
        }
        ChatMessage::ToolResults(results) => results.iter().map(result).collect(),
    }
}

/// Images stand apart from the text.
fn user(parts: &[ChatPart]) -> Value {
    let (mut texts, mut images) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            ChatPart::Text(text) => texts.push(text.as_str()),
            ChatPart::Image { data, .. } => images.push(data.as_str()),
        }
    }
    let mut told = json!({"role": "user", "content": texts.join("\n\n")});
    if !images.is_empty() {
        told["images"] = json!(images);
    }
    told
}

fn call(call: &ModelToolCall) -> Value {
    let name = calls::safe_name(&call.name);
    json!({"id": call.id, "function": {"name": name, "arguments": calls::object(&call.arguments)}})
}

fn result(result: &ToolResult) -> Value {
    let name = calls::safe_name(&result.name);
    json!({"role": "tool", "tool_name": name, "tool_call_id": result.call_id, "content": result.content})
}
