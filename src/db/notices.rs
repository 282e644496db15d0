//! Texts that processes on one PostgreSQL send each other, by LISTEN and NOTIFY. They may be lost; nothing is stored.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use diesel::sql_types::{Array, Text};
use diesel_async::pooled_connection::PoolableConnection as _;
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _};
use futures_util::StreamExt as _;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::{Error, Result};

/// Bytes of one text: PostgreSQL refuses more.
pub const NOTICE_BYTES_MAX: usize = 7_999;

/// How the listening connection is called in `pg_stat_activity`.
pub const LISTENER: &str = "everruns listener";

/// How long a connection may be silent before it is asked whether it is still there: one that a network lost says nothing for ever.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// How long a connection, or an answer on it, may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// A connection that hears what others send to this database.
pub struct Listener(AsyncPgConnection);

impl Listener {
    /// Connects and listens.
    pub async fn open(url: &SecretString) -> Result<Self> {
        let mut conn = connect(url).await?;
        let listen = format!("SET application_name = '{LISTENER}'; LISTEN everruns");
        in_time(async { conn.batch_execute(&listen).await.map_err(Error::unavailable) }).await?;
        Ok(Self(conn))
    }

    /// The next text. An error means that the connection is lost, and with it perhaps some texts. May be cancelled without loss.
    pub async fn next(&mut self) -> Result<String> {
        loop {
            let heard = {
                let mut texts = pin!(self.0.notifications_stream());
                tokio::time::timeout(SILENCE_MAX, texts.next()).await
            };
            match heard {
                Ok(Some(Ok(notification))) => return Ok(notification.payload),
                Ok(Some(Err(error))) => return Err(Error::unavailable(error)),
                Ok(None) => return Err(Error::unavailable("the connection was closed")),
                Err(_) => in_time(async { self.0.batch_execute("SELECT 1").await.map_err(Error::unavailable) }).await?,
            }
        }
    }
}

/// Sends texts, on a connection of its own that is made when there is something to send: one of the pool's would be missed where it is needed.
pub struct Notifier {
    url: SecretString,
    conn: Option<AsyncPgConnection>,
}

impl Notifier {
    /// Sends to the database that `url` names.
    pub fn new(url: SecretString) -> Self {
        Self { url, conn: None }
    }

    /// Sends these texts, each of at most [`NOTICE_BYTES_MAX`]. An error means that perhaps none was sent.
    pub async fn send(&mut self, texts: Vec<String>) -> Result<()> {
        // It is put back where all went well, so that one that failed or is still busy is not used again.
        let kept = self.conn.take().and_then(|mut conn| (!conn.is_broken()).then_some(conn));
        let mut conn = match kept {
            Some(conn) => conn,
            None => connect(&self.url).await?,
        };
        let query = diesel::sql_query("SELECT pg_notify('everruns', text) FROM unnest($1) AS text");
        let query = query.bind::<Array<Text>, _>(texts);
        in_time(async { query.execute(&mut conn).await.map_err(Error::unavailable) }).await?;
        self.conn = Some(conn);
        Ok(())
    }
}

/// What this database is called among all others: every process that uses it gets the same, by whatever address it came, and needs no rights for
/// it. A copy made by dump and restore is another database; one made of the files themselves is not, as long as it is not renamed.
pub async fn identity(url: &SecretString) -> Result<String> {
    let mut conn = connect(url).await?;
    let query = diesel::sql_query(IDENTITY);
    let identity: Identity = in_time(async { query.get_result(&mut conn).await.map_err(Error::unavailable) }).await?;
    Ok(identity.identity)
}

/// Its number within its server, its name and the moment of its first migration, as hexadecimal digits.
const IDENTITY: &str = "SELECT left(encode(sha256(convert_to(concat_ws(' ', oid, datname, \
    (SELECT extract(epoch FROM min(run_on)) FROM __diesel_schema_migrations)), 'UTF8')), 'hex'), 16) AS identity \
    FROM pg_database WHERE datname = current_database()";

#[derive(diesel::QueryableByName)]
struct Identity {
    #[diesel(sql_type = Text)]
    identity: String,
}

async fn connect(url: &SecretString) -> Result<AsyncPgConnection> {
    in_time(async { AsyncPgConnection::establish(url.expose_secret()).await.map_err(Error::unavailable) }).await
}

async fn in_time<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(ANSWER_MAX, work).await.unwrap_or_else(|elapsed| Err(Error::unavailable(elapsed)))
}
