//! How keys are kept.

use std::sync::LazyLock;

use diesel::prelude::*;
use diesel::query_dsl::methods::FilterDsl;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;

use super::backend::{self, Conn};
use crate::clock::Timestamp;
use crate::db::ids::Id;
use crate::db::tables::idempotency_keys;
use crate::db::types::{IdSql, TimestampSql};
use crate::error::{Error, Result};
use crate::idempotency::{KEPT, Once};

/// Old keys that one write takes away, at most: more than it adds, so that they do not pile up.
const FORGOTTEN_MAX: usize = 100;

/// Takes away the oldest keys of an organization. It waits for nobody: it comes while its transaction holds a key of its own.
static FORGET: LazyLock<String> = LazyLock::new(|| {
    format!(
        "DELETE FROM idempotency_keys WHERE organization_id = $1 AND key_hash IN (SELECT key_hash FROM idempotency_keys \
         WHERE organization_id = $1 AND created_at < $2 ORDER BY created_at LIMIT {FORGOTTEN_MAX} {})",
        backend::SKIP_LOCKED
    )
});

/// Begins the transaction of a change: nothing where it shall be made, and `row_id` will be its row; the id of the row where it was made before.
/// On PostgreSQL it waits for another transaction that holds the same key. Errors: IDEMPOTENCY_KEY_REUSED.
pub async fn begin(conn: &mut Conn, organization_id: Id, once: Option<Once>, row_id: Id) -> Result<Option<Id>> {
    let Some(Once { mutation, key_hash, input_hash }) = once else { return Ok(None) };
    let now = Timestamp::now();
    let outdated = now.before(KEPT);
    let row = (
        idempotency_keys::organization_id.eq(organization_id),
        idempotency_keys::key_hash.eq(&key_hash),
        idempotency_keys::mutation.eq(mutation),
        idempotency_keys::input_hash.eq(&input_hash),
        idempotency_keys::row_id.eq(row_id),
        idempotency_keys::created_at.eq(now),
    );
    let replacing = diesel::insert_into(idempotency_keys::table)
        .values(row)
        .on_conflict((idempotency_keys::organization_id, idempotency_keys::key_hash))
        .do_update()
        .set((
            idempotency_keys::mutation.eq(excluded(idempotency_keys::mutation)),
            idempotency_keys::input_hash.eq(excluded(idempotency_keys::input_hash)),
            idempotency_keys::row_id.eq(excluded(idempotency_keys::row_id)),
            idempotency_keys::created_at.eq(excluded(idempotency_keys::created_at)),
        ));
    let stored = FilterDsl::filter(replacing, idempotency_keys::created_at.lt(outdated)).execute(conn).await?;
    if stored == 1 {
        forget(conn, organization_id, outdated).await?;
        return Ok(None);
    }
    let known = idempotency_keys::table.find((organization_id, key_hash));
    let known = known.select((idempotency_keys::mutation, idempotency_keys::input_hash, idempotency_keys::row_id));
    let (its_mutation, its_input, made): (String, Vec<u8>, Id) = known.get_result(conn).await?;
    if its_mutation == mutation && its_input == input_hash { Ok(Some(made)) } else { Err(Error::key_reused()) }
}

async fn forget(conn: &mut Conn, organization_id: Id, outdated: Timestamp) -> Result<()> {
    let forget = diesel::sql_query(FORGET.as_str()).bind::<IdSql, _>(organization_id);
    forget.bind::<TimestampSql, _>(outdated).execute(conn).await?;
    Ok(())
}
