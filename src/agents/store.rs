//! How agents are kept.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::backend::{self, Conn};
use super::idempotency;
use super::llm::check_named;
use crate::agents::{Agent, AgentFilter, AgentStatus, UpdateAgentInput};
use crate::clock::Timestamp;
use crate::db::ids::Id;
use crate::db::tables::agents;
use crate::db::types::Tags;
use crate::error::Result;
use crate::idempotency::{Made, Once};
use crate::page::Page;
use crate::validate::given;

/// Stores a new agent.
pub async fn create(conn: &mut Conn, agent: Agent, once: Option<Once>) -> Result<Made<Agent>> {
    if let Some(id) = idempotency::begin(conn, agent.organization_id, once, agent.id).await? {
        return Made::before(get(conn, agent.organization_id, id).await?, "agent");
    }
    check_named(conn, agent.organization_id, agent.default_model_id, "input.defaultModelId").await?;
    diesel::insert_into(agents::table).values(&agent).execute(conn).await?;
    Ok(Made::now(agent))
}

/// The agent with this id, archived or not.
pub async fn get(conn: &mut Conn, organization_id: Id, id: Id) -> Result<Option<Agent>> {
    let found = agents::table.find((organization_id, id)).select(Agent::as_select());
    Ok(found.get_result(conn).await.optional()?)
}

/// The agents with these ids, in any order.
pub async fn get_many(conn: &mut Conn, organization_id: Id, ids: Vec<Id>) -> Result<Vec<Agent>> {
    let found = agents::table.filter(agents::organization_id.eq(organization_id)).filter(agents::id.eq_any(ids));
    Ok(found.select(Agent::as_select()).load(conn).await?)
}

/// A page of agents, newest first.
pub async fn list(conn: &mut Conn, organization_id: Id, filter: AgentFilter, page: &Page<Id>) -> Result<Vec<Agent>> {
    let mut query = matching(organization_id, filter).limit(page.limit()).select(Agent::as_select());
    // Newest first: after a cursor stand the older ones.
    if let Some(after) = page.after {
        query = query.filter(agents::id.lt(after));
    }
    if let Some(before) = page.before {
        query = query.filter(agents::id.gt(before));
    }
    let query = if page.backwards { query.order(agents::id.asc()) } else { query.order(agents::id.desc()) };
    Ok(query.load(conn).await?)
}

/// How many agents a list has in all.
pub async fn count(conn: &mut Conn, organization_id: Id, filter: AgentFilter) -> Result<i64> {
    Ok(matching(organization_id, filter).count().get_result(conn).await?)
}

/// Changes what `input` gives.
pub async fn update(conn: &mut Conn, organization_id: Id, input: UpdateAgentInput) -> Result<Option<Agent>> {
    if let Some(model_id) = given(input.default_model_id) {
        // What is changed comes before what is named.
        if get(conn, organization_id, input.id).await?.is_none() {
            return Ok(None);
        }
        check_named(conn, organization_id, Some(model_id), "input.defaultModelId").await?;
    }
    let change = (
        given(input.name).map(|name| agents::name.eq(name)),
        given(input.system_prompt).map(|prompt| agents::system_prompt.eq(prompt)),
        Option::from(input.description).map(|description: Option<String>| agents::description.eq(description)),
        given(input.tags).map(|tags| agents::tags.eq(Tags(tags))),
        given(input.status).map(|status| agents::status.eq(status)),
        Option::from(input.default_model_id).map(|model: Option<Id>| agents::default_model_id.eq(model)),
        agents::updated_at.eq(Timestamp::now()),
    );
    let changed = diesel::update(agents::table.find((organization_id, input.id))).set(change);
    Ok(changed.returning(Agent::as_select()).get_result(conn).await.optional()?)
}

/// Archives an active agent.
pub async fn archive(conn: &mut Conn, organization_id: Id, id: Id) -> Result<Option<Agent>> {
    let active = agents::table.find((organization_id, id)).filter(agents::status.eq(AgentStatus::Active));
    let change = (agents::status.eq(AgentStatus::Archived), agents::updated_at.eq(Timestamp::now()));
    let archived = diesel::update(active).set(change).returning(Agent::as_select());
    Ok(archived.get_result(conn).await.optional()?)
}

fn matching(organization_id: Id, filter: AgentFilter) -> agents::BoxedQuery<'static, backend::Backend> {
    let status = filter.status.unwrap_or(AgentStatus::Active);
    let query = agents::table.filter(agents::organization_id.eq(organization_id)).filter(agents::status.eq(status));
    match filter.tag {
        Some(tag) => query.filter(backend::has_tag("agents.tags", tag)).into_boxed(),
        None => query.into_boxed(),
    }
}
