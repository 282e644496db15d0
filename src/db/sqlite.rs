//! SQLite: many readers beside one writer that commits in groups.
//!
//! The writer is a thread. It begins a transaction, runs every job that is waiting (each in a savepoint), commits once and only then answers:
//! sixty callers share one fsync. A job awaits nothing but its connection, which answers at once; one that would wait for anything else is
//! refused, since it would stall every writer.

use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::managed::{self, Metrics, Object, Pool, RecycleResult};
use diesel::connection::AnsiTransactionManager;
use diesel::sql_types::{Bool, Text};
use diesel::sqlite::SqliteConnection;
use diesel::{Connection as _, connection::TransactionManager as _};
use diesel_async::AsyncConnection as _;
use diesel_async::sync_connection_wrapper::{SpawnBlocking, SyncConnectionWrapper};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::counters::Counters;
use crate::error::{Error, Result};

/// What a store function runs on.
pub type Conn = SyncConnectionWrapper<SqliteConnection, Inline>;
/// What its queries are written for.
pub type Backend = diesel::sqlite::Sqlite;

/// This database's clock, as an SQL expression.
pub const NOW: &str = "CAST(unixepoch('subsec') * 1000000 AS INTEGER)";
/// What [`NOW`] and times are counted in, for one millisecond.
pub const MILLISECOND: &str = "1000";
/// Whether the lease of turn `t` is over. Nobody else can be alive, so only one that was given up, or that waits without an owner: this machine may
/// have slept.
pub const LEASE_IS_OVER: &str =
    "(t.lease_until = 0 OR (t.owner IS NULL AND t.lease_until < CAST(unixepoch('subsec') * 1000000 AS INTEGER)))";
/// One writer at a time: nothing to skip.
pub const SKIP_LOCKED: &str = "";

/// Jobs that share one commit, at most.
const BATCH_MAX: usize = 256;
/// Jobs that may wait for the writer before a caller waits to hand its own over.
const QUEUE_MAX: usize = 1024;
/// Readers open at once.
const READERS_MAX: usize = 16;
/// How long a starting server waits for one that is stopping, and how often it looks.
const LOCK_WAIT: Duration = Duration::from_secs(12);
const LOCK_RETRY: Duration = Duration::from_millis(50);
/// How long a statement waits for another process's lock, in milliseconds.
const BUSY_TIMEOUT_MS: u32 = 5_000;

/// One database file.
#[derive(Clone)]
pub struct Database {
    readers: Pool<Readers>,
    jobs: mpsc::Sender<Job>,
    _lock: Arc<File>,
}

type Job = Box<dyn for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Answer> + Send>;
type Answer = Box<dyn FnOnce(Result<()>) + Send>;

impl Database {
    /// Opens the file (it exists, is migrated and ours by `lock`) and starts its writer.
    pub fn open(path: &Path, lock: File, counters: Arc<Counters>) -> Result<Self> {
        let writer = connect(path, &counters, Role::Writer)?;
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let readers = Readers { path: path.to_owned(), counters: counters.clone() };
        let reopen = {
            let path = path.to_owned();
            move || connect(&path, &counters, Role::Writer)
        };
        std::thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || write_until_closed(writer, queue, reopen))
            .map_err(Error::internal)?;
        let readers = Pool::builder(readers).max_size(READERS_MAX).build().map_err(Error::internal)?;
        Ok(Self { readers, jobs, _lock: Arc::new(lock) })
    }

    /// A connection that can only read.
    pub async fn reader(&self) -> Result<Object<Readers>> {
        self.readers.get().await.map_err(|error| Error::unavailable(error.to_string()))
    }

    /// Runs `work` in the writer's next transaction and answers when that is on disk.
    pub async fn write<R, F>(&self, work: F) -> Result<R>
    where
        R: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<R>> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let job: Job = Box::new(move |conn| {
            async move {
                let outcome = conn.transaction(async |conn: &mut Conn| work(conn).await).await;
                Box::new(move |commit: Result<()>| {
                    // The caller may be gone; its work stands all the same.
                    let _ = answer.send(commit.and(outcome));
                }) as Answer
            }
            .boxed()
        });
        self.jobs.send(job).await.map_err(|_| Error::unavailable("the writer has stopped"))?;
        result.await.unwrap_or_else(|_| Err(Error::unavailable("the writer could not do it")))
    }
}

/// Makes the file this process's own: turns that another one is answering would be taken from it. A process that is just stopping is waited for.
pub async fn lock(path: &Path) -> Result<File> {
    let beside = path.with_added_extension("lock");
    let file = File::create(&beside).map_err(Error::internal)?;
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(_) if Instant::now() < deadline => tokio::time::sleep(LOCK_RETRY).await,
            Err(error) => {
                let path = path.display();
                return Err(Error::unavailable(format!("another server uses {path} ({error}): SQLite serves one")));
            }
        }
    }
}

/// Opens a fresh database file's connection for migrations.
pub fn connect_to_migrate(path: &Path) -> Result<SqliteConnection> {
    open(path, Role::Writer)
}

/// Whether a row's `tags` (of `table`) hold `tag`.
pub fn has_tag(column: &'static str, tag: String) -> super::TagFilter {
    diesel::dsl::sql::<Bool>(&format!("EXISTS (SELECT 1 FROM json_each({column}) WHERE value = "))
        .bind::<Text, _>(tag)
        .sql(")")
}

fn write_until_closed(mut conn: Conn, mut queue: mpsc::Receiver<Job>, reopen: impl Fn() -> Result<Conn>) {
    let mut jobs = Vec::with_capacity(BATCH_MAX);
    while queue.blocking_recv_many(&mut jobs, BATCH_MAX) > 0 {
        let batch = AssertUnwindSafe(commit_together(&mut conn, jobs.drain(..)));
        let finished = batch.catch_unwind().now_or_never();
        if !matches!(finished, Some(Ok(()))) {
            // A job panicked or waited for something else: its transaction is in an unknown state, so is the connection.
            tracing::error!("a write was dropped in the middle, the writer starts anew");
            jobs.clear();
            match reopen() {
                Ok(fresh) => conn = fresh,
                Err(error) => return tracing::error!(?error, "the writer cannot open the database again and stops"),
            }
        }
    }
}

async fn commit_together(conn: &mut Conn, jobs: impl Iterator<Item = Job>) {
    let begun =
        conn.spawn_blocking(|conn| AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")).await;
    if begun.is_err() {
        // The jobs are dropped, which answers their callers.
        return tracing::error!(?begun, "a write could not begin");
    }
    let mut answers = Vec::new();
    for job in jobs {
        answers.push(job(conn).await);
    }
    let committed = conn.spawn_blocking(AnsiTransactionManager::commit_transaction).await.map_err(Error::unavailable);
    if committed.is_err() {
        let rolled_back = conn.spawn_blocking(AnsiTransactionManager::rollback_transaction).await;
        tracing::error!(?committed, ?rolled_back, "a commit failed");
    }
    for answer in answers {
        answer(committed.clone());
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Reader,
    Writer,
}

fn connect(path: &Path, counters: &Arc<Counters>, role: Role) -> Result<Conn> {
    let mut conn = open(path, role)?;
    conn.set_instrumentation(counters.instrumentation());
    Ok(SyncConnectionWrapper::new(conn))
}

fn open(path: &Path, role: Role) -> Result<SqliteConnection> {
    use diesel::connection::SimpleConnection as _;
    let mut conn = SqliteConnection::establish(&path.to_string_lossy()).map_err(Error::unavailable)?;
    let query_only = if role == Role::Reader { "ON" } else { "OFF" };
    conn.batch_execute(&format!(
        "PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON; PRAGMA query_only = {query_only}; PRAGMA temp_store = MEMORY;"
    ))?;
    Ok(conn)
}

/// Makes the pool's readers.
pub struct Readers {
    path: PathBuf,
    counters: Arc<Counters>,
}

impl managed::Manager for Readers {
    type Type = Conn;
    type Error = Error;

    async fn create(&self) -> Result<Conn> {
        connect(&self.path, &self.counters, Role::Reader)
    }

    // A reader opens no transaction, so there is nothing that it could have left behind.
    async fn recycle(&self, _: &mut Conn, _: &Metrics) -> RecycleResult<Error> {
        Ok(())
    }
}

/// Runs a statement where it is asked for: a read of a page in memory costs less than handing it to another thread.
pub struct Inline;

impl SpawnBlocking for Inline {
    fn spawn_blocking<'a, R>(
        &mut self,
        task: impl FnOnce() -> R + Send + 'static,
    ) -> BoxFuture<'a, Result<R, Box<dyn std::error::Error + Send + Sync + 'static>>>
    where
        R: Send + 'static,
    {
        std::future::ready(Ok(task())).boxed()
    }

    fn get_runtime() -> Self {
        Self
    }
}
