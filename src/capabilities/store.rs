//! How the capabilities of agents are kept.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::backend::Conn;
use crate::capabilities::AgentCapability;
use crate::clock::Timestamp;
use crate::db::ids::Id;
use crate::db::tables::{agent_capabilities, agents};
use crate::error::{Error, Result};

/// What these agents can do, each agent's in their order.
pub async fn list(conn: &mut Conn, organization_id: Id, agent_ids: Vec<Id>) -> Result<Vec<AgentCapability>> {
    let rows = agent_capabilities::table
        .filter(agent_capabilities::organization_id.eq(organization_id))
        .filter(agent_capabilities::agent_id.eq_any(agent_ids))
        .order((agent_capabilities::agent_id, agent_capabilities::position))
        .select((agent_capabilities::agent_id, agent_capabilities::capability_id, agent_capabilities::position));
    let rows: Vec<(Id, String, i64)> = rows.load(conn).await?;
    let row = |(agent_id, capability_id, position)| AgentCapability { agent_id, capability_id, position };
    Ok(rows.into_iter().map(row).collect())
}

/// Gives an agent these capabilities and no others.
pub async fn update(conn: &mut Conn, organization_id: Id, agent_id: Id, capability_ids: Vec<String>) -> Result<()> {
    // The agent's lock comes first: two lists that are set at once do not mix.
    let changed = diesel::update(agents::table.find((organization_id, agent_id)));
    if changed.set(agents::updated_at.eq(Timestamp::now())).execute(conn).await? == 0 {
        return Err(Error::not_found("agent"));
    }
    let old = agent_capabilities::table
        .filter(agent_capabilities::organization_id.eq(organization_id))
        .filter(agent_capabilities::agent_id.eq(agent_id));
    diesel::delete(old).execute(conn).await?;
    for (position, capability_id) in (0_i64..).zip(capability_ids) {
        let row = (
            agent_capabilities::organization_id.eq(organization_id),
            agent_capabilities::agent_id.eq(agent_id),
            agent_capabilities::capability_id.eq(capability_id),
            agent_capabilities::position.eq(position),
        );
        diesel::insert_into(agent_capabilities::table).values(row).execute(conn).await?;
    }
    Ok(())
}
