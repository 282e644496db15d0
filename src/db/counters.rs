//! Counts what the database is asked, so that a test can assert what an operation costs.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use diesel::connection::{Instrumentation, InstrumentationEvent};

/// Statements and commits since the start, over every connection.
#[derive(Debug, Default)]
pub struct Counters {
    statements: AtomicU64,
    commits: AtomicU64,
    is_recording: AtomicBool,
    texts: Mutex<BTreeSet<String>>,
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

    /// From now on, keeps the text of each statement that differs from the others.
    pub fn record(&self) {
        self.is_recording.store(true, Ordering::Relaxed);
    }

    /// The texts kept, without what was bound to them. Transaction control is among them.
    pub fn recorded(&self) -> BTreeSet<String> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a connection reports to.
    pub(super) fn instrumentation(self: &Arc<Self>) -> impl Instrumentation + use<> {
        let counters = self.clone();
        move |event: InstrumentationEvent<'_>| counters.count(&event)
    }

    fn count(&self, event: &InstrumentationEvent<'_>) {
        match event {
            // Transaction control is announced twice: as itself and as a statement; the first is taken back here.
            InstrumentationEvent::StartQuery { query, .. } => {
                if self.is_recording.load(Ordering::Relaxed) {
                    self.keep(&query.to_string());
                }
                self.statements.fetch_add(1, Ordering::Relaxed)
            }
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

    fn keep(&self, statement: &str) {
        // Behind the text stands what was bound.
        let text = statement.split(" -- binds:").next().unwrap_or_default();
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).insert(text.trim().to_owned());
    }
}
