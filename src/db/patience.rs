//! Patience with a database that is out of reach for a moment: whoever has begun to show a stream reads again, instead of ending it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::{ErrorCode, Result};

/// How long an open stream waits for the database.
pub const STREAM_PATIENCE: Duration = Duration::from_secs(60);
/// From one try to the next: at first, and at most.
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// Reads, again and again while the database is out of reach, until so much time is over.
pub async fn patiently<T, R: Future<Output = Result<T>>>(patience: Duration, read: impl Fn() -> R) -> Result<T> {
    let (begun, mut wait) = (Instant::now(), RETRY_MIN);
    loop {
        match read().await {
            Err(error) if error.code == ErrorCode::Unavailable && begun.elapsed() + wait < patience => {
                tracing::debug!(?error, "a stream waits for the database");
                sleep(wait).await;
                wait = (wait * 2).min(RETRY_MAX);
            }
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::error::Error;

    #[tokio::test(start_paused = true)]
    async fn who_is_patient_reads_again_until_the_time_is_over() {
        let tries = Cell::new(0);
        let away = || async {
            tries.set(tries.get() + 1);
            Err::<(), _>(Error::unavailable("away"))
        };
        let begun = Instant::now();
        assert!(patiently(STREAM_PATIENCE, away).await.is_err());
        assert!(begun.elapsed() > STREAM_PATIENCE - 2 * RETRY_MAX && begun.elapsed() < STREAM_PATIENCE);
        assert!(tries.replace(0) > 60);
        assert!(patiently(Duration::ZERO, away).await.is_err());
        assert_eq!(tries.get(), 1);
        let back = || async { if tries.replace(tries.get() + 1) < 5 { away().await } else { Ok(()) } };
        assert!(patiently(STREAM_PATIENCE, back).await.is_ok());
        let refused = || async { Err::<(), _>(Error::not_found("a row")) };
        let begun = Instant::now();
        assert!(patiently(STREAM_PATIENCE, refused).await.is_err());
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
