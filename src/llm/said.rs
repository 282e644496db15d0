//! What an answer has said so far, whatever its protocol.

use std::collections::VecDeque;

use serde_json::Value;

use super::calls::{CallParts, Calls};
use super::halves::{CutText, Seam};
use super::model::{ModelEnd, ModelPiece, ModelStop, TokenUsage};

/// Bytes of text, reasoning and calls in one answer.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Calls in one answer.
const CALLS_MAX: usize = 128;

/// What the readers of the protocols fill.
#[derive(Default)]
pub(super) struct Said {
    pub(super) ready: VecDeque<ModelPiece>,
    pub(super) calls: Calls,
    pub(super) usage: TokenUsage,
    /// What the server told of the end: from then on the text is whole.
    pub(super) stop: Option<ModelStop>,
    /// The server said that nothing follows.
    pub(super) closed: bool,
    /// Something has come that only this protocol says.
    pub(super) answered: bool,
    text: Seam,
    reasoning: Seam,
    refused: bool,
    spoke: bool,
    bytes: usize,
}

/// Why an answer cannot be read on. The texts are for the log.
pub(super) enum Wrong {
    /// The server speaks otherwise.
    Malformed(String),
    /// The server tells of a failure.
    Told(Value),
    /// The server declines to answer.
    Declined(String),
    /// The server tells that the answer breaks off.
    Broken(String),
}

impl Said {
    pub(super) fn text(&mut self, piece: Option<CutText>) {
        if let Some(piece) = piece {
            self.spoke |= !piece.is_empty();
            let text = self.text.join(piece);
            self.push(text, ModelPiece::Text);
        }
    }

    pub(super) fn reasoning(&mut self, piece: Option<CutText>) {
        if let Some(piece) = piece {
            let text = self.reasoning.join(piece);
            self.push(text, ModelPiece::Reasoning);
        }
    }

    /// What the model says instead of an answer.
    pub(super) fn refusal(&mut self, piece: Option<CutText>) {
        self.refused |= piece.as_ref().is_some_and(|piece| !piece.is_empty());
        self.text(piece);
    }

    /// Whether any text has come.
    pub(super) fn has_text(&self) -> bool {
        self.spoke
    }

    /// Adds a piece of a call's arguments.
    pub(super) fn arguments(&mut self, piece: CutText, call: impl FnOnce(&mut Calls) -> &mut CallParts) {
        self.bytes += call(&mut self.calls).add_arguments(piece);
    }

    /// Says what is too much, if anything is.
    pub(super) fn excess(&self) -> Option<String> {
        if self.bytes > ANSWER_BYTES_MAX {
            Some(format!("an answer of more than {ANSWER_BYTES_MAX} bytes"))
        } else if self.calls.len() > CALLS_MAX {
            Some(format!("an answer of more than {CALLS_MAX} calls"))
        } else {
            None
        }
    }

    /// The answer is whole: what was held back becomes ready. Calls of an answer that broke off at a limit or at a
    /// refusal may lack their end, so that nobody shall run them.
    pub(super) fn end(&mut self, stop: ModelStop) {
        let (reasoning, text) = (self.reasoning.end(), self.text.end());
        self.push(reasoning, ModelPiece::Reasoning);
        self.push(text, ModelPiece::Text);
        let calls = self.calls.end();
        let stop = match stop {
            _ if self.refused => ModelStop::Refused,
            ModelStop::EndTurn | ModelStop::ToolCalls if calls.is_empty() => ModelStop::EndTurn,
            ModelStop::EndTurn | ModelStop::ToolCalls => ModelStop::ToolCalls,
            ModelStop::MaxTokens | ModelStop::Refused => stop,
        };
        if stop == ModelStop::ToolCalls {
            self.ready.extend(calls.into_iter().map(ModelPiece::ToolCall));
        }
        self.ready.push_back(ModelPiece::End(ModelEnd { stop, usage: self.usage }));
    }

    fn push(&mut self, text: String, piece: fn(String) -> ModelPiece) {
        if !text.is_empty() {
            self.bytes += text.len();
            self.ready.push_back(piece(text));
        }
    }
}

impl From<serde_json::Error> for Wrong {
    fn from(error: serde_json::Error) -> Wrong {
        Wrong::Malformed(format!("an event that cannot be read: {error}"))
    }
}
