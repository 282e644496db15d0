//! Until when the owner of a turn may show what its model says.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A turn's lease as its owner knows it, by the monotonic clock: it is over for the owner before it is over at the database, since it counts from
/// the moment at which it was asked for.
#[derive(Clone, Debug)]
pub struct Lease(Arc<Mutex<Option<Instant>>>);

impl Lease {
    /// One that was asked for at `asked`, for so long.
    pub fn new(asked: Instant, length: Duration) -> Self {
        Self(Arc::new(Mutex::new(Some(asked + length))))
    }

    /// One that is never over: nobody else can take the turn.
    pub fn endless() -> Self {
        Self(Arc::new(Mutex::new(None)))
    }

    /// Whether it has not run out by now.
    pub fn holds(&self) -> bool {
        self.until().is_none_or(|until| Instant::now() < until)
    }

    /// It was prolonged, which was asked for at `asked`.
    pub fn renew(&self, asked: Instant, length: Duration) {
        // Each field is whole at any time: a holder that panicked leaves nothing half done.
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *until = until.map(|until| until.max(asked + length));
    }

    /// Whether this is that very lease, not one that is like it.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn until(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
