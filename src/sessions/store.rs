//! How sessions are kept.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::agents;
use super::backend::{self, Conn};
use super::idempotency;
use super::llm::check_named;
use crate::clock::Timestamp;
use crate::db::ids::Id;
use crate::db::tables::sessions;
use crate::db::types::Tags;
use crate::error::{Error, Result};
use crate::idempotency::{Made, Once};
use crate::page::Page;
use crate::sessions::{Session, SessionFilter, UpdateSessionInput};
use crate::validate::given;

/// Stores a new session of an active agent.
pub async fn create(conn: &mut Conn, session: Session, once: Option<Once>) -> Result<Made<Session>> {
    if let Some(id) = idempotency::begin(conn, session.organization_id, once, session.id).await? {
        return Made::before(get(conn, session.organization_id, id, None).await?, "session");
    }
    let agent = agents::get(conn, session.organization_id, session.agent_id).await?;
    agent.ok_or_else(|| Error::not_found("agent"))?.check_active()?;
    check_named(conn, session.organization_id, session.model_id, "input.modelId").await?;
    diesel::insert_into(sessions::table).values(&session).execute(conn).await?;
    Ok(Made::now(session))
}

/// The session with this id, of this agent where one is named.
pub async fn get(conn: &mut Conn, organization_id: Id, id: Id, agent_id: Option<Id>) -> Result<Option<Session>> {
    let found =
        sessions::table.find((organization_id, id)).select(Session::as_select()).get_result(conn).await.optional()?;
    Ok(found.filter(|session| agent_id.is_none_or(|agent_id| session.agent_id == agent_id)))
}

/// The sessions with these ids, in any order.
pub async fn get_many(conn: &mut Conn, organization_id: Id, ids: Vec<Id>) -> Result<Vec<Session>> {
    let found = sessions::table.filter(sessions::organization_id.eq(organization_id)).filter(sessions::id.eq_any(ids));
    Ok(found.select(Session::as_select()).load(conn).await?)
}

/// A page of sessions, newest first.
pub async fn list(
    conn: &mut Conn,
    organization_id: Id,
    filter: SessionFilter,
    page: &Page<Id>,
) -> Result<Vec<Session>> {
    let mut query = matching(organization_id, filter).limit(page.limit()).select(Session::as_select());
    // Newest first: after a cursor stand the older ones.
    if let Some(after) = page.after {
        query = query.filter(sessions::id.lt(after));
    }
    if let Some(before) = page.before {
        query = query.filter(sessions::id.gt(before));
    }
    let query = if page.backwards { query.order(sessions::id.asc()) } else { query.order(sessions::id.desc()) };
    Ok(query.load(conn).await?)
}

/// How many sessions a list has in all.
pub async fn count(conn: &mut Conn, organization_id: Id, filter: SessionFilter) -> Result<i64> {
    Ok(matching(organization_id, filter).count().get_result(conn).await?)
}

/// Changes what `input` gives.
pub async fn update(conn: &mut Conn, organization_id: Id, input: UpdateSessionInput) -> Result<Session> {
    let session =
        get(conn, organization_id, input.id, input.agent_id).await?.ok_or_else(|| Error::not_found("session"))?;
    check_named(conn, organization_id, given(input.model_id), "input.modelId").await?;
    let change = (
        Option::from(input.title).map(|title: Option<String>| sessions::title.eq(title)),
        given(input.tags).map(|tags| sessions::tags.eq(Tags(tags))),
        Option::from(input.model_id).map(|model: Option<Id>| sessions::model_id.eq(model)),
        sessions::updated_at.eq(Timestamp::now()),
    );
    let changed = diesel::update(sessions::table.find((organization_id, session.id))).set(change);
    let changed = changed.returning(Session::as_select()).get_result(conn).await.optional()?;
    changed.ok_or_else(|| Error::not_found("session"))
}

/// Deletes the session and everything in it.
pub async fn delete(conn: &mut Conn, organization_id: Id, id: Id, agent_id: Option<Id>) -> Result<()> {
    let session = get(conn, organization_id, id, agent_id).await?.ok_or_else(|| Error::not_found("session"))?;
    diesel::delete(sessions::table.find((organization_id, session.id))).execute(conn).await?;
    Ok(())
}

fn matching(organization_id: Id, filter: SessionFilter) -> sessions::BoxedQuery<'static, backend::Backend> {
    let mut query = sessions::table.filter(sessions::organization_id.eq(organization_id)).into_boxed();
    if let Some(agent_id) = filter.agent_id {
        query = query.filter(sessions::agent_id.eq(agent_id));
    }
    if let Some(status) = filter.status {
        query = query.filter(sessions::status.eq(status));
    }
    match filter.tag {
        Some(tag) => query.filter(backend::has_tag("sessions.tags", tag)),
        None => query,
    }
}
