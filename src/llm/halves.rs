//! Texts that a server cut inside a character, as those do that count in UTF-16: the halves are put together again.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

/// A text of JSON, as WTF-8: UTF-8 in which half a character, too, is encoded, as if it were one.
pub(super) struct CutText(Vec<u8>);

/// Where the pieces of one text meet.
#[derive(Default)]
pub(super) struct Seam {
    /// The first half of a character, whose second may come with the next piece.
    held: Option<u16>,
}

impl CutText {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for CutText {
    fn from(text: &str) -> CutText {
        CutText(text.as_bytes().to_vec())
    }
}

impl Seam {
    /// The next piece's text, which is empty when only half a character is there. A half that did not meet its other
    /// becomes U+FFFD.
    pub(super) fn join(&mut self, piece: CutText) -> String {
        let bytes = match (self.held, String::from_utf8(piece.0)) {
            (None, Ok(text)) => return text,
            (Some(_), Ok(text)) => text.into_bytes(),
            (_, Err(error)) => error.into_bytes(),
        };
        let mut units: Vec<u16> = self.held.take().into_iter().chain(utf16(&bytes)).collect();
        self.held = units.pop_if(|unit| matches!(unit, 0xD800..=0xDBFF));
        String::from_utf16_lossy(&units)
    }

    /// No piece follows: what is left of the text.
    pub(super) fn end(&mut self) -> String {
        self.held.take().map_or_else(String::new, |half| String::from_utf16_lossy(&[half]))
    }
}

/// WTF-8 as units of UTF-16. A half's three bytes are the only ones that begin with 0xED and then 0xA0 or above.
fn utf16(mut bytes: &[u8]) -> Vec<u16> {
    let mut units = Vec::with_capacity(bytes.len());
    while let Some(at) = bytes.windows(3).position(|three| three[0] == 0xED && three[1] >= 0xA0) {
        units.extend(String::from_utf8_lossy(&bytes[..at]).encode_utf16());
        units.push(0xD000 | u16::from(bytes[at + 1] & 0x3F) << 6 | u16::from(bytes[at + 2] & 0x3F));
        bytes = &bytes[at + 3..];
    }
    units.extend(String::from_utf8_lossy(bytes).encode_utf16());
    units
}

impl<'de> Deserialize<'de> for CutText {
    /// Asks for bytes: as such serde_json hands out halves, which it refuses in a string.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CutText, D::Error> {
        deserializer.deserialize_bytes(CutTextVisitor)
    }
}

struct CutTextVisitor;

impl Visitor<'_> for CutTextVisitor {
    type Value = CutText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<CutText, E> {
        Ok(CutText(bytes.to_vec()))
    }
}
