//! PostgreSQL: one pool for reads and writes; a write runs to its end even when its caller has gone.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, Object, Pool, RecycleError, RecycleResult};
use diesel::sql_types::{Bool, Text};
use diesel_async::pooled_connection::PoolableConnection as _;
use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::error::Elapsed;

use super::counters::Counters;
use super::faults::{self, Faults};
use crate::error::{Error, ErrorCode, Result};

/// What a store function runs on.
pub type Conn = AsyncPgConnection;
/// What its queries are written for.
pub type Backend = diesel::pg::Pg;

/// This database's clock, as an SQL expression.
pub const NOW: &str = "now()";
/// What times are counted in, for one millisecond.
pub const MILLISECOND: &str = "INTERVAL '1 millisecond'";
/// Whether the lease of turn `t` is over, for owner `$1` who holds for `$2` milliseconds: its own turns it takes again only after another lease,
/// since it would rather prolong them.
pub const LEASE_IS_OVER: &str = "t.lease_until < now() \
     AND (t.owner IS NULL OR t.owner <> $1 OR t.lease_until < now() - $2 * INTERVAL '1 millisecond')";
/// A row that another replica is claiming is passed over.
pub const SKIP_LOCKED: &str = "FOR UPDATE SKIP LOCKED";

/// Connections open at once.
const CONNECTIONS_MAX: usize = 16;
/// How long a caller waits for a free connection, and for a new one to be made.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How long a read, or a write as a whole, may take: a server that is cut off answers nothing at all.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long a connection that something went wrong on has to show that it is alive.
const PROBE_MAX: Duration = Duration::from_secs(1);
/// What the server does to a transaction whose client has gone silent in the middle: its locks would hold up everybody else.
const SESSION: &str = "SET idle_in_transaction_session_timeout = '10s'";
/// How soon the kernel finds out that nobody is at the other end, in seconds. What a URL says itself wins.
const SOCKET: [(&str, &str); 5] = [
    ("connect_timeout", "5"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "3"),
    ("keepalives_retries", "3"),
    ("tcp_user_timeout", "10"),
];

/// One database.
#[derive(Clone)]
pub struct Database {
    pool: Pool<Connections>,
    /// Count what is asked through this handle.
    pub(super) counters: Arc<Counters>,
    /// What goes wrong, in tests.
    pub(super) faults: Option<Faults>,
}

/// What came back within the time that a statement has.
pub type Answer<R> = Result<Result<R>, Elapsed>;

impl Database {
    /// A pool for this URL; no connection is opened yet.
    pub fn open(url: &SecretString, counters: Arc<Counters>) -> Result<Self> {
        let connections = Connections { url: with_limits(url), lost_at: Mutex::default() };
        let pool = Pool::builder(connections)
            .max_size(CONNECTIONS_MAX)
            .wait_timeout(Some(WAIT_MAX))
            .create_timeout(Some(WAIT_MAX))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(Error::internal)?;
        Ok(Self { pool, counters, faults: None })
    }

    /// A connection to read with.
    pub async fn reader(&self) -> Result<Loan> {
        let mut conn = self.pool.get().await.map_err(Error::of_pool)?;
        conn.set_instrumentation(self.counters.instrumentation());
        Ok(Loan(conn))
    }

    /// Returns when the server has answered.
    pub async fn answers(&self) -> Result<()> {
        let mut conn = self.reader().await?;
        let answer = in_time(async { Ok(conn.batch_execute("SELECT 1").await?) }).await;
        conn.settle(answer).await
    }

    /// Runs `work` in one transaction and answers when it is committed.
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
        let mut conn = self.reader().await?;
        // A caller that leaves in the middle would leave an open transaction behind, so the work does not depend on it.
        let work = async move {
            let answer = in_time((*conn).transaction(async |conn: &mut Conn| work(conn).await)).await;
            conn.settle(answer).await
        };
        tokio::spawn(work).await.unwrap_or_else(|error| Err(Error::internal(error)))
    }
}

/// Waits for an answer as long as one may take.
pub async fn in_time<R>(asking: impl Future<Output = Result<R>>) -> Answer<R> {
    tokio::time::timeout(ANSWER_MAX, asking).await
}

/// A connection of the pool, as long as somebody has it.
pub struct Loan(Object<Connections>);

impl Loan {
    /// Gives the connection back with what it answered. One that is lost is thrown away, and the pool told so.
    pub async fn settle<R>(mut self, answer: Answer<R>) -> Result<R> {
        let error = match answer {
            Ok(Err(error)) if error.code.is_ours() => error,
            Ok(settled) => return settled,
            Err(_) => {
                self.throw_away();
                return Err(Error::unavailable("the database did not answer in time"));
            }
        };
        // A server that stops says so in words of its own language, so it is asked whether it is still there.
        let probe = tokio::time::timeout(PROBE_MAX, self.0.batch_execute(""));
        if matches!(probe.await, Ok(Ok(()))) {
            return Err(error);
        }
        self.throw_away();
        Err(if error.code == ErrorCode::Unavailable { error } else { Error::unavailable(error) })
    }

    fn throw_away(self) {
        if let Some(pool) = Object::pool(&self.0) {
            *pool.manager().lost_at() = Some(Instant::now());
        }
        drop(Object::take(self.0));
    }
}

impl Deref for Loan {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.0
    }
}

impl DerefMut for Loan {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.0
    }
}

/// The URL with limits for its sockets.
pub fn with_limits(url: &SecretString) -> SecretString {
    let mut url = url.expose_secret().to_owned();
    for (name, value) in SOCKET {
        if !url.contains(&format!("{name}=")) {
            let sign = if url.contains('?') { '&' } else { '?' };
            url.push_str(&format!("{sign}{name}={value}"));
        }
    }
    url.into()
}

/// Whether a row's `tags` hold `tag`.
pub fn has_tag(column: &'static str, tag: String) -> super::TagFilter {
    diesel::dsl::sql::<Bool>(&format!("{column} @> ARRAY[")).bind::<Text, _>(tag).sql("]")
}

/// Makes the pool's connections.
pub struct Connections {
    url: SecretString,
    /// When one was lost last. Those that are older are not trusted: most often they were lost in the same moment.
    lost_at: Mutex<Option<Instant>>,
}

impl Connections {
    fn lost_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.lost_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl managed::Manager for Connections {
    type Type = Conn;
    type Error = Error;

    async fn create(&self) -> Result<Conn> {
        let mut conn = Conn::establish(self.url.expose_secret()).await.map_err(Error::unavailable)?;
        conn.batch_execute(SESSION).await.map_err(Error::unavailable)?;
        Ok(conn)
    }

    // No query here: one for each checkout would halve the reads per second.
    async fn recycle(&self, conn: &mut Conn, metrics: &Metrics) -> RecycleResult<Error> {
        if conn.is_broken() {
            return Err(RecycleError::message("the connection is gone, or a transaction was left open"));
        }
        if self.lost_at().is_some_and(|lost_at| metrics.created <= lost_at) {
            return Err(RecycleError::message("the connection is older than one that was lost"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_limits_its_sockets_itself_is_left_alone() {
        let with = |url: &str| with_limits(&url.to_owned().into()).expose_secret().to_owned();
        let whole =
            "?connect_timeout=5&keepalives_idle=10&keepalives_interval=3&keepalives_retries=3&tcp_user_timeout=10";
        assert_eq!(with("postgres://host/name"), format!("postgres://host/name{whole}"));
        let own = "postgres://host/name?tcp_user_timeout=60&connect_timeout=1";
        assert_eq!(with(own), format!("{own}&keepalives_idle=10&keepalives_interval=3&keepalives_retries=3"));
    }
}
