//! Real processes under kill -9, pauses, outages, odd clocks and bad networks. Every story ends with the one checker over the database and over
//! what every watcher saw.
//!
//! The ordinary run takes a small dose, on either database; a story of several replicas needs PostgreSQL (`TEST_DATABASE_URL`) and returns at
//! once without it. `scripts/chaos` takes the whole dose by these variables: `CHAOS_KILLS`, `CHAOS_RECONNECTS`, `CHAOS_OUTAGE_SECONDS`,
//! `CHAOS_TAKEOVERS` (with the default lease); `CHAOS_POSTGRES` gives each story a PostgreSQL of its own. Random choices follow from `CHAOS_SEED`, which is printed. Lines that begin with `chaos:` are
//! figures for that script.

mod checker;
mod clocks;
mod dose;
mod kills;
mod nats;
mod nats_faults;
mod network;
mod noticed;
mod outages;
mod pauses;
mod postgres;
pub mod processes;
mod proxy;
mod recordings;
mod replicas;
mod rows;
mod senders;
mod sharing;
mod takeovers;
mod watchers;
mod world;

use postgres::Postgres;
use tokio::task::block_in_place;
use world::World;

/// A PostgreSQL database that several replicas can share.
struct Shared {
    url: String,
    /// The server, where it is the story's own.
    _server: Option<Postgres>,
}

/// Whether this run is one on PostgreSQL: that of `TEST_DATABASE_URL`, or one of each story's own (`CHAOS_POSTGRES`).
fn is_on_postgres() -> bool {
    ["TEST_DATABASE_URL", "CHAOS_POSTGRES"].iter().any(|name| std::env::var_os(name).is_some())
}

/// A fresh database on PostgreSQL; none in a run on SQLite.
async fn shared_database() -> Option<Shared> {
    if std::env::var_os("TEST_DATABASE_URL").is_some() {
        let nowhere = tempfile::tempdir().unwrap();
        return Some(Shared { url: crate::app::database_url(&nowhere).await, _server: None });
    }
    is_on_postgres().then(|| {
        let server = block_in_place(Postgres::start);
        Shared { url: server.url_at(server.port), _server: Some(server) }
    })
}
