//! Until when the owner of a turn may show what its model says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A turn's lease as its owner knows it, by the monotonic clock: it is over for the owner before it is over at the database, since it counts from
/// the moment at which it was asked for.
#[derive(Clone, Debug)]
pub struct Lease(Arc<Mutex<Until>>);

#[derive(Clone, Copy, Debug)]
enum Until {
    Moment(Instant),
    Endless,
    Over,
}

impl Lease {
    /// One that was asked for at `asked`, for so long.
    pub fn new(asked: Instant, length: Duration) -> Self {
        Self(Arc::new(Mutex::new(Until::Moment(asked + length))))
    }

    /// One that is never over: nobody else can take the turn.
    pub fn endless() -> Self {
        Self(Arc::new(Mutex::new(Until::Endless)))
    }

    /// Whether it has not run out by now.
    pub fn holds(&self) -> bool {
        match *self.until() {
            Until::Moment(until) => Instant::now() < until,
            Until::Endless => true,
            Until::Over => false,
        }
    }

    /// It was prolonged, which was asked for at `asked`.
    pub fn renew(&self, asked: Instant, length: Duration) {
        let mut until = self.until();
        if let Until::Moment(moment) = *until {
            *until = Until::Moment(moment.max(asked + length));
        }
    }

    /// It is over for good: the turn was lost.
    pub fn end(&self) {
        *self.until() = Until::Over;
    }

    /// Whether this is that very lease, not one that is like it.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// What it holds is whole at any time: a holder that panicked leaves nothing half done.
    fn until(&self) -> MutexGuard<'_, Until> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
