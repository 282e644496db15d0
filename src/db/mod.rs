//! The database: SQLite in one file, or PostgreSQL. Queries are written once, in each noun's `store.rs`, and compiled for both.
//!
//! A store file is a module twice (`sqlite`, `postgres` in its noun's `mod.rs`); only the connection's type and a few SQL words differ, which
//! stand in [`sqlite`] and [`postgres`] here under equal names. `read!` and `commit!` pick the one that is in use: a match, no dynamic
//! dispatch. SQL stands in store files and here, nowhere else.

mod counters;
mod faults;
pub mod ids;
pub mod key_file;
mod lookups;
mod migrations;
pub mod notices;
mod patience;
pub mod postgres;
pub mod sqlite;
pub mod tables;
pub mod types;

use std::path::PathBuf;
use std::sync::Arc;

use diesel::dsl::AsExprOf;
use diesel::expression::{SqlLiteral, UncheckedBind};
use diesel::sql_types::{Bool, Text};
use secrecy::{ExposeSecret as _, SecretString};

pub use counters::Counters;
pub use faults::{Faults, WriteFault};
pub use lookups::{Loads, Lookups, lookups, store};
pub use patience::{STREAM_PATIENCE, patiently};

use crate::error::{Error, Result};

/// The database in use.
#[derive(Clone)]
pub enum Store {
    /// A file beside us, one process.
    Sqlite(sqlite::Database),
    /// A server, any number of processes.
    Postgres(postgres::Database),
}

/// A condition on a row's tags.
pub type TagFilter = SqlLiteral<Bool, UncheckedBind<SqlLiteral<Bool>, AsExprOf<String, Text>>>;

impl Store {
    /// Migrates the database that `url` names (`sqlite://PATH` or `postgres://…`) and opens it.
    pub async fn open(url: &SecretString, counters: Arc<Counters>) -> Result<Self> {
        let text = url.expose_secret();
        if let Some(path) = sqlite_path(text) {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(Error::internal)?;
            }
            let lock = sqlite::lock(&path).await?;
            migrations::run_on_sqlite(&path)?;
            return Ok(Self::Sqlite(sqlite::Database::open(&path, lock, counters)?));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            migrations::run_on_postgres(url).await?;
            return Ok(Self::Postgres(postgres::Database::open(url, counters)?));
        }
        Err(Error::bad_input("DATABASE_URL", "DATABASE_URL must begin with sqlite:// or postgres://"))
    }

    /// Returns when the database has answered a trivial question.
    pub async fn answers(&self) -> Result<()> {
        match self {
            Self::Sqlite(database) => database.answers().await,
            Self::Postgres(database) => database.answers().await,
        }
    }

    /// Whether this is a database that other processes may use at the same time.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// The same database for what the server does by itself, again and again. It is not counted: what an operation costs does not depend on when
    /// the server looks around.
    pub fn housekeeping(&self) -> Self {
        let mut store = self.clone();
        match &mut store {
            Self::Sqlite(database) => database.counters = Arc::default(),
            Self::Postgres(database) => database.counters = Arc::default(),
        }
        store
    }

    /// The same database, whose writes go wrong where this says so.
    pub fn with_faults(&self, faults: Faults) -> Self {
        let mut store = self.clone();
        match &mut store {
            Self::Sqlite(database) => database.faults = Some(faults),
            Self::Postgres(database) => database.faults = Some(faults),
        }
        store
    }
}

/// The file that a URL names, where it is one of SQLite.
fn sqlite_path(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    Some(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))
}

/// Reads: `read!(store, agents::get(organization, id))` runs that store function on a connection and gives its result.
macro_rules! read {
    ($store:expr, $noun:ident::$function:ident($($argument:expr),* $(,)?)) => {
        match $store {
            $crate::db::Store::Sqlite(database) => {
                $crate::$noun::sqlite::$function(&mut *database.reader().await?, $($argument),*).await
            }
            $crate::db::Store::Postgres(database) => {
                let mut conn = database.reader().await?;
                let answer = $crate::db::postgres::in_time($crate::$noun::postgres::$function(&mut *conn, $($argument),*)).await;
                conn.settle(answer).await
            }
        }
    };
}

/// Reads much, likewise: a scan on SQLite runs where it is asked for, so the runtime is told to move its other tasks elsewhere meanwhile.
macro_rules! scan {
    ($store:expr, $($call:tt)+) => {
        match $store {
            store @ $crate::db::Store::Sqlite(_) => tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async { $crate::db::read!(store, $($call)+) })
            }),
            store => $crate::db::read!(store, $($call)+),
        }
    };
}

/// Writes: `commit!(store, agents::create(agent))` runs that store function in a transaction and answers when it is durable. The arguments are
/// moved into it.
macro_rules! commit {
    ($store:expr, $noun:ident::$function:ident($($argument:expr),* $(,)?)) => {
        match $store {
            $crate::db::Store::Sqlite(database) => {
                database
                    .write(move |conn| Box::pin(async move { $crate::$noun::sqlite::$function(conn, $($argument),*).await }))
                    .await
            }
            $crate::db::Store::Postgres(database) => {
                database
                    .write(move |conn| Box::pin(async move { $crate::$noun::postgres::$function(conn, $($argument),*).await }))
                    .await
            }
        }
    };
}

pub(crate) use {commit, read, scan};
