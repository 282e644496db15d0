//! How turns are kept. Every write of a running turn names its epoch: who has lost the turn writes nothing.

use std::sync::LazyLock;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;

use super::backend::{self, Conn};
use super::events as event_store;
use crate::clock::Timestamp;
use crate::db::ids::Id;
use crate::db::tables::{sessions, steps, turns};
use crate::db::types::TimestampSql;
use crate::error::{Error, Result};
use crate::events::{Event, EventKind};
use crate::page::Page;
use crate::sessions::SessionStatus;
use crate::turns::{Claim, Claimed, Step, StepStatus, Turn, TurnStatus};

/// Takes a turn whose owner was lost, or the one that has waited longest and whose session is free. Each is found by an index of its own. On
/// PostgreSQL the session is locked with the turn, and both are passed over where somebody else holds one: every other transaction locks the
/// session first, so none can wait for the other.
static CLAIM: LazyLock<String> = LazyLock::new(|| {
    let (now, millisecond, expired, skip_locked) =
        (backend::NOW, backend::MILLISECOND, backend::LEASE_IS_OVER, backend::SKIP_LOCKED);
    let of_session = "r.organization_id = t.organization_id AND r.session_id = t.session_id";
    let candidate = |condition: &str, order: &str| {
        format!(
            "SELECT * FROM (SELECT t.organization_id, t.id FROM turns t \
             JOIN sessions s ON s.organization_id = t.organization_id AND s.id = t.session_id \
             WHERE {condition} ORDER BY {order} LIMIT 1 {skip_locked}) c"
        )
    };
    let lost = candidate(&format!("t.status = 'running' AND {expired}"), "t.lease_until");
    let free = format!(
        "t.status = 'queued' AND NOT EXISTS (SELECT 1 FROM turns r WHERE {of_session} AND r.status = 'running') \
         AND NOT EXISTS (SELECT 1 FROM turns r WHERE {of_session} AND r.status = 'queued' AND r.message_sequence < t.message_sequence)"
    );
    let waiting = candidate(&free, "t.created_at, t.message_sequence");
    format!(
        "UPDATE turns SET status = 'running', owner = $1, lease_until = {now} + $2 * {millisecond}, attempts = attempts + 1, \
         epoch = (SELECT s.epoch + 1 FROM sessions s WHERE s.organization_id = turns.organization_id AND s.id = turns.session_id), \
         started_at = COALESCE(started_at, {now}) \
         WHERE (organization_id, id) = (SELECT organization_id, id FROM ({lost} UNION ALL {waiting}) candidates LIMIT 1) RETURNING *"
    )
});

/// The system prompt of a session's agent.
const SYSTEM_PROMPT: &str = "(SELECT a.system_prompt FROM agents a WHERE a.organization_id = sessions.organization_id AND a.id = sessions.agent_id)";

/// The statement of a claim, for who asks the database how it would run it; `$1` is the owner, `$2` the lease in milliseconds.
pub fn claim_statement() -> &'static str {
    CLAIM.as_str()
}

/// Claims a turn and begins its step, in one transaction; nothing where no turn waits. The first claim stores what every turn begins with.
pub async fn claim(conn: &mut Conn, claim: Claim) -> Result<Option<Claimed>> {
    let taken = diesel::sql_query(CLAIM.as_str()).bind::<Text, _>(claim.owner).bind::<BigInt, _>(claim.lease_ms);
    let Some(turn) = taken.get_result::<Turn>(conn).await.optional()? else { return Ok(None) };
    let first = turn.attempts == 1;
    let count = if first { 3 } else { 1 };
    let session = diesel::update(sessions::table.find((turn.organization_id, turn.session_id))).set((
        sessions::epoch.eq(turn.epoch),
        sessions::next_event_sequence.eq(sessions::next_event_sequence + count),
        // PostgreSQL: the end of the turn before may not have seen this one, whose message was sent in the same moment.
        sessions::status.eq(SessionStatus::Running),
        sessions::finished_at.eq(None::<Timestamp>),
        sessions::started_at.eq(sql("COALESCE(started_at, ").bind::<TimestampSql, _>(Timestamp::now()).sql(")")),
    ));
    let session = session.returning((sql::<Text>(SYSTEM_PROMPT), sessions::next_event_sequence));
    let (system_prompt, next): (String, i64) = session.get_result(conn).await?;
    let mut step = Step::running(turn.organization_id, turn.session_id, turn.id, claim.model);
    step.attempt = turn.attempts;
    step.started_sequence = next - 1;
    let events = first_events(&turn, &step, first);
    event_store::append(conn, &events).await?;
    if !first {
        abandon_steps(conn, &turn).await?;
    }
    diesel::insert_into(steps::table).values(&step).execute(conn).await?;
    Ok(Some(Claimed { turn, step, system_prompt, events }))
}

fn first_events(turn: &Turn, step: &Step, first: bool) -> Vec<Event> {
    let event = |kind, sequence| Event { sequence, ..Event::new(turn.organization_id, turn.session_id, turn.id, kind) };
    let begun = step.started_sequence;
    let started = Event { step_id: Some(step.id), ..event(EventKind::StepStarted, begun) };
    if !first {
        return vec![started];
    }
    let received = Event { message_id: Some(turn.message_id), ..event(EventKind::MessageReceived, begun - 2) };
    vec![received, event(EventKind::SessionStarted, begun - 1), started]
}

async fn abandon_steps(conn: &mut Conn, turn: &Turn) -> Result<()> {
    let lost = steps::table
        .filter(steps::organization_id.eq(turn.organization_id))
        .filter(steps::turn_id.eq(turn.id))
        .filter(steps::status.eq(StepStatus::Running));
    let change = (steps::status.eq(StepStatus::Abandoned), steps::finished_at.eq(Timestamp::now()));
    diesel::update(lost).set(change).execute(conn).await?;
    Ok(())
}

/// Gives up running turns so that they can be claimed at once: this owner's, or all of them where nobody else can be alive.
pub async fn release(conn: &mut Conn, owner: Option<String>) -> Result<()> {
    let lost = Timestamp::from_microseconds(0);
    let running =
        diesel::update(turns::table.filter(turns::status.eq(TurnStatus::Running))).set(turns::lease_until.eq(lost));
    match owner {
        Some(owner) => running.filter(turns::owner.eq(owner)).execute(conn).await?,
        None => running.execute(conn).await?,
    };
    Ok(())
}

/// Holds these running turns for another `lease_ms`, where they are still this owner's.
pub async fn renew(conn: &mut Conn, owner: String, ids: Vec<Id>, lease_ms: i64) -> Result<()> {
    let (now, millisecond) = (backend::NOW, backend::MILLISECOND);
    let until = sql(&format!("{now} + ")).bind::<BigInt, _>(lease_ms).sql(&format!(" * {millisecond}"));
    let held = turns::table.filter(turns::status.eq(TurnStatus::Running)).filter(turns::owner.eq(owner));
    let renewed = diesel::update(held.filter(turns::id.eq_any(ids))).set(turns::lease_until.eq(until));
    renewed.execute(conn).await?;
    Ok(())
}

/// Stores how a turn ended.
pub async fn finish_turn(conn: &mut Conn, turn: &Turn) -> Result<()> {
    let change = (
        turns::status.eq(turn.status),
        turns::stop_reason.eq(turn.stop_reason),
        turns::error_code.eq(turn.error_code),
        turns::error_message.eq(&turn.error_message),
        turns::owner.eq(None::<String>),
        turns::lease_until.eq(None::<Timestamp>),
        turns::finished_at.eq(turn.finished_at),
    );
    let row = turns::table.find((turn.organization_id, turn.session_id, turn.message_sequence));
    // Ended already: an end whose commit went through although its answer was lost is not stored twice.
    let ours = row.filter(turns::epoch.eq(turn.epoch)).filter(turns::status.eq(TurnStatus::Running));
    let ended = diesel::update(ours).set(change).execute(conn).await?;
    if ended == 1 { Ok(()) } else { Err(Error::fenced()) }
}

/// Stores a new turn.
pub async fn create(conn: &mut Conn, turn: &Turn) -> Result<()> {
    diesel::insert_into(turns::table).values(turn).execute(conn).await?;
    Ok(())
}

/// The turn with this id.
pub async fn get(conn: &mut Conn, organization_id: Id, id: Id) -> Result<Option<Turn>> {
    let found = turns::table.filter(turns::organization_id.eq(organization_id)).filter(turns::id.eq(id));
    Ok(found.select(Turn::as_select()).get_result(conn).await.optional()?)
}

/// The turns with these ids, in any order.
pub async fn get_many(conn: &mut Conn, organization_id: Id, ids: Vec<Id>) -> Result<Vec<Turn>> {
    let found = turns::table.filter(turns::organization_id.eq(organization_id)).filter(turns::id.eq_any(ids));
    Ok(found.select(Turn::as_select()).load(conn).await?)
}

/// A page of the session's turns, oldest first.
pub async fn list(conn: &mut Conn, organization_id: Id, session_id: Id, page: &Page<i64>) -> Result<Vec<Turn>> {
    let mut query = turns::table
        .filter(turns::organization_id.eq(organization_id))
        .filter(turns::session_id.eq(session_id))
        .limit(page.limit())
        .select(Turn::as_select())
        .into_boxed();
    if let Some(after) = page.after {
        query = query.filter(turns::message_sequence.gt(after));
    }
    if let Some(before) = page.before {
        query = query.filter(turns::message_sequence.lt(before));
    }
    let query = if page.backwards {
        query.order(turns::message_sequence.desc())
    } else {
        query.order(turns::message_sequence.asc())
    };
    Ok(query.load(conn).await?)
}

/// How many turns the session has.
pub async fn count(conn: &mut Conn, organization_id: Id, session_id: Id) -> Result<i64> {
    let rows = turns::table.filter(turns::organization_id.eq(organization_id)).filter(turns::session_id.eq(session_id));
    Ok(rows.count().get_result(conn).await?)
}
