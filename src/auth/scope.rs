//! What a credential may do, as four words.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

/// One thing that a credential may do. `agents:*` cover agents, capabilities, providers and models; `sessions:*` cover sessions, messages, events,
/// turns and files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    AgentsRead,
    AgentsWrite,
    SessionsRead,
    SessionsWrite,
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scope {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::AgentsRead, Self::AgentsWrite, Self::SessionsRead, Self::SessionsWrite];

    /// The word that stands for it everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AgentsRead => "agents:read",
            Self::AgentsWrite => "agents:write",
            Self::SessionsRead => "sessions:read",
            Self::SessionsWrite => "sessions:write",
        }
    }

    /// The scope that this word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Scopes {
    /// Every scope.
    pub const ALL: Self = Self(
        Scope::AgentsRead.bit() | Scope::AgentsWrite.bit() | Scope::SessionsRead.bit() | Scope::SessionsWrite.bit(),
    );

    /// Whether the set has it.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// The set's scopes, in the order in which they are shown.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | scope.bit()))
    }
}

/// What a credential may do: `agents:read`, `agents:write`, `sessions:read` or `sessions:write`. `agents:*` cover agents, capabilities, providers
/// and models; `sessions:*` cover sessions, messages, events, turns and files.
#[Scalar(name = "Scope")]
impl ScalarType for Scope {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(word) => Self::parse(word).ok_or_else(|| InputValueError::custom("not a scope")),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    // So that a word that is none is refused with the path of its argument.
    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::String(word) if Self::parse(word).is_some())
    }

    fn to_value(&self) -> Value {
        Value::String(self.as_str().to_owned())
    }
}
