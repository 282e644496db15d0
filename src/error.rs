//! The one error of the server: a code from a closed list, a text that a caller may see, the input's field, and a cause that only the log sees.
//!
//! Use [`Error::bad_input`] for what the caller can mend by changing the input, [`Error::not_found`] for what an operation acts on and is not
//! there, [`Error::conflict`] for a state that forbids it, and [`Error::internal`] / [`Error::unavailable`] for our own faults, whose cause is
//! kept for the log and never shown.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use async_graphql::{Enum, ErrorExtensionValues, Value};
use deadpool::managed::PoolError;

/// The short result of every fallible function here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation was refused: `extensions.code` of every GraphQL error, `code` of every REST error. The list is closed.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The input is malformed, breaks a limit or names something unknown; `extensions.field` says which part. REST: 400 (405, 415).
    BadUserInput,
    /// Credentials are missing or not valid. REST: 401.
    Unauthenticated,
    /// The caller is known but may not do this. REST: 403.
    Forbidden,
    /// What the operation acts on does not exist or belongs to another organization. REST: 404.
    NotFound,
    /// The present state forbids the operation, for example an archived agent. REST: 409.
    Conflict,
    /// A turn is running and the caller asked not to wait. REST: 409.
    SessionBusy,
    /// The idempotency key was used with another input. REST: 409.
    IdempotencyKeyReused,
    /// The request is larger than its limit. REST: 413.
    PayloadTooLarge,
    /// Too many requests; `extensions.retryAfter` says when to try again, in seconds. REST: 429.
    RateLimited,
    /// A fault of the server; the log has the cause. REST: 500.
    InternalServerError,
    /// The server cannot do this now, for example because its database is out of reach; `extensions.retryAfter` says when to try again, in
    /// seconds. REST: 503.
    Unavailable,
}

/// When to try again what cannot be done now, in seconds.
pub const RETRY_AFTER_SECONDS: u32 = 1;

/// How the texts begin, or what they hold, by which databases say that they cannot do something now, where diesel has no kind for it. SQLite's come
/// from its own list. PostgreSQL may speak another language: then a lost connection is still found out (`db/postgres.rs`), and the rest is a fault.
const PASSING: [&str; 15] = [
    "database or disk is full",
    "disk I/O error",
    "unable to open database file",
    "database is locked",
    "database table is locked",
    "locking protocol",
    "attempt to write a readonly database",
    "terminating connection",
    "the database system is",
    "deadlock detected",
    "canceling statement due to",
    "No space left on device",
    "out of shared memory",
    "too many clients",
    "remaining connection slots",
];

/// One refusal or failure.
#[derive(Debug, Clone)]
pub struct Error {
    /// What kind it is.
    pub code: ErrorCode,
    /// What the caller reads; never holds a cause.
    pub message: Cow<'static, str>,
    /// The part of the input that is wrong, as a path in GraphQL spelling (`input.systemPrompt`).
    pub field: Option<Cow<'static, str>>,
    /// After how many seconds it is worth to try again.
    pub retry_after: Option<u32>,
    /// What the log reads.
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// The caller's input is wrong at `field`.
    pub fn bad_input(field: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(field.into()), ..Self::new(ErrorCode::BadUserInput, message) }
    }

    /// What the operation acts on (`noun`) is not there.
    pub fn not_found(noun: &'static str) -> Self {
        Self::new(ErrorCode::NotFound, format!("{noun} not found"))
    }

    /// The present state forbids the operation.
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }

    /// Credentials are missing or not valid; the text is the same whatever is wrong with them.
    pub fn unauthenticated() -> Self {
        Self::new(ErrorCode::Unauthenticated, "credentials are missing or not valid")
    }

    /// The caller is known but may not do this.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::Forbidden, message)
    }

    /// The session is at a turn and the caller asked not to wait.
    pub fn session_busy() -> Self {
        Self::new(ErrorCode::SessionBusy, "the session is busy with another turn")
    }

    /// The idempotency key stands for another change.
    pub fn key_reused() -> Self {
        let text = "the idempotency key was used with another input";
        Self { field: Some("input.idempotencyKey".into()), ..Self::new(ErrorCode::IdempotencyKeyReused, text) }
    }

    /// The caller's credential does not have this scope.
    pub fn lacks_scope(scope: &str) -> Self {
        Self::forbidden(format!("the credential lacks the scope {scope}"))
    }

    /// A fault of ours.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(ErrorCode::InternalServerError, "internal server error").caused_by(cause)
    }

    /// The server cannot do this now.
    pub fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let now = Self::new(ErrorCode::Unavailable, "the server cannot do this now, try again");
        Self { retry_after: Some(RETRY_AFTER_SECONDS), ..now }.caused_by(cause)
    }

    /// A turn is no longer its owner's: another one claimed it, or its session is gone. Never shown to a caller.
    pub fn fenced() -> Self {
        Self::new(ErrorCode::Conflict, "the turn is no longer ours")
    }

    /// A statement failed that stores a row of which there may be one: where there is one, somebody else stored it in the same moment.
    pub fn of_unique_row(error: diesel::result::Error) -> Self {
        use diesel::result::{DatabaseErrorKind, Error as Diesel};
        match error {
            Diesel::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => {
                Self::conflict("somebody else changed this in the same moment, try again")
            }
            error => error.into(),
        }
    }

    /// A pool has no connection: none could be made, or all are in use.
    pub fn of_pool(error: PoolError<Self>) -> Self {
        match error {
            PoolError::Backend(error) => error,
            error => Self::unavailable(error.to_string()),
        }
    }

    /// The cause, for the log.
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync)> {
        self.cause.as_deref()
    }

    fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), field: None, retry_after: None, cause: None }
    }

    fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(Arc::from(cause.into()));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        if is_passing(&error) { Self::unavailable(error) } else { Self::internal(error) }
    }
}

/// Whether the database could not do it now, but may do it later: nothing of the statement's transaction is stored, or nobody knows.
fn is_passing(error: &diesel::result::Error) -> bool {
    use diesel::result::{DatabaseErrorKind as Kind, Error as Diesel};
    match error {
        // The last two: transactions were in each other's way, or a server took over that has not noticed yet.
        Diesel::DatabaseError(
            Kind::ClosedConnection
            | Kind::UnableToSendCommand
            | Kind::SerializationFailure
            | Kind::ReadOnlyTransaction,
            _,
        )
        // What broke the transaction is in the log.
        | Diesel::BrokenTransactionManager => true,
        Diesel::DatabaseError(Kind::Unknown, information) => {
            PASSING.iter().any(|text| information.message().contains(text))
        }
        Diesel::RollbackErrorOnCommit { commit_error, .. } => is_passing(commit_error),
        _ => false,
    }
}

impl From<Error> for async_graphql::Error {
    fn from(error: Error) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", error.code.to_value());
        if let Some(field) = &error.field {
            extensions.set("field", field.as_ref());
        }
        if let Some(seconds) = error.retry_after {
            extensions.set("retryAfter", seconds);
        }
        Self { message: error.message.to_string(), extensions: Some(extensions), source: Some(Arc::new(error)) }
    }
}

impl ErrorCode {
    /// Whether it is no fault of the caller's.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::InternalServerError | Self::Unavailable)
    }

    /// The whole list.
    pub const ALL: [Self; 11] = [
        Self::BadUserInput,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::SessionBusy,
        Self::IdempotencyKeyReused,
        Self::PayloadTooLarge,
        Self::RateLimited,
        Self::InternalServerError,
        Self::Unavailable,
    ];

    /// The code as it stands in `extensions.code`.
    pub fn to_value(self) -> Value {
        async_graphql::resolver_utils::enum_value(self)
    }
}

#[cfg(test)]
mod tests {
    use diesel::result::{DatabaseErrorKind, Error as Diesel};

    use super::*;

    #[test]
    fn a_database_that_is_away_or_full_is_unavailable_and_one_that_refuses_a_row_is_a_fault() {
        let of = |kind, text: &str| Error::from(Diesel::DatabaseError(kind, Box::new(text.to_owned())));
        let full = of(DatabaseErrorKind::Unknown, "database or disk is full");
        assert_eq!((full.code, full.retry_after), (ErrorCode::Unavailable, Some(RETRY_AFTER_SECONDS)));
        let stopped = "terminating connection due to administrator command";
        assert_eq!(of(DatabaseErrorKind::Unknown, stopped).code, ErrorCode::Unavailable);
        assert_eq!(of(DatabaseErrorKind::ClosedConnection, "closed").code, ErrorCode::Unavailable);
        assert_eq!(of(DatabaseErrorKind::SerializationFailure, "try again").code, ErrorCode::Unavailable);
        let unstored = Diesel::RollbackErrorOnCommit {
            rollback_error: Box::new(Diesel::NotInTransaction),
            commit_error: Box::new(Diesel::DatabaseError(
                DatabaseErrorKind::Unknown,
                Box::new("disk I/O error".to_owned()),
            )),
        };
        assert_eq!(Error::from(unstored).code, ErrorCode::Unavailable);
        assert_eq!(of(DatabaseErrorKind::Unknown, "no such table: turns").code, ErrorCode::InternalServerError);
        assert_eq!(of(DatabaseErrorKind::CheckViolation, "disk I/O error").code, ErrorCode::InternalServerError);
    }
}
