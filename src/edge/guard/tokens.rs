//! The words of a GraphQL document, one after the other, as far as its outline needs them.
//!
//! Where one token ends is decided exactly as async-graphql's parser decides it: were the two to disagree about one quote, a bracket
//! could hide from the guard.

use super::{Fault, NAME_BYTES_MAX};

/// One token. What the outline does not look at (values, `$`, `!`, `=`, `&`, `|`) is `Other`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Name(&'a str),
    Open(Bracket),
    Close(Bracket),
    /// `...`
    Spread,
    Colon,
    /// `@`
    At,
    Other,
}

/// The three kinds of bracket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bracket {
    Brace,
    Square,
    Round,
}

/// Reads tokens from left to right; never goes back.
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token and the byte where it starts, or `None` at the end of the text.
    pub(super) fn next(&mut self) -> Result<Option<(Token<'a>, usize)>, Fault> {
        self.skip_ignored();
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        let Some(&first) = rest.first() else { return Ok(None) };
        let (token, bytes) = match first {
            b'{' => (Token::Open(Bracket::Brace), 1),
            b'}' => (Token::Close(Bracket::Brace), 1),
            b'[' => (Token::Open(Bracket::Square), 1),
            b']' => (Token::Close(Bracket::Square), 1),
            b'(' => (Token::Open(Bracket::Round), 1),
            b')' => (Token::Close(Bracket::Round), 1),
            b':' => (Token::Colon, 1),
            b'@' => (Token::At, 1),
            b'!' | b'$' | b'&' | b'=' | b'|' => (Token::Other, 1),
            b'.' if rest.starts_with(b"...") => (Token::Spread, 3),
            b'"' => (Token::Other, string_bytes(rest, start)?),
            b'-' | b'0'..=b'9' => (Token::Other, number_bytes(rest)),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                let bytes = name_bytes(rest);
                if bytes > NAME_BYTES_MAX {
                    return Err(Fault::new(start, format!("a name is longer than {NAME_BYTES_MAX} bytes")));
                }
                (Token::Name(&self.text[start..start + bytes]), bytes)
            }
            _ => {
                let unexpected = self.text[start..].chars().next().unwrap_or_default();
                return Err(Fault::new(start, format!("unexpected character {unexpected:?}")));
            }
        };
        self.at = start + bytes;
        Ok(Some((token, start)))
    }

    /// Skips spaces, commas, byte order marks and comments.
    fn skip_ignored(&mut self) {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r' | b',') => self.at += 1,
                Some(0xef) if bytes[self.at..].starts_with("\u{feff}".as_bytes()) => self.at += '\u{feff}'.len_utf8(),
                Some(b'#') => {
                    let comment = &bytes[self.at..];
                    self.at += comment.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(comment.len());
                }
                _ => return,
            }
        }
    }
}

fn name_bytes(rest: &[u8]) -> usize {
    rest.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_').unwrap_or(rest.len())
}

/// A number may be malformed here (the parser says so); it only must not swallow the `...` that could follow it.
fn number_bytes(rest: &[u8]) -> usize {
    let goes_on = |at: usize| match rest.get(at) {
        Some(b'.') => rest.get(at + 1).is_some_and(u8::is_ascii_digit),
        Some(b'+' | b'-') => matches!(rest[at - 1], b'e' | b'E'),
        Some(byte) => byte.is_ascii_alphanumeric(),
        None => false,
    };
    let mut bytes = 1;
    while goes_on(bytes) {
        bytes += 1;
    }
    bytes
}

/// The length of the string, with its quotes, that `rest` begins with. `start` is where it stands in the text.
fn string_bytes(rest: &[u8], start: usize) -> Result<usize, Fault> {
    let block = rest.starts_with(br#"""""#);
    let mut at = if block { 3 } else { 1 };
    while let Some(byte) = rest.get(at) {
        match byte {
            b'\\' if block && rest[at..].starts_with(br#"\""""#) => at += 4,
            b'"' if block && rest[at..].starts_with(br#"""""#) => return Ok(at + 3),
            b'\\' if !block => at += 2,
            b'"' if !block => return Ok(at + 1),
            b'\n' | b'\r' if !block => break,
            _ => at += 1,
        }
    }
    Err(Fault::new(start, "a string has no end"))
}
