//! Points in time: the database's `timestamptz` or microseconds, GraphQL's `DateTime`.

use std::time::Duration;

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;

use crate::db::types::TimestampSql;

/// A point in time in UTC, to the microsecond: RFC 3339 with `Z`, for example `2026-01-15T10:30:00.123456Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, AsExpression, FromSqlRow)]
#[diesel(sql_type = TimestampSql)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// The beginning of 1970.
    pub const EPOCH: Self = Self(jiff::Timestamp::UNIX_EPOCH);

    /// This moment, by this machine's clock.
    pub fn now() -> Self {
        Self::from_microseconds(jiff::Timestamp::now().as_microsecond()).unwrap_or(Self::EPOCH)
    }

    /// Microseconds since 1970; nothing where that is beyond the calendar (year 9999).
    pub fn from_microseconds(microseconds: i64) -> Option<Self> {
        jiff::Timestamp::from_microsecond(microseconds).ok().map(Self)
    }

    /// This long after it, or at the calendar's end where that comes first.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration).unwrap_or(jiff::Timestamp::MAX))
    }

    /// This long before it, or at the calendar's beginning where that comes first.
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration).unwrap_or(jiff::Timestamp::MIN))
    }

    /// How long from now until then; nothing where it is past.
    pub fn from_now(self) -> Duration {
        Duration::try_from(self.0.duration_since(jiff::Timestamp::now())).unwrap_or_default()
    }

    /// Microseconds since 1970.
    pub fn as_microseconds(self) -> i64 {
        self.0.as_microsecond()
    }
}

/// A point in time: RFC 3339 in UTC with `Z`, to the microsecond.
#[Scalar(name = "DateTime", specified_by_url = "https://scalars.graphql.org/andimarek/date-time.html")]
impl ScalarType for Timestamp {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => Ok(Self(text.parse().map_err(|_| InputValueError::custom("not an RFC 3339 time"))?)),
            value => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}
