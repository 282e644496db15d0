//! What replicas tell each other. Only PostgreSQL serves several, so on SQLite these tests have nothing to say and end at once; how notices are
//! merged and written is tested beside that code, everywhere.

mod nats;
mod postgres;

use std::sync::Arc;
use std::time::Duration;

use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use everruns::bus::{Bus, Heard, Notice};
use everruns::db::ids::{Id, Noun};
use everruns::db::{Counters, Store};
use secrecy::SecretString;
use tokio::sync::mpsc::Receiver;

use crate::app::{PATIENCE, database_url};

/// How often a test says again what it waits to be heard.
const AGAIN: Duration = Duration::from_millis(20);

/// A fresh PostgreSQL that replicas share; nothing where the suite runs on SQLite.
struct Shared {
    url: SecretString,
    store: Store,
}

impl Shared {
    async fn new() -> Option<Self> {
        std::env::var_os("TEST_DATABASE_URL")?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = SecretString::from(database_url(&folder).await);
        let store = Store::open(&url, Arc::new(Counters::default())).await.expect("the database opens");
        Some(Self { url, store })
    }

    /// One more replica.
    async fn replica(&self, nats_url: Option<&SecretString>) -> Replica {
        let bus = Bus::open(&self.store, &self.url, nats_url).await.expect("the bus opens");
        let heard = bus.hear();
        Replica { bus, heard }
    }

    /// Runs SQL beside the replicas.
    async fn run(&self, sql: &str) {
        let mut conn =
            AsyncPgConnection::establish(secrecy::ExposeSecret::expose_secret(&self.url)).await.expect("a connection");
        conn.batch_execute(sql).await.expect("it runs");
    }
}

/// A replica's end of the wires.
struct Replica {
    bus: Bus,
    heard: Receiver<Heard>,
}

impl Replica {
    /// The next thing that it hears.
    async fn next(&mut self) -> Heard {
        let next = tokio::time::timeout(PATIENCE, self.heard.recv()).await;
        next.expect("something is heard").expect("the bus lives")
    }

    /// Waits for this, and gives back what came before.
    async fn until(&mut self, awaited: &Heard) -> Vec<Heard> {
        let mut before = Vec::new();
        loop {
            let next = self.next().await;
            if next == *awaited {
                return before;
            }
            before.push(next);
        }
    }

    /// Lets `say` say it again and again until it is heard.
    async fn until_said(&mut self, awaited: &Heard, say: impl Fn()) -> Vec<Heard> {
        let mut again = tokio::time::interval(AGAIN);
        let heard = self.until(awaited);
        tokio::pin!(heard);
        loop {
            tokio::select! {
                before = &mut heard => return before,
                _ = again.tick() => say(),
            }
        }
    }
}

/// A notice that no other test's step tells.
fn gone() -> Notice {
    Notice::Gone { session_id: Id::new(Noun::Session) }
}
