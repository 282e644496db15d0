//! Counts what the database is asked, so that a test can assert what an operation costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use diesel::connection::{Instrumentation, InstrumentationEvent};

/// Statements and commits since the start, over every connection.
#[derive(Debug, Default)]
pub struct Counters {
    statements: AtomicU64,
    commits: AtomicU64,
}

impl Counters {
    /// Statements sent to the database, transaction control not counted.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Transactions committed, savepoints not counted.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// What a connection reports to.
    pub(super) fn instrumentation(self: &Arc<Self>) -> impl Instrumentation + use<> {
        let counters = self.clone();
        move |event: InstrumentationEvent<'_>| counters.count(&event)
    }

    fn count(&self, event: &InstrumentationEvent<'_>) {
        match event {
            // Transaction control is announced twice: as itself and as a statement; the first is taken back here.
            InstrumentationEvent::StartQuery { .. } => self.statements.fetch_add(1, Ordering::Relaxed),
            InstrumentationEvent::BeginTransaction { .. } | InstrumentationEvent::RollbackTransaction { .. } => {
                self.statements.fetch_sub(1, Ordering::Relaxed)
            }
            InstrumentationEvent::CommitTransaction { depth, .. } => {
                self.statements.fetch_sub(1, Ordering::Relaxed);
                if depth.get() == 1 { self.commits.fetch_add(1, Ordering::Relaxed) } else { 0 }
            }
            _ => 0,
        };
    }
}
