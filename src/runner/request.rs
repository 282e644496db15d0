//! What a model is given: the system prompt, the tools and the history, turn by turn, as much of it as fits.

use std::collections::HashSet;

use serde_json::Value;

use super::step::signature_for;
use crate::capabilities::Tool;
use crate::llm::{
    ChatMessage, ChatPart, ChatRequest, ModelTarget, ModelToolCall, ProviderType, ToolDefinition, ToolResult,
};
use crate::messages::{ContentPart, Exchange, Message, MessageContent};
use crate::turns::{Step, StepStatus, ToolCall, ToolCallStatus, TurnStatus};

/// Bytes of a text that count as one token where nobody has counted.
const TOKEN_BYTES: usize = 4;
/// Tokens that a picture counts as.
const IMAGE_TOKENS: usize = 1_000;
/// One part in so many of a model's window is kept free for its answer.
const ANSWER_SHARE: usize = 4;
/// Bytes of a call's id that every provider takes.
const CALL_ID_BYTES_MAX: usize = 40;

/// What a model is told of a call whose end nobody knows.
const UNKNOWN: &str = "unknown: the result of this call was lost";

/// The request of the last turn in `history`: every user's words with the answer that they got. A failed turn gives the user's words only, and
/// neighbours of one role are joined, since many models insist that roles alternate. What exceeds the model's window, in tokens, is left out from
/// the oldest turn on, whole turns at a time; the last one is never left out.
pub(super) fn of(system: &str, tools: &[&Tool], history: &[Exchange], target: &ModelTarget) -> ChatRequest {
    let tools: Vec<_> = tools.iter().map(|tool| definition(tool)).collect();
    let mut ids = HashSet::new();
    let turns: Vec<_> = history.iter().map(|exchange| turn(exchange, target.provider_type, &mut ids)).collect();
    let mut kept = turns.len();
    if let Some(window) = target.context_window.and_then(|window| usize::try_from(window).ok()) {
        let asked = tokens(system) + tools.iter().map(tokens_of_tool).sum::<usize>();
        let mut free = (window - window / ANSWER_SHARE).saturating_sub(asked);
        let fits = |turn: &&Vec<ChatMessage>| {
            let size = turn.iter().map(tokens_of).sum();
            free.checked_sub(size).inspect(|left| free = *left).is_some()
        };
        kept = turns.iter().rev().take_while(fits).count().max(1);
    }
    let mut messages: Vec<ChatMessage> = Vec::new();
    let left_out = turns.len().saturating_sub(kept);
    for message in turns.into_iter().skip(left_out).flatten() {
        join(&mut messages, message);
    }
    ChatRequest { system: system.to_owned(), messages, tools }
}

fn definition(tool: &Tool) -> ToolDefinition {
    let (name, description) = (tool.name.to_owned(), tool.description.to_owned());
    ToolDefinition { name, description, parameters: tool.parameters.0.clone() }
}

/// What a turn said. `ids` are those of the calls before it.
fn turn(exchange: &Exchange, provider_type: ProviderType, ids: &mut HashSet<String>) -> Vec<ChatMessage> {
    let mut messages = vec![ChatMessage::User(parts(&exchange.message))];
    if exchange.turn.status == TurnStatus::Failed {
        return messages;
    }
    for (step, calls) in exchange.steps.iter().filter(|(step, calls)| is_kept(step, calls)) {
        let named: Vec<_> = calls.iter().map(|call| (call, call_id(call, ids))).collect();
        let made = named.iter().map(|(call, id)| made(call, id.clone(), provider_type)).collect();
        messages.push(ChatMessage::Assistant { text: step.text.clone(), calls: made });
        if !calls.is_empty() {
            messages.push(ChatMessage::ToolResults(named.into_iter().map(|(call, id)| answered(call, id)).collect()));
        }
    }
    messages
}

fn is_kept(step: &Step, calls: &[ToolCall]) -> bool {
    step.status != StepStatus::Abandoned && !(step.text.is_empty() && calls.is_empty())
}

fn made(call: &ToolCall, id: String, provider_type: ProviderType) -> ModelToolCall {
    let (name, arguments) = (call.name.clone(), call.arguments.0.clone());
    ModelToolCall { id, name, arguments, signature: signature_for(call, provider_type) }
}

fn answered(call: &ToolCall, call_id: String) -> ToolResult {
    let (content, is_error) = match (call.status, &call.result, &call.error) {
        (ToolCallStatus::Completed, Some(result), _) => (result.0.to_string(), false),
        (ToolCallStatus::Failed, _, Some(error)) => (error.clone(), true),
        _ => (UNKNOWN.to_owned(), true),
    };
    ToolResult { call_id, name: call.name.clone(), content, is_error }
}

/// The provider's own name of a call, or ours where that is too long for another provider or stands in the request already.
fn call_id(call: &ToolCall, ids: &mut HashSet<String>) -> String {
    let own = call.provider_call_id.clone().filter(|id| id.len() <= CALL_ID_BYTES_MAX && !ids.contains(id));
    let id = own.unwrap_or_else(|| call.call_key.clone());
    ids.insert(id.clone());
    id
}

/// Adds a message; one of the same role as the one before is joined to it.
fn join(messages: &mut Vec<ChatMessage>, next: ChatMessage) {
    match (messages.last_mut(), next) {
        (Some(ChatMessage::User(said)), ChatMessage::User(parts)) => said.extend(parts),
        (Some(ChatMessage::Assistant { text: said, calls: made }), ChatMessage::Assistant { text, calls })
            if made.is_empty() =>
        {
            said.push_str("\n\n");
            said.push_str(&text);
            made.extend(calls);
        }
        (_, next) => messages.push(next),
    }
}

fn parts(message: &Message) -> Vec<ChatPart> {
    let content = MessageContent::stored(&message.text, message.parts.as_ref());
    let part = |part| match part {
        ContentPart::Text(part) => ChatPart::Text(part.text),
        ContentPart::Image(part) => ChatPart::Image { media_type: part.media_type, data: part.data },
    };
    content.into_parts().into_iter().map(part).collect()
}

fn tokens(text: &str) -> usize {
    text.len().div_ceil(TOKEN_BYTES)
}

fn tokens_of_json(value: &Value) -> usize {
    tokens(&value.to_string())
}

fn tokens_of_tool(tool: &ToolDefinition) -> usize {
    tokens(&tool.name) + tokens(&tool.description) + tokens_of_json(&tool.parameters)
}

fn tokens_of(message: &ChatMessage) -> usize {
    let part = |part: &ChatPart| match part {
        ChatPart::Text(text) => tokens(text),
        ChatPart::Image { .. } => IMAGE_TOKENS,
    };
    let call = |call: &ModelToolCall| tokens(&call.name) + tokens_of_json(&call.arguments);
    match message {
        ChatMessage::User(parts) => parts.iter().map(part).sum(),
        ChatMessage::Assistant { text, calls } => tokens(text) + calls.iter().map(call).sum::<usize>(),
        ChatMessage::ToolResults(results) => results.iter().map(|result| tokens(&result.content)).sum(),
    }
}
