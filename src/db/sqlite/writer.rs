//! The writer is a thread. It begins a transaction, runs every job that is waiting (each in a savepoint), commits once and only then answers: sixty
//! callers share one fsync.
//!
//! A job awaits nothing but its connection, which answers at once; one that would wait for anything else is refused, since it would stall every
//! writer. Where SQLite cannot write (a full disk, say) it may take the whole transaction back in the middle of a job. What the other jobs of the
//! batch did is gone with it, so all of them are told that they are not stored, and the writer goes on with the next batch.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use diesel::QueryResult;
use diesel::connection::{
    AnsiTransactionManager, SimpleConnection as _, TransactionManager as _, TransactionManagerStatus,
};
use diesel::sqlite::SqliteConnection;
use diesel_async::AsyncConnection as _;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::Conn;
use crate::db::counters::Counters;
use crate::error::{Error, Result};

/// Jobs that share one commit, at most.
const BATCH_MAX: usize = 256;

/// Something to be written.
pub(super) struct Job {
    counters: Arc<Counters>,
    work: Work,
}

type Work = Box<dyn for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Done> + Send>;

/// A job that has run.
pub(super) struct Done {
    /// Whether what it did shall be taken back.
    pub(super) is_refused: bool,
    /// Tells the caller, once it is known whether all is on disk. Dropped, it tells that nothing is.
    pub(super) answer: Box<dyn FnOnce(Result<()>) + Send>,
}

/// What runs them.
pub(super) struct Writer<O> {
    conn: Conn,
    open: O,
    counters: Arc<Counters>,
    /// Who counts on the connection at the moment.
    counted_by: Arc<Counters>,
    /// The connection is in a state that nobody knows.
    is_unsound: bool,
}

impl Job {
    pub(super) fn new(
        counters: Arc<Counters>,
        work: impl for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Done> + Send + 'static,
    ) -> Self {
        Self { counters, work: Box::new(work) }
    }
}

impl<O: Fn() -> Result<Conn>> Writer<O> {
    /// A writer on what `open` gives. Commits count for `counters`, where any of their jobs does.
    pub(super) fn new(open: O, counters: Arc<Counters>) -> Result<Self> {
        let mut conn = open()?;
        conn.set_instrumentation(counters.instrumentation());
        Ok(Self { conn, open, counted_by: counters.clone(), counters, is_unsound: false })
    }

    /// Writes until nobody is left who could hand over a job.
    pub(super) fn write_until_closed(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(BATCH_MAX);
        while queue.blocking_recv_many(&mut jobs, BATCH_MAX) > 0 {
            let batch = AssertUnwindSafe(self.commit_together(jobs.drain(..)));
            match batch.catch_unwind().now_or_never() {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => tracing::error!(?error, "writes are not stored"),
                // A job panicked or waited for something else: its transaction is in an unknown state, so is the connection.
                None | Some(Err(_)) => {
                    tracing::error!("a write was dropped in the middle, the writer starts anew");
                    self.is_unsound = true;
                }
            }
            // What did not run is dropped, which answers its callers.
            jobs.clear();
        }
    }

    async fn commit_together(&mut self, jobs: impl Iterator<Item = Job>) -> Result<()> {
        if self.is_unsound {
            let mut fresh = (self.open)()?;
            fresh.set_instrumentation(self.counted_by.instrumentation());
            self.conn = fresh;
            self.is_unsound = false;
        }
        let mut answers = Vec::new();
        let stored = self.run(jobs, &mut answers).await;
        if stored.is_err() {
            self.clean_up().await;
        }
        for answer in answers {
            answer(stored.clone());
        }
        stored
    }

    /// Runs the jobs and commits. Where anything of that fails, nothing of any of them is stored.
    async fn run(
        &mut self,
        jobs: impl Iterator<Item = Job>,
        answers: &mut Vec<Box<dyn FnOnce(Result<()>) + Send>>,
    ) -> Result<()> {
        self.control(|conn| AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")).await?;
        let mut is_counted = false;
        for Job { counters, work } in jobs {
            is_counted |= Arc::ptr_eq(&counters, &self.counters);
            self.count_for(counters);
            self.control(AnsiTransactionManager::begin_transaction).await?;
            let Done { is_refused, answer } = work(&mut self.conn).await;
            answers.push(answer);
            // Without its savepoint, the whole transaction has been taken back under the job, and this fails.
            if is_refused {
                self.control(AnsiTransactionManager::rollback_transaction).await?;
            } else {
                self.control(AnsiTransactionManager::commit_transaction).await?;
            }
        }
        if is_counted {
            self.count_for(self.counters.clone());
        }
        self.control(AnsiTransactionManager::commit_transaction).await
    }

    async fn control(
        &mut self,
        change: impl FnOnce(&mut SqliteConnection) -> QueryResult<()> + Send + 'static,
    ) -> Result<()> {
        self.conn.spawn_blocking(change).await.map_err(Error::unavailable)
    }

    fn count_for(&mut self, counters: Arc<Counters>) {
        if !Arc::ptr_eq(&counters, &self.counted_by) {
            self.conn.set_instrumentation(counters.instrumentation());
            self.counted_by = counters;
        }
    }

    /// Ends what is left of a transaction that failed. The connection stays: while it is open, so are the files that readers need beside the
    /// database, and a full disk has no room to make them again.
    async fn clean_up(&mut self) {
        let cleaned = self.control(|conn| {
            // Where the transaction was taken back already there is none to end, which is an error too.
            let _ = conn.batch_execute("ROLLBACK");
            *AnsiTransactionManager::transaction_manager_status_mut(conn) = TransactionManagerStatus::default();
            conn.batch_execute("BEGIN; ROLLBACK")
        });
        self.is_unsound = cleaned.await.is_err();
    }
}
