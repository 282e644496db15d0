//! Why a turn goes no further, and what is told of it.

use std::time::Duration;

use super::retry::GivenUp;
use crate::error::Error;
use crate::events::TurnErrorCode;
use crate::llm::{ModelError, ModelErrorCode};
use crate::turns::{Stop, TurnError};

/// Claims in a row of a turn that led to nothing: the next one ends it.
pub(super) const FRUITLESS_CLAIMS_MAX: i64 = 3;

/// Why a turn goes no further.
pub(super) enum End {
    Cancelled,
    Failed(TurnError),
    /// Another one has it, or its session is gone.
    Lost,
    /// The model wants to be left alone for so long; where it has been often enough, this is how the turn ends.
    Waits(Duration, TurnError),
}

/// Of a turn that was claimed too often.
pub(super) fn no_progress() -> TurnError {
    TurnError {
        code: TurnErrorCode::NoProgress,
        message: format!(
            "The answer was begun {FRUITLESS_CLAIMS_MAX} times in a row and came no further. Send the message again."
        ),
    }
}

/// Of a fault of ours, whose cause the log has.
pub(super) fn internal() -> TurnError {
    TurnError {
        code: TurnErrorCode::Internal,
        message: "The server failed to answer this message. Send it again.".into(),
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        tracing::error!(?error, "a turn fails");
        Self::Failed(internal())
    }
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Asked => Self::Cancelled,
            Stop::Lost => Self::Lost,
        }
    }
}

impl From<TurnError> for End {
    fn from(error: TurnError) -> Self {
        Self::Failed(error)
    }
}

impl From<GivenUp> for End {
    fn from(GivenUp { error, back_after }: GivenUp) -> Self {
        match back_after {
            Some(after) => Self::Waits(after, error.into()),
            None => Self::Failed(error.into()),
        }
    }
}

impl From<ModelError> for TurnError {
    fn from(error: ModelError) -> Self {
        let code = match error.code {
            ModelErrorCode::Unavailable => TurnErrorCode::ModelUnavailable,
            ModelErrorCode::Refused => TurnErrorCode::ModelRefused,
            ModelErrorCode::Cut => TurnErrorCode::ModelCut,
            ModelErrorCode::ContextTooLong => TurnErrorCode::ContextTooLong,
        };
        Self { code, message: error.message }
    }
}
