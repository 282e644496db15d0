//! One step: a model call, from its first byte to its end.

use futures_util::{StreamExt as _, stream::BoxStream};
use serde_json::Value;

use super::saying::Saying;
use crate::db::types::Json;
use crate::events::StopReason;
use crate::llm::{ModelEnd, ModelError, ModelErrorCode, ModelPiece, ModelStop, ModelToolCall, ProviderType};
use crate::turns::{Step, ToolCall};

/// How a model call ended.
pub(super) enum Said {
    /// The turn ends with it.
    All(StopReason),
    /// The model waits for what these tools answer; there is at least one.
    Calls(Vec<ToolCall>),
}

/// Follows the model's answer into the step and, as it comes, to everybody who watches. Nothing where the turn is ours no more. After an error that is
/// worth another try the step is as it was.
pub(super) async fn run(
    mut answer: BoxStream<'static, Result<ModelPiece, ModelError>>,
    provider_type: ProviderType,
    step: &mut Step,
    mut saying: Saying<'_>,
) -> Result<Option<Said>, ModelError> {
    let mut calls = Vec::new();
    loop {
        let piece = tokio::select! {
            biased;
            () = saying.checkpoints(step) => return Ok(None),
            piece = answer.next() => piece.ok_or_else(cut)??,
        };
        match piece {
            ModelPiece::Text(text) => saying.say(step, &storable(text)),
            ModelPiece::Reasoning(text) => step.reasoning.get_or_insert_default().push_str(&storable(text)),
            ModelPiece::ToolCall(call) => calls.push(started(step, calls.len(), call, provider_type)),
            ModelPiece::End(end) => return Ok(Some(finish(step, end, calls))),
        }
    }
}

fn finish(step: &mut Step, ModelEnd { stop, usage }: ModelEnd, calls: Vec<ToolCall>) -> Said {
    step.input_tokens = usage.input_tokens;
    step.output_tokens = usage.output_tokens;
    step.cached_input_tokens = usage.cached_input_tokens;
    step.reasoning_tokens = usage.reasoning_tokens;
    match stop {
        // Not every provider says that it waits.
        ModelStop::EndTurn | ModelStop::ToolCalls if !calls.is_empty() => Said::Calls(calls),
        ModelStop::EndTurn | ModelStop::ToolCalls => Said::All(StopReason::EndTurn),
        // What was called last may be cut, and its model would not wait for it.
        ModelStop::MaxTokens => Said::All(StopReason::MaxTokens),
        ModelStop::Refused => Said::All(StopReason::Refused),
    }
}

fn started(step: &Step, position: usize, call: ModelToolCall, provider_type: ProviderType) -> ToolCall {
    let position = i64::try_from(position).unwrap_or(i64::MAX);
    let arguments = Json(storable_json(call.arguments));
    let provider_call_id = Some(storable(call.id)).filter(|id| !id.is_empty());
    // With who attached it: nobody else knows what to do with it.
    let signature = call.signature.map(|signature| storable(format!("{provider_type} {signature}")));
    ToolCall { provider_call_id, signature, ..ToolCall::started(step, position, storable(call.name), arguments) }
}

/// What was attached to the call, where this type of provider did it.
pub(super) fn signature_for(call: &ToolCall, provider_type: ProviderType) -> Option<String> {
    let (attached_by, signature) = call.signature.as_deref()?.split_once(' ')?;
    (attached_by == provider_type.as_str()).then(|| signature.to_owned())
}

/// A text that can be stored: PostgreSQL's holds every character but NUL.
pub(super) fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// Likewise, each text of a JSON value.
pub(super) fn storable_json(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(storable(text)),
        Value::Array(values) => values.into_iter().map(storable_json).collect(),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (storable(name), storable_json(value))).collect())
        }
        plain => plain,
    }
}

fn cut() -> ModelError {
    let message = "The model's answer broke off before its end. Send the message again.";
    ModelError::lasting(ModelErrorCode::Cut, message.into())
}
