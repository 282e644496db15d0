//! Storing what a turn has come to, however often the database is out of reach meanwhile.

use std::time::Duration;

use super::end::End;
use crate::error::{Error, ErrorCode, Result};

/// How long to wait before what could not be stored is stored again: twice as long each time.
const STORE_RETRY: Duration = Duration::from_millis(20);
const STORE_RETRY_MAX: Duration = Duration::from_secs(1);
/// How often something is stored as it is while the database refuses it for another reason: one that is restarting does so for a moment.
const STORE_TRIES: u32 = 3;

/// Stores or reads something of a turn, again and again while the database is out of reach.
pub(super) async fn stored<T, W: Future<Output = Result<T>>>(work: impl Fn() -> W) -> Result<T, End> {
    let mut tries = StoreTries::default();
    loop {
        match work().await {
            Ok(stored) => return Ok(stored),
            Err(error) if error.code == ErrorCode::Conflict => return Err(End::Lost),
            Err(error) if tries.is_another_worth(&error).await => {
                tracing::error!(?error, "a turn could not be stored or read yet");
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// What was tried in vain to store something.
#[derive(Default)]
pub(super) struct StoreTries {
    tried: u32,
    refused: u32,
}

impl StoreTries {
    /// Whether the same may be stored next time, and then waits a while: for ever while the database is out of reach.
    pub(super) async fn is_another_worth(&mut self, error: &Error) -> bool {
        self.tried += 1;
        if error.code != ErrorCode::Unavailable {
            self.refused += 1;
            if self.refused > STORE_TRIES {
                return false;
            }
        }
        let wait = STORE_RETRY.saturating_mul(1 << self.tried.min(16)).min(STORE_RETRY_MAX);
        tokio::time::sleep(wait).await;
        true
    }
}
