//! How events are kept.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::RunQueryDsl;

use super::backend::{Backend, Conn};
use crate::db::ids::Id;
use crate::db::tables::{events, sessions, steps};
use crate::db::types::{IdSql, TimestampSql};
use crate::error::Result;
use crate::events::{Event, EventKind};

/// Steps that lost their owner: of their text nothing is replayed.
const ABANDONED: &str = "abandoned";
/// Steps whose text is not stored yet.
const RUNNING: &str = "running";

/// Stores events that already have their numbers, in one statement.
pub async fn append(conn: &mut Conn, rows: &[Event]) -> Result<()> {
    Rows(rows).execute(conn).await?;
    Ok(())
}

/// Events from number `from` on, each with the text of the step that it started.
pub async fn replay(
    conn: &mut Conn,
    organization_id: Id,
    session_id: Id,
    from: i64,
    limit: i64,
) -> Result<Vec<(Event, Option<String>)>> {
    let text = steps::organization_id
        .eq(events::organization_id)
        .and(steps::session_id.eq(events::session_id))
        .and(steps::started_sequence.eq(events::sequence))
        .and(steps::status.ne(ABANDONED));
    let rows = events::table
        .left_join(steps::table.on(text))
        .filter(events::organization_id.eq(organization_id))
        .filter(events::session_id.eq(session_id))
        .filter(events::sequence.ge(from))
        .order(events::sequence)
        .limit(limit)
        .select((Event::as_select(), steps::text.nullable()));
    Ok(rows.load(conn).await?)
}

/// The text of the step that event `sequence` started, and whether its watchers may have seen more than that: it is running, or was abandoned.
pub async fn step_text(
    conn: &mut Conn,
    organization_id: Id,
    session_id: Id,
    sequence: i64,
) -> Result<Option<(String, bool)>> {
    let step = steps::table
        .find((organization_id, session_id, sequence))
        .select((steps::text, steps::status.eq_any([ABANDONED, RUNNING])));
    Ok(step.get_result(conn).await.optional()?)
}

/// Of each of these sessions, whose organizations stand in the same order: its id, the number of its newest event, and how many bytes of the text
/// after that are stored.
pub async fn heads(conn: &mut Conn, organization_ids: Vec<Id>, session_ids: Vec<Id>) -> Result<Vec<(Id, i64, i64)>> {
    let text_bytes = "COALESCE((SELECT CAST(octet_length(t.text) AS BIGINT) FROM steps t WHERE t.organization_id = sessions.organization_id \
         AND t.session_id = sessions.id AND t.started_sequence = sessions.next_event_sequence - 1 AND t.status <> 'abandoned'), 0)";
    let found = sessions::table
        .filter(sessions::organization_id.eq_any(organization_ids))
        .filter(sessions::id.eq_any(session_ids))
        .select((sessions::id, sessions::next_event_sequence - 1_i64, sql::<BigInt>(text_bytes)));
    Ok(found.load(conn).await?)
}

/// Stored events after number `after`, of these kinds where some are named.
pub async fn list(
    conn: &mut Conn,
    organization_id: Id,
    session_id: Id,
    after: i64,
    kinds: Option<Vec<EventKind>>,
    limit: i64,
) -> Result<Vec<Event>> {
    let mut query = events::table
        .filter(events::organization_id.eq(organization_id))
        .filter(events::session_id.eq(session_id))
        .filter(events::sequence.gt(after))
        .order(events::sequence)
        .limit(limit)
        .select(Event::as_select())
        .into_boxed();
    if let Some(kinds) = kinds {
        query = query.filter(events::kind.eq_any(kinds));
    }
    Ok(query.load(conn).await?)
}

/// An INSERT of several rows: diesel-async has none for SQLite, and this one is prepared once for each number of rows.
struct Rows<'e>(&'e [Event]);

impl QueryId for Rows<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Backend> for Rows<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO events (organization_id, session_id, sequence, kind, turn_id, step_id, message_id, message_sequence, \
             tool_call_id, stop_reason, error_code, error_message, created_at) VALUES ",
        );
        for (index, event) in self.0.iter().enumerate() {
            out.push_sql(if index == 0 { "(" } else { ", (" });
            out.push_bind_param::<IdSql, _>(&event.organization_id)?;
            out.push_sql(", ");
            out.push_bind_param::<IdSql, _>(&event.session_id)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(&event.sequence)?;
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(&event.kind)?;
            out.push_sql(", ");
            out.push_bind_param::<IdSql, _>(&event.turn_id)?;
            out.push_sql(", ");
            out.push_bind_param::<Nullable<IdSql>, _>(&event.step_id)?;
            out.push_sql(", ");
            out.push_bind_param::<Nullable<IdSql>, _>(&event.message_id)?;
            out.push_sql(", ");
            out.push_bind_param::<Nullable<BigInt>, _>(&event.message_sequence)?;
            out.push_sql(", ");
            out.push_bind_param::<Nullable<IdSql>, _>(&event.tool_call_id)?;
            out.push_sql(", ");
            out.push_bind_param::<Nullable<Text>, _>(&event.stop_reason)?;
            out.push_sql(", ");
            out.push_bind_param::<Nullable<Text>, _>(&event.error_code)?;
            out.push_sql(", ");
            out.push_bind_param::<Nullable<Text>, _>(&event.error_message)?;
            out.push_sql(", ");
            out.push_bind_param::<TimestampSql, _>(&event.created_at)?;
            out.push_sql(")");
        }
        Ok(())
    }
}
