//! Reads a response: frame by frame (an event, or a line), or whole; never for longer or more than the caller bears.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::sse::{DecodeError, Decoder, Framing};
use crate::outbound;

/// The frames of a response. Its bytes are read only when a frame is asked for, so a slow reader slows the server.
pub(super) struct Frames {
    /// The server says that it streams.
    pub(super) event_stream: bool,
    /// The stream ended before its last frame did.
    pub(super) unended: bool,
    /// `None` when all is read.
    response: Option<outbound::Response>,
    decoder: Decoder,
    queue: VecDeque<String>,
    /// Why nothing follows what stands in the queue.
    broken: Option<DecodeError>,
    /// Until when the first byte must come; `None` after it.
    first_byte: Option<Instant>,
}

/// Why no more of a response came.
pub(super) enum Lost {
    /// No first byte in time.
    Silent,
    /// No further byte in time.
    Stalled,
    /// Bytes came for longer than an answer may take.
    Endless,
    Broken(String),
}

impl Frames {
    pub(super) fn streamed(
        response: outbound::Response,
        first_byte: Instant,
        event_stream: bool,
        framing: Framing,
    ) -> Frames {
        Frames {
            event_stream,
            unended: false,
            response: Some(response),
            decoder: Decoder::new(framing),
            queue: VecDeque::new(),
            broken: None,
            first_byte: Some(first_byte),
        }
    }

    /// A response that was read already, as its only frame.
    pub(super) fn one(frame: String) -> Frames {
        Frames {
            event_stream: false,
            unended: false,
            response: None,
            decoder: Decoder::new(Framing::Events),
            queue: VecDeque::from([frame]),
            broken: None,
            first_byte: None,
        }
    }

    /// The next frame; `None` when the server has sent all.
    pub(super) async fn next(&mut self, patience: Duration) -> Result<Option<String>, Lost> {
        loop {
            if let Some(frame) = self.queue.pop_front() {
                return Ok(Some(frame));
            }
            if let Some(error) = self.broken.take() {
                return Err(Lost::Broken(error.to_string()));
            }
            let Some(response) = &mut self.response else {
                return Ok(None);
            };
            let read = match self.first_byte {
                Some(deadline) => timeout_at(deadline, response.chunk()).await.map_err(|_| Lost::Silent),
                None => timeout(patience, response.chunk()).await.map_err(|_| Lost::Stalled),
            };
            let decoded = match read?.map_err(|error| Lost::Broken(outbound::cause(error)))? {
                Some(bytes) => {
                    self.first_byte = None;
                    self.decoder.push(&bytes, &mut self.queue)
                }
                None => {
                    self.response = None;
                    let finished = self.decoder.finish(&mut self.queue);
                    self.unended = !self.queue.is_empty();
                    finished
                }
            };
            if let Err(error) = decoded {
                self.response = None;
                self.broken = Some(error);
            }
        }
    }
}

impl Lost {
    pub(super) fn cause(self) -> String {
        match self {
            Lost::Silent => "the server sent no first byte".to_owned(),
            Lost::Stalled => "the server stopped sending".to_owned(),
            Lost::Endless => "the answer took too long".to_owned(),
            Lost::Broken(cause) => cause,
        }
    }
}

/// Reads a body up to its limit, and says whether that was all of it.
pub(super) async fn read_body(
    response: &mut outbound::Response,
    bytes_max: usize,
    patience: Duration,
) -> (Vec<u8>, Result<(), Lost>) {
    let mut body = Vec::new();
    loop {
        match timeout(patience, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                let room = bytes_max - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    let cause = format!("a body of more than {bytes_max} bytes");
                    return (body, Err(Lost::Broken(cause)));
                }
            }
            Ok(Ok(None)) => return (body, Ok(())),
            Ok(Err(error)) => return (body, Err(Lost::Broken(outbound::cause(error)))),
            Err(_) => return (body, Err(Lost::Stalled)),
        }
    }
}
