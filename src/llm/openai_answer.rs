//! Reads the answer of a chat completion: from events to pieces, and whether it is whole.

use std::collections::VecDeque;

use super::fault::Fault;
use super::frames::{Frames, Lost};
use super::halves::{CutText, Seam};
use super::model::{ModelEnd, ModelError, ModelPiece, ModelStop, ModelTarget, ModelTimeouts, TokenUsage};
use super::openai_wire::{self, Chunk, DONE, Delta};

/// Bytes of text and reasoning in one answer.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// An answer that is being read.
pub(super) struct Answer {
    target: ModelTarget,
    timeouts: ModelTimeouts,
    frames: Frames,
    ready: VecDeque<ModelPiece>,
    text: Seam,
    reasoning: Seam,
    /// What the server told by its finish reason: from then on the text is whole.
    stop: Option<ModelStop>,
    usage: TokenUsage,
    refused: bool,
    /// A chunk with a choice has come, so that this is a chat completion.
    answered: bool,
    answer_bytes: usize,
    /// What comes after the pieces that are ready.
    fault: Option<Fault>,
    ended: bool,
}

/// A step of `try_unfold`.
pub(super) async fn next_piece(mut answer: Answer) -> Result<Option<(ModelPiece, Answer)>, ModelError> {
    match answer.next().await {
        Ok(piece) => Ok(piece.map(|piece| (piece, answer))),
        Err(fault) => Err(fault.report(&answer.target)),
    }
}

impl Answer {
    pub(super) fn new(target: ModelTarget, timeouts: ModelTimeouts, frames: Frames) -> Answer {
        Answer {
            target,
            timeouts,
            frames,
            ready: VecDeque::new(),
            text: Seam::default(),
            reasoning: Seam::default(),
            stop: None,
            usage: TokenUsage::default(),
            refused: false,
            answered: false,
            answer_bytes: 0,
            fault: None,
            ended: false,
        }
    }

    async fn next(&mut self) -> Result<Option<ModelPiece>, Fault> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            if let Some(fault) = self.fault.take() {
                return Err(fault);
            }
            if self.ended {
                return Ok(None);
            }
            let finished = self.stop.is_some();
            let patience = if finished { self.timeouts.after_finish } else { self.timeouts.between_bytes };
            let read = match self.frames.next(patience).await {
                Ok(Some(frame)) if frame == DONE => self.end(true),
                Ok(Some(frame)) => self.read(&frame),
                Ok(None) => self.end(false),
                // After the finish reason the text is whole: a lost tail costs the usage, not the answer.
                Err(_) if finished => self.end(false),
                Err(Lost::Silent) => Err(Fault::silent(&self.target, self.timeouts.first_byte)),
                Err(lost) => Err(Fault::cut(&self.target, lost.cause())),
            };
            self.fault = read.err();
        }
    }

    fn read(&mut self, frame: &str) -> Result<(), Fault> {
        let chunk: Chunk = serde_json::from_str(frame)
            .map_err(|error| Fault::cut(&self.target, format!("an event that is no chunk: {error}")))?;
        if let Some(error) = chunk.error {
            return Err(Fault::told(&self.target, &error));
        }
        if let Some(usage) = chunk.usage {
            self.usage = openai_wire::usage(&usage);
        }
        let mut choices = chunk.choices.into_iter().flatten();
        let Some(choice) = choices.find(|choice| choice.index.as_i64().unwrap_or(0) == 0) else {
            return Ok(());
        };
        self.answered = true;
        self.take(choice.delta.unwrap_or_default())?;
        if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
            let stop = openai_wire::stop(&reason);
            self.stop = Some(stop.ok_or_else(|| Fault::cut(&self.target, format!("finish reason {reason:?}")))?);
        }
        Ok(())
    }

    fn take(&mut self, delta: Delta) -> Result<(), Fault> {
        let some = |text: Option<CutText>| text.filter(|text| !text.is_empty());
        if let Some(text) = some(delta.reasoning_content).or(some(delta.reasoning)) {
            let text = self.reasoning.join(text);
            self.push(text, ModelPiece::Reasoning);
        }
        let refusal = some(delta.refusal);
        self.refused |= refusal.is_some();
        for text in [some(delta.content), refusal].into_iter().flatten() {
            let text = self.text.join(text);
            self.push(text, ModelPiece::Text);
        }
        if self.answer_bytes > ANSWER_BYTES_MAX {
            return Err(Fault::cut(&self.target, format!("an answer of more than {ANSWER_BYTES_MAX} bytes")));
        }
        Ok(())
    }

    fn push(&mut self, text: String, piece: fn(String) -> ModelPiece) {
        if !text.is_empty() {
            self.answer_bytes += text.len();
            self.ready.push_back(piece(text));
        }
    }

    /// The stream is over. Whole is what had a finish reason, or at least the end mark after a choice: servers forget
    /// one or the other. All else is cut, or was no chat completion from the start.
    fn end(&mut self, marked: bool) -> Result<(), Fault> {
        let stop = match self.stop {
            Some(stop) => stop,
            None if self.answered && marked => ModelStop::EndTurn,
            None if !self.answered && !self.frames.event_stream => {
                return Err(Fault::foreign(&self.target, "no chunk with a choice"));
            }
            None => {
                return Err(Fault::cut(&self.target, "the stream ended without finish reason and end mark"));
            }
        };
        let (reasoning, text) = (self.reasoning.end(), self.text.end());
        self.push(reasoning, ModelPiece::Reasoning);
        self.push(text, ModelPiece::Text);
        let stop = if self.refused { ModelStop::Refused } else { stop };
        self.ready.push_back(ModelPiece::End(ModelEnd { stop, usage: self.usage }));
        self.ended = true;
        Ok(())
    }
}
