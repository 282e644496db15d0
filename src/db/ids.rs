//! Identifiers: UUIDv7 whose last four bits name the noun, so that `node(id)` is one look-up.
//!
//! The noun takes the place of four random bits at the very end: the time and the counter before them keep their order, so ids made by one
//! process sort by the moment they were made.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use async_graphql::parser::types::Field;
use async_graphql::registry::{MetaType, Registry};
use async_graphql::{ContextSelectionSet, Positioned};
use async_graphql::{InputType, InputValueError, InputValueResult, OutputType, ServerResult, Value};
use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::types::IdSql;

/// What an id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Noun {
    /// Who owns.
    Organization = 0,
    /// Who answers.
    Agent = 1,
    /// One conversation.
    Session = 2,
    /// What was said.
    Message = 3,
    /// One user message to quiet again.
    Turn = 4,
    /// One model call in a turn.
    Step = 5,
    /// One call of a tool.
    ToolCall = 6,
    /// Who signs in.
    User = 7,
    /// One sign-in.
    Login = 8,
    /// A credential of a program.
    ApiKey = 9,
    /// Where models are.
    LlmProvider = 10,
    /// One model of a provider.
    LlmModel = 11,
}

impl Noun {
    const ALL: [Self; 12] = [
        Self::Organization,
        Self::Agent,
        Self::Session,
        Self::Message,
        Self::Turn,
        Self::Step,
        Self::ToolCall,
        Self::User,
        Self::Login,
        Self::ApiKey,
        Self::LlmProvider,
        Self::LlmModel,
    ];
}

/// The id of any noun: a UUID, the same text in GraphQL, REST and the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, AsExpression, FromSqlRow)]
#[diesel(sql_type = IdSql)]
pub struct Id(pub(super) Uuid);

impl Id {
    /// A new id, later in order than every one that this process made before.
    pub fn new(noun: Noun) -> Self {
        let mut bytes = Uuid::now_v7().into_bytes();
        bytes[15] = (bytes[15] & 0xf0) | noun as u8;
        Self(Uuid::from_bytes(bytes))
    }

    /// An id that is the same everywhere: the default organization's.
    pub const fn fixed(number: u128) -> Self {
        Self(Uuid::from_u128(number))
    }

    /// What it says that it names; nothing where no noun has that number.
    pub fn noun(self) -> Option<Noun> {
        Noun::ALL.into_iter().find(|noun| *noun as u8 == self.0.as_bytes()[15] & 0x0f)
    }

    /// Reads the hyphenated text; anything else is no id.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten().map(Self)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an id: a UUID is expected"))
    }
}

// `ID` stands in every schema already, so this joins it instead of declaring a scalar of the same name.
impl InputType for Id {
    type RawValueType = Self;

    fn type_name() -> Cow<'static, str> {
        Cow::Borrowed("ID")
    }

    fn create_type_info(registry: &mut Registry) -> String {
        let name = <async_graphql::ID as InputType>::create_type_info(registry);
        // A malformed id is refused with the path of its argument, before anything runs.
        if let Some(MetaType::Scalar { is_valid, .. }) = registry.types.get_mut("ID") {
            *is_valid = Some(Arc::new(|value| matches!(value, Value::String(text) if Self::parse(text).is_some())));
        }
        name
    }

    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        match value {
            Some(Value::String(text)) => {
                Self::parse(&text).ok_or_else(|| InputValueError::custom("not an id: a UUID is expected"))
            }
            value => Err(InputValueError::expected_type(value.unwrap_or_default())),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
}

impl OutputType for Id {
    fn type_name() -> Cow<'static, str> {
        Cow::Borrowed("ID")
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <async_graphql::ID as OutputType>::create_type_info(registry)
    }

    async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        Ok(Value::String(self.to_string()))
    }
}
