//! How often a model is asked again that failed before it said anything, and how long to wait until then.

use std::time::Duration;

use crate::db::ids::Id;
use crate::llm::{ModelError, Retry};

/// Further tries after the first.
const RETRIES_MAX: u32 = 4;
/// At most so long is waited before the first of them where the provider asks for no other time; it doubles with each.
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(8);
/// Added at random to a time that a provider asks for: it asks everybody for the same.
const JITTER_MAX: Duration = Duration::from_millis(100);
/// The longest such time for which a turn keeps its task and its lease.
const RETRY_IN_PLACE_MAX: Duration = Duration::from_secs(10);
/// The longest after which it is worth to come back: whoever waits wants to know sooner.
const COME_BACK_MAX: Duration = Duration::from_secs(60 * 60);

/// The tries of one question to a model.
pub(super) struct Tries {
    turn_id: Id,
    failed: u32,
}

/// The end of all tries.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GivenUp {
    pub(super) error: ModelError,
    /// When the question may be asked again, where the provider says that: longer than a turn waits in its place.
    pub(super) back_after: Option<Duration>,
}

impl Tries {
    pub(super) fn of(turn_id: Id) -> Self {
        Self { turn_id, failed: 0 }
    }

    /// Counts a failure; gives back how long to wait before the next try.
    pub(super) fn failed(&mut self, error: ModelError) -> Result<Duration, GivenUp> {
        let wait = self.next(error, rand::random())?;
        tracing::warn!(turn = %self.turn_id, tries = self.failed, ?wait, "the model is asked again");
        Ok(wait)
    }

    /// The same with a random number from 0 to 1.
    fn next(&mut self, mut error: ModelError, random: f64) -> Result<Duration, GivenUp> {
        self.failed += 1;
        let (worth, after) = match error.retry {
            Retry::Never => (false, None),
            Retry::Worth { after } => (after.is_none_or(|after| after <= COME_BACK_MAX), after),
        };
        let long = after.filter(|after| worth && *after > RETRY_IN_PLACE_MAX);
        if worth && long.is_none() && self.failed <= RETRIES_MAX {
            return Ok(match after {
                Some(after) => after + JITTER_MAX.mul_f64(random),
                // From nothing to all of it, so that those who failed together do not come back together.
                None => BACKOFF_MAX.min(BACKOFF_FIRST * 2_u32.pow(self.failed - 1)).mul_f64(random),
            });
        }
        if self.failed > 1 {
            error.message.push_str(&format!(" (It was asked {} times.)", self.failed));
        }
        Err(GivenUp { error, back_after: long })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::ids::Noun;
    use crate::llm::ModelErrorCode;

    fn tries() -> Tries {
        Tries::of(Id::new(Noun::Turn))
    }

    fn error(retry: Retry) -> ModelError {
        ModelError { code: ModelErrorCode::Unavailable, message: "It failed.".into(), retry }
    }

    fn asked_to_wait(seconds: u64) -> ModelError {
        error(Retry::Worth { after: Some(Duration::from_secs(seconds)) })
    }

    #[test]
    fn the_wait_doubles_and_is_drawn_from_nothing_to_all_of_it() {
        let mut tries = [tries(), tries(), tries()];
        for expected in [500, 1_000, 2_000, 4_000] {
            let waits = [0.0, 0.5, 1.0].map(|random| Duration::from_millis(expected).mul_f64(random));
            for ((tries, random), wait) in tries.iter_mut().zip([0.0, 0.5, 1.0]).zip(waits) {
                assert_eq!(tries.next(error(Retry::Worth { after: None }), random), Ok(wait));
            }
        }
        for mut tries in tries {
            let end = tries.next(error(Retry::Worth { after: None }), 0.5).unwrap_err();
            assert_eq!((end.error.message.as_str(), end.back_after), ("It failed. (It was asked 5 times.)", None));
        }
    }

    #[test]
    fn what_another_try_would_meet_again_ends_them() {
        let end = GivenUp { error: error(Retry::Never), back_after: None };
        assert_eq!(tries().next(error(Retry::Never), 0.5), Err(end));
    }

    #[test]
    fn the_time_that_a_provider_asks_for_is_waited_for_and_a_little_more() {
        let mut tries = tries();
        assert_eq!(tries.next(asked_to_wait(10), 0.0), Ok(Duration::from_secs(10)));
        assert_eq!(tries.next(asked_to_wait(0), 1.0), Ok(JITTER_MAX));
    }

    #[test]
    fn a_long_time_is_told_and_a_very_long_one_is_none() {
        for (seconds, back_after) in [(11, Some(11)), (3_600, Some(3_600)), (3_601, None)] {
            let end = tries().next(asked_to_wait(seconds), 0.5).unwrap_err();
            assert_eq!(end.back_after, back_after.map(Duration::from_secs));
        }
    }
}
