//! Faults that a test puts at writes: what a caller meets whose database goes away at that very moment.

use std::future;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::error::{Error, Result};

/// How a write goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteFault {
    /// UNAVAILABLE, and nothing is stored.
    Refused,
    /// UNAVAILABLE, although it is stored.
    AnswerLost,
    /// No answer ever comes: the process dies here.
    Never {
        /// Whether it is stored before.
        is_stored: bool,
    },
}

/// Asked at every write: whether it goes wrong, and how. While it takes its time, the write is held up.
pub type Faults = Arc<dyn Fn() -> BoxFuture<'static, Option<WriteFault>> + Send + Sync>;

/// Writes, or goes wrong as the test wants it.
pub(super) async fn write<R>(faults: Option<&Faults>, write: impl Future<Output = Result<R>>) -> Result<R> {
    let Some(faults) = faults else { return write.await };
    match faults().await {
        None => write.await,
        Some(WriteFault::Refused) => Err(Error::unavailable("a test refuses this write")),
        Some(WriteFault::AnswerLost) => {
            write.await?;
            Err(Error::unavailable("a test loses the answer to this write"))
        }
        Some(WriteFault::Never { is_stored }) => {
            if is_stored {
                let _ = write.await;
            }
            future::pending().await
        }
    }
}
