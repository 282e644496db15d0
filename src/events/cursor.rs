//! A place in a session's stream: which event, and how much of the text that follows it.

use std::fmt;

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

/// A place in a session's stream, `<sequence>.<offset>`. In `s.0`, s is the newest event seen (0: none). In `s.o`, s is a step.started event and o
/// the byte of its step's text after the last delta seen. Ordered as the stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// Number of an event.
    pub sequence: i64,
    /// Bytes of the text after it.
    pub offset: usize,
}

impl Cursor {
    /// Just after the event of this number.
    pub const fn after(sequence: i64) -> Self {
        Self { sequence, offset: 0 }
    }

    /// Reads `<sequence>.<offset>`: two whole numbers without signs or leading zeros.
    pub fn parse(text: &str) -> Option<Self> {
        let (sequence, offset) = text.split_once('.')?;
        let cursor = Self { sequence: sequence.parse().ok()?, offset: offset.parse().ok()? };
        // Only what we print ourselves: no sign, no zeros in front.
        (cursor.sequence >= 0 && cursor.to_string() == text).then_some(cursor)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.sequence, self.offset)
    }
}

/// A place in a session's stream: `<sequence>.<offset>`, the same text as an SSE id. Pass the last one seen as `after` to resume without hole or
/// repeat.
#[Scalar(name = "EventCursor")]
impl ScalarType for Cursor {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => Self::parse(&text)
                .ok_or_else(|| InputValueError::custom("not an event cursor: <sequence>.<offset> is expected")),
            value => Err(InputValueError::expected_type(value)),
        }
    }

    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::String(text) if Self::parse(text).is_some())
    }

    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }
}
