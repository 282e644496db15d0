//! SQLite: many readers beside one writer (`writer`) that commits in groups.

mod writer;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::managed::{self, Metrics, Object, Pool, RecycleResult};
use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;
use diesel::sql_types::{Bool, Text};
use diesel::sqlite::SqliteConnection;
use diesel_async::AsyncConnection as _;
use diesel_async::sync_connection_wrapper::{SpawnBlocking, SyncConnectionWrapper};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use self::writer::{Done, Job, Writer};
use super::counters::Counters;
use super::faults::{self, Faults};
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
    /// Count what is asked through this handle.
    pub(super) counters: Arc<Counters>,
    /// What goes wrong, in tests.
    pub(super) faults: Option<Faults>,
    _lock: Arc<File>,
}

impl Database {
    /// Opens the file (it exists, is migrated and ours by `lock`) and starts its writer.
    pub fn open(path: &Path, lock: File, counters: Arc<Counters>) -> Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let open = {
            let path = path.to_owned();
            move || connect(&path, Role::Writer)
        };
        let writer = Writer::new(open, counters.clone())?;
        std::thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || writer.write_until_closed(queue))
            .map_err(Error::internal)?;
        let readers = Readers { path: path.to_owned() };
        let readers = Pool::builder(readers).max_size(READERS_MAX).build().map_err(Error::internal)?;
        Ok(Self { readers, jobs, counters, faults: None, _lock: Arc::new(lock) })
    }

    /// A connection that can only read.
    pub async fn reader(&self) -> Result<Object<Readers>> {
        let mut conn = self.readers.get().await.map_err(Error::of_pool)?;
        conn.set_instrumentation(self.counters.instrumentation());
        Ok(conn)
    }

    /// Returns when the file has answered.
    pub async fn answers(&self) -> Result<()> {
        // Not of a constant, for which nothing is read.
        let read = |conn: &mut SqliteConnection| conn.batch_execute("PRAGMA schema_version");
        Ok(self.reader().await?.spawn_blocking(read).await?)
    }

    /// Runs `work` in the writer's next transaction and answers when that is on disk.
    pub async fn write<R, F>(&self, work: F) -> Result<R>
    where
        R: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<R>> + Send + 'static,
    {
        faults::write(self.faults.as_ref(), self.commit(work)).await
    }

    async fn commit<R, F>(&self, work: F) -> Result<R>
    where
        R: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<R>> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let job = Job::new(self.counters.clone(), move |conn| {
            async move {
                let outcome = work(conn).await;
                let is_refused = outcome.is_err();
                let answer = move |stored: Result<()>| {
                    // The caller may be gone; its work stands all the same.
                    let _ = answer.send(stored.and(outcome));
                };
                Done { is_refused, answer: Box::new(answer) }
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

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Reader,
    Writer,
}

fn connect(path: &Path, role: Role) -> Result<Conn> {
    Ok(SyncConnectionWrapper::new(open(path, role)?))
}

fn open(path: &Path, role: Role) -> Result<SqliteConnection> {
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
}

impl managed::Manager for Readers {
    type Type = Conn;
    type Error = Error;

    async fn create(&self) -> Result<Conn> {
        connect(&self.path, Role::Reader)
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
