//! Brings a database to the newest shape, at start. Both databases take the same steps, each in its own words.

use std::path::Path;

use diesel_async::{AsyncConnection as _, AsyncMigrationHarness, AsyncPgConnection, SimpleAsyncConnection as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use secrecy::{ExposeSecret as _, SecretString};

use super::{postgres, sqlite};
use crate::error::{Error, Result};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// The lock that replicas which start at once queue for: any number that nobody else uses.
const MIGRATION_LOCK: i64 = 0x0065_7672_7275_6e73;

/// Migrates the file, made where it is missing.
pub(super) fn run_on_sqlite(path: &Path) -> Result<()> {
    let mut conn = sqlite::connect_to_migrate(path)?;
    conn.run_pending_migrations(SQLITE).map_err(Error::internal)?;
    Ok(())
}

/// Migrates the database behind `url`, one process at a time.
pub(super) async fn run_on_postgres(url: &SecretString) -> Result<()> {
    let url = postgres::with_limits(url);
    let mut conn = AsyncPgConnection::establish(url.expose_secret()).await.map_err(Error::unavailable)?;
    // Held by the connection, so it is given back however this ends.
    conn.batch_execute(&format!("SELECT pg_advisory_lock({MIGRATION_LOCK})")).await?;
    // The harness blocks its thread while it waits for the database.
    let migrated = tokio::task::spawn_blocking(|| {
        AsyncMigrationHarness::new(conn).run_pending_migrations(POSTGRES).map(|_| ()).map_err(Error::internal)
    });
    migrated.await.map_err(Error::internal)?
}
