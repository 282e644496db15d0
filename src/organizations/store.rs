//! How organizations are kept.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::backend::Conn;
use crate::db::ids::Id;
use crate::db::tables::organizations;
use crate::error::Result;
use crate::organizations::Organization;

/// Makes the organization unless it is there.
pub async fn create_if_missing(conn: &mut Conn, organization: Organization) -> Result<()> {
    diesel::insert_into(organizations::table).values(organization).on_conflict_do_nothing().execute(conn).await?;
    Ok(())
}

/// The organization with this id.
pub async fn get(conn: &mut Conn, id: Id) -> Result<Option<Organization>> {
    Ok(organizations::table.find(id).select(Organization::as_select()).get_result(conn).await.optional()?)
}
