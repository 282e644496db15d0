//! Decodes server-sent events, or lines of JSON, from bytes, however they are cut into chunks.
//!
//! Of an event only `data` is kept: all protocols say there what kind of event it is.

use std::collections::VecDeque;
use std::fmt;

/// Bytes of one event, so that a server that never ends a line cannot fill the memory.
pub(super) const FRAME_BYTES_MAX: usize = 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What divides a stream into frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// Server-sent events.
    Events,
    /// Each line is a frame.
    Lines,
}

pub(super) struct Decoder {
    framing: Framing,
    /// The line so far, without its end.
    line: Vec<u8>,
    /// The lines of `data` of the event so far; `None` before the first.
    data: Option<Vec<u8>>,
    /// The last byte was a CR, whose LF may come with the next chunk.
    after_cr: bool,
    /// A line has been read, so that no byte order mark is left to skip.
    started: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum DecodeError {
    TooLong,
    NotUtf8,
}

impl Decoder {
    pub(super) fn new(framing: Framing) -> Decoder {
        Decoder { framing, line: Vec::new(), data: None, after_cr: false, started: false }
    }

    /// Reads a chunk and appends the data of each event that it completes.
    pub(super) fn push(&mut self, chunk: &[u8], frames: &mut VecDeque<String>) -> Result<(), DecodeError> {
        let mut rest = chunk;
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (text, end) = (&rest[..at], rest[at]);
            rest = &rest[at + 1..];
            let ends_crlf = end == b'\n' && at == 0 && self.after_cr;
            self.after_cr = end == b'\r';
            if !ends_crlf {
                self.grow(text)?;
                self.end_line(frames)?;
            }
        }
        if !rest.is_empty() {
            self.after_cr = false;
            self.grow(rest)?;
        }
        Ok(())
    }

    /// The stream is over: what stands there counts as an event, since servers forget the blank line after `[DONE]`.
    pub(super) fn finish(&mut self, frames: &mut VecDeque<String>) -> Result<(), DecodeError> {
        if !self.line.is_empty() {
            self.end_line(frames)?;
        }
        self.end_event(frames)
    }

    fn grow(&mut self, text: &[u8]) -> Result<(), DecodeError> {
        let held = self.line.len() + self.data.as_ref().map_or(0, Vec::len);
        if held + text.len() > FRAME_BYTES_MAX {
            return Err(DecodeError::TooLong);
        }
        self.line.extend_from_slice(text);
        Ok(())
    }

    fn end_line(&mut self, frames: &mut VecDeque<String>) -> Result<(), DecodeError> {
        let mut line = self.line.as_slice();
        if !self.started {
            self.started = true;
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        if line.is_empty() {
            self.line.clear();
            return self.end_event(frames);
        }
        if self.framing == Framing::Lines {
            self.data = Some(line.to_vec());
            self.line.clear();
            return self.end_event(frames);
        }
        if let Some(value) = line.strip_prefix(b"data:") {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            }
        }
        self.line.clear();
        Ok(())
    }

    fn end_event(&mut self, frames: &mut VecDeque<String>) -> Result<(), DecodeError> {
        if let Some(data) = self.data.take().filter(|data| !data.is_empty()) {
            frames.push_back(String::from_utf8(data).map_err(|_| DecodeError::NotUtf8)?);
        }
        Ok(())
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::TooLong => write!(f, "an event is longer than {FRAME_BYTES_MAX} bytes"),
            DecodeError::NotUtf8 => f.write_str("an event is not UTF-8"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes a text that is cut into two chunks at every possible place.
    fn decode_in_two(framing: Framing, text: &[u8], cut: usize) -> Result<Vec<String>, DecodeError> {
        let (mut decoder, mut frames) = (Decoder::new(framing), VecDeque::new());
        decoder.push(&text[..cut], &mut frames)?;
        decoder.push(&text[cut..], &mut frames)?;
        decoder.finish(&mut frames)?;
        Ok(frames.into())
    }

    #[test]
    fn events_do_not_depend_on_chunks() {
        let text = "\u{feff}data: é🥞\r\n\r\n: comment\n\ndata:one\ndata: two\nid: 7\n\n\rdata: cr\r\rdata: last";
        for cut in 0..=text.len() {
            let frames = decode_in_two(Framing::Events, text.as_bytes(), cut).unwrap();
            assert_eq!(frames, ["é🥞", "one\ntwo", "cr", "last"], "cut at {cut}");
        }
    }

    #[test]
    fn lines_do_not_depend_on_chunks() {
        let text = "\u{feff}{\"é\":1}\r\n\n[2]\n{\"🥞\":3}";
        for cut in 0..=text.len() {
            let frames = decode_in_two(Framing::Lines, text.as_bytes(), cut).unwrap();
            assert_eq!(frames, ["{\"é\":1}", "[2]", "{\"🥞\":3}"], "cut at {cut}");
        }
    }

    #[test]
    fn endless_and_broken_events_are_refused() {
        let endless = vec![b'x'; FRAME_BYTES_MAX + 1];
        for framing in [Framing::Events, Framing::Lines] {
            assert_eq!(decode_in_two(framing, &endless, 9), Err(DecodeError::TooLong));
            assert_eq!(decode_in_two(framing, b"data: \xff\n\n", 3), Err(DecodeError::NotUtf8));
        }
    }
}
