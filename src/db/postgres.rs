//! PostgreSQL: one pool for reads and writes; a write runs to its end even when its caller has gone.

use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, Object, Pool, RecycleError, RecycleResult};
use diesel::sql_types::{Bool, Text};
use diesel_async::pooled_connection::PoolableConnection as _;
use diesel_async::{AsyncConnection as _, AsyncPgConnection};
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};

use super::counters::Counters;
use crate::error::{Error, Result};

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

/// One database.
#[derive(Clone)]
pub struct Database {
    pool: Pool<Connections>,
}

impl Database {
    /// A pool for this URL; no connection is opened yet.
    pub fn open(url: SecretString, counters: Arc<Counters>) -> Result<Self> {
        let pool = Pool::builder(Connections { url, counters })
            .max_size(CONNECTIONS_MAX)
            .wait_timeout(Some(WAIT_MAX))
            .create_timeout(Some(WAIT_MAX))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(Error::internal)?;
        Ok(Self { pool })
    }

    /// A connection to read with.
    pub async fn reader(&self) -> Result<Object<Connections>> {
        self.pool.get().await.map_err(|error| Error::unavailable(error.to_string()))
    }

    /// Runs `work` in one transaction and answers when it is committed.
    pub async fn write<R, F>(&self, work: F) -> Result<R>
    where
        R: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<R>> + Send + 'static,
    {
        let mut conn = self.reader().await?;
        // A caller that leaves in the middle would leave an open transaction behind, so the work does not depend on it.
        let work = async move { (*conn).transaction(async |conn: &mut Conn| work(conn).await).await };
        tokio::spawn(work).await.unwrap_or_else(|error| Err(Error::internal(error)))
    }
}

/// Whether a row's `tags` hold `tag`.
pub fn has_tag(column: &'static str, tag: String) -> super::TagFilter {
    diesel::dsl::sql::<Bool>(&format!("{column} @> ARRAY[")).bind::<Text, _>(tag).sql("]")
}

/// Makes the pool's connections.
pub struct Connections {
    url: SecretString,
    counters: Arc<Counters>,
}

impl managed::Manager for Connections {
    type Type = Conn;
    type Error = Error;

    async fn create(&self) -> Result<Conn> {
        let mut conn = Conn::establish(self.url.expose_secret()).await.map_err(Error::unavailable)?;
        conn.set_instrumentation(self.counters.instrumentation());
        Ok(conn)
    }

    // No query here: one for each checkout would halve the reads per second.
    async fn recycle(&self, conn: &mut Conn, _: &Metrics) -> RecycleResult<Error> {
        if conn.is_broken() {
            return Err(RecycleError::message("the connection is gone, or a transaction was left open"));
        }
        Ok(())
    }
}
