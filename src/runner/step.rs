//! One step: a model call, from its first byte to its end.

use futures_util::{StreamExt as _, stream::BoxStream};

use crate::events::{Channel, StopReason};
use crate::llm::{ModelEnd, ModelError, ModelPiece, ModelStop};
use crate::turns::{Step, TurnError};

/// Follows the model's answer into the step and, as it comes, to everybody who watches.
pub(super) async fn run(
    mut answer: BoxStream<'static, Result<ModelPiece, ModelError>>,
    step: &mut Step,
    channel: &Channel,
) -> Result<StopReason, TurnError> {
    while let Some(piece) = answer.next().await {
        match piece? {
            ModelPiece::Text(text) => {
                // PostgreSQL's text holds every character but NUL.
                let text = if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text };
                step.text.push_str(&text);
                channel.append(step.started_sequence, &text);
            }
            ModelPiece::Reasoning(text) => {
                step.reasoning.get_or_insert_default().push_str(&text.replace('\0', "\u{fffd}"));
            }
            // No tools are offered.
            ModelPiece::ToolCall(_) => {}
            ModelPiece::End(end) => return Ok(finish(step, end)),
        }
    }
    Err(cut().into())
}

fn finish(step: &mut Step, ModelEnd { stop, usage }: ModelEnd) -> StopReason {
    step.input_tokens = usage.input_tokens;
    step.output_tokens = usage.output_tokens;
    step.cached_input_tokens = usage.cached_input_tokens;
    step.reasoning_tokens = usage.reasoning_tokens;
    match stop {
        ModelStop::EndTurn | ModelStop::ToolCalls => StopReason::EndTurn,
        ModelStop::MaxTokens => StopReason::MaxTokens,
        ModelStop::Refused => StopReason::Refused,
    }
}

fn cut() -> ModelError {
    ModelError {
        code: crate::llm::ModelErrorCode::Cut,
        message: "The model's answer broke off before its end. Send the message again.".into(),
    }
}
