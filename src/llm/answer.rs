//! Reads an answer to its end: from frames to pieces, and whether it is whole.

use tokio::time::{Instant, timeout_at};

use super::circuit::Pass;
use super::fault::Fault;
use super::frames::{Frames, Lost};
use super::model::{ModelError, ModelPiece, ModelStop, ModelTarget, ModelTimeouts};
use super::protocol::Read;
use super::said::{Said, Wrong};

/// An answer that is being read.
pub(super) struct Answer {
    target: ModelTarget,
    timeouts: ModelTimeouts,
    frames: Frames,
    read: Read,
    said: Said,
    /// Until when what follows the finish reason is waited for.
    finish_until: Option<Instant>,
    /// Until when all must have come.
    until: Instant,
    /// Until the first frame: whether the server answers.
    pass: Option<Pass>,
    /// A piece was given.
    gave: bool,
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
    pub(super) fn new(
        target: ModelTarget,
        timeouts: ModelTimeouts,
        frames: Frames,
        read: Read,
        until: Instant,
        pass: Pass,
    ) -> Answer {
        Answer {
            target,
            timeouts,
            frames,
            read,
            said: Said::default(),
            finish_until: None,
            until,
            pass: Some(pass),
            gave: false,
            fault: None,
            ended: false,
        }
    }

    async fn next(&mut self) -> Result<Option<ModelPiece>, Fault> {
        loop {
            if let Some(piece) = self.said.ready.pop_front() {
                self.gave = true;
                return Ok(Some(piece));
            }
            if let Some(fault) = self.fault.take() {
                return Err(if self.gave { fault.after_a_piece() } else { fault });
            }
            if self.ended {
                return Ok(None);
            }
            let finished = self.said.stop.is_some();
            let next = self.frames.next(self.timeouts.between_bytes);
            let (until, late) = if finished {
                let until = *self.finish_until.get_or_insert_with(|| Instant::now() + self.timeouts.after_finish);
                (until, Lost::Stalled)
            } else {
                (self.until, Lost::Endless)
            };
            let next = timeout_at(until, next).await.unwrap_or(Err(late));
            let frame_came = matches!(next, Ok(Some(_)));
            let read = match next {
                Ok(Some(frame)) => self.take(&frame),
                Ok(None) => self.end(),
                // After the finish reason the text is whole: a lost tail costs the usage, not the answer.
                Err(_) if finished => self.end(),
                Err(Lost::Silent) => Err(Fault::silent(&self.target, self.timeouts.first_byte)),
                Err(lost) => Err(Fault::cut(&self.target, lost.cause())),
            };
            self.fault = read.err();
            if let Some(pass) = self.pass.take() {
                pass.end(frame_came || self.fault.as_ref().is_none_or(|fault| !fault.server_failed));
            }
        }
    }

    fn take(&mut self, frame: &str) -> Result<(), Fault> {
        // Half of a first frame is an answer that broke off, where the server says that it streams.
        let broke_off = self.frames.unended && self.frames.event_stream;
        (self.read)(frame, &mut self.said).map_err(|wrong| match wrong {
            Wrong::Malformed(cause) if !self.said.answered && !broke_off => Fault::foreign(&self.target, cause),
            Wrong::Malformed(cause) | Wrong::Broken(cause) => Fault::cut(&self.target, cause),
            Wrong::Told(error) => Fault::told(&self.target, &error),
            Wrong::Declined(cause) => Fault::declined(&self.target, cause),
        })?;
        match self.said.excess() {
            Some(cause) => Err(Fault::cut(&self.target, cause)),
            None if self.said.closed => self.end(),
            None => Ok(()),
        }
    }

    /// The stream is over. Whole is what had a finish reason, or at least the end mark after an answer: servers forget
    /// one or the other. All else is cut, or was no answer from the start.
    fn end(&mut self) -> Result<(), Fault> {
        let Said { stop, answered, closed, .. } = self.said;
        let stop = match stop {
            Some(stop) => stop,
            None if answered && closed => ModelStop::EndTurn,
            None if !answered && !self.frames.event_stream => {
                return Err(Fault::foreign(&self.target, "nothing that is an answer"));
            }
            None => {
                return Err(Fault::cut(&self.target, "the stream ended without finish reason and end mark"));
            }
        };
        self.said.end(stop);
        self.ended = true;
        Ok(())
    }
}
