//! How turns are kept. Every write of a running turn names its epoch: who has lost the turn writes nothing.

use std::sync::LazyLock;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::RunQueryDsl;

use super::backend::{self, Conn};
use super::events as event_store;
use super::tool_store::{completed_steps, open_calls};
use crate::clock::Timestamp;
use crate::db::ids::Id;
use crate::db::tables::{sessions, steps, turns};
use crate::db::types::{IdSql, TimestampSql};
use crate::error::{Error, Result};
use crate::events::{Event, EventKind};
use crate::llm::ModelChoices;
use crate::page::Page;
use crate::sessions::SessionStatus;
use crate::turns::{Claim, Claimed, Step, StepStatus, Turn, TurnStatus};

/// Takes a turn whose owner was lost, or the one that has waited longest and whose session is free. Each is found by an index of its own. On
/// PostgreSQL the session is locked with the turn, and both are passed over where somebody else holds one: every other transaction locks the
/// session first, so none can wait for the other.
static CLAIM: LazyLock<String> = LazyLock::new(|| {
    let (now, millisecond, skip_locked) = (backend::NOW, backend::MILLISECOND, backend::SKIP_LOCKED);
    let candidate = |(condition, order): (&str, &str)| {
        format!(
            "SELECT * FROM (SELECT t.organization_id, t.id FROM turns t \
             JOIN sessions s ON s.organization_id = t.organization_id AND s.id = t.session_id \
             WHERE {condition} ORDER BY {order} LIMIT 1 {skip_locked}) c"
        )
    };
    let (lost, waiting) =
        (candidate((&LOST, "t.lease_until")), candidate((&WAITING, "t.created_at, t.message_sequence")));
    let went_on = "EXISTS (SELECT 1 FROM steps p WHERE p.organization_id = turns.organization_id AND p.turn_id = turns.id \
         AND p.attempt = turns.attempts AND p.status = 'completed')";
    format!(
        "UPDATE turns SET status = 'running', owner = $1, lease_until = {now} + $2 * {millisecond}, attempts = attempts + 1, \
         fruitless_claims = CASE WHEN attempts > 0 AND {went_on} THEN 1 ELSE fruitless_claims + 1 END, \
         epoch = (SELECT s.epoch + 1 FROM sessions s WHERE s.organization_id = turns.organization_id AND s.id = turns.session_id), \
         started_at = COALESCE(started_at, {now}) \
         WHERE (organization_id, id) = (SELECT organization_id, id FROM ({lost} UNION ALL {waiting}) candidates LIMIT 1) RETURNING *"
    )
});

/// Whether turn `t` runs and has no owner any more; `$1` asks, who holds for `$2` milliseconds.
static LOST: LazyLock<String> = LazyLock::new(|| format!("t.status = 'running' AND {}", backend::LEASE_IS_OVER));

/// Whether turn `t` waits and its session is free for it.
static WAITING: LazyLock<String> = LazyLock::new(|| {
    let of_session = "r.organization_id = t.organization_id AND r.session_id = t.session_id";
    format!(
        "t.status = 'queued' AND NOT EXISTS (SELECT 1 FROM turns r WHERE {of_session} AND r.status = 'running') \
         AND NOT EXISTS (SELECT 1 FROM turns r WHERE {of_session} AND r.status = 'queued' AND r.message_sequence < t.message_sequence)"
    )
});

/// The lease of a turn that anybody may claim at once.
pub const GIVEN_UP: Timestamp = Timestamp::EPOCH;

/// The system prompt of a session's agent.
const SYSTEM_PROMPT: &str = "(SELECT a.system_prompt FROM agents a WHERE a.organization_id = sessions.organization_id AND a.id = sessions.agent_id)";

/// The ids of what a session's agent can do, in their order and divided by commas.
const CAPABILITY_IDS: &str = "COALESCE((SELECT string_agg(c.capability_id, ',' ORDER BY c.position) FROM agent_capabilities c \
     WHERE c.organization_id = sessions.organization_id AND c.agent_id = sessions.agent_id), '')";
/// The default model of a session's agent.
const AGENT_MODEL: &str = "(SELECT a.default_model_id FROM agents a WHERE a.organization_id = sessions.organization_id AND a.id = sessions.agent_id)";

/// The default model of a session's organization: the one that is marked, else the oldest of the marked provider. Those that do not answer are passed
/// over. Each half is found by the index of its mark.
const ORGANIZATION_MODEL: &str = "COALESCE(\
    (SELECT m.id FROM llm_models m JOIN llm_providers p ON p.organization_id = m.organization_id AND p.id = m.provider_id \
     WHERE m.organization_id = sessions.organization_id AND m.is_default AND m.status = 'active' AND p.status = 'active'), \
    (SELECT m.id FROM llm_providers p JOIN llm_models m ON m.organization_id = p.organization_id AND m.provider_id = p.id \
     WHERE p.organization_id = sessions.organization_id AND p.is_default AND m.status = 'active' AND p.status = 'active' \
     ORDER BY m.id LIMIT 1))";

/// The model that the turn's message chose; after it stand the message's sequence and a bracket.
const MESSAGE_MODEL: &str = "(SELECT m.model_id FROM messages m WHERE m.organization_id = sessions.organization_id AND m.session_id = sessions.id AND m.sequence = ";

/// The statement of a claim, for who asks the database how it would run it; `$1` is the owner, `$2` the lease in milliseconds.
pub fn claim_statement() -> &'static str {
    CLAIM.as_str()
}

/// Claims a turn and begins its step, in one transaction; nothing where no turn waits. The first claim stores what every turn begins with. A later
/// one gives up the step that a lost server was in, and begins none while tool calls are open: a step comes after their ends.
pub async fn claim(conn: &mut Conn, claim: Claim) -> Result<Option<Claimed>> {
    let taken = diesel::sql_query(CLAIM.as_str()).bind::<Text, _>(claim.owner).bind::<BigInt, _>(claim.lease_ms);
    let Some(turn) = taken.get_result::<Turn>(conn).await.optional()? else { return Ok(None) };
    let first = turn.attempts == 1;
    let session = diesel::update(sessions::table.find((turn.organization_id, turn.session_id))).set((
        sessions::epoch.eq(turn.epoch),
        sessions::next_event_sequence.eq(sessions::next_event_sequence + if first { 3 } else { 0 }),
        // PostgreSQL: the end of the turn before may not have seen this one, whose message was sent in the same moment.
        sessions::status.eq(SessionStatus::Running),
        sessions::finished_at.eq(None::<Timestamp>),
        sessions::started_at.eq(sql("COALESCE(started_at, ").bind::<TimestampSql, _>(Timestamp::now()).sql(")")),
    ));
    let words = (sql::<Text>(SYSTEM_PROMPT), sql::<Text>(CAPABILITY_IDS));
    let models = (
        sql::<Nullable<IdSql>>(MESSAGE_MODEL).bind::<BigInt, _>(turn.message_sequence).sql(")"),
        sessions::model_id,
        sql::<Nullable<IdSql>>(AGENT_MODEL),
        sql::<Nullable<IdSql>>(ORGANIZATION_MODEL),
    );
    let session = session.returning((words, models, sessions::next_event_sequence));
    let ((system_prompt, ids), (message, session, agent, organization), next): ((String, String), _, i64) =
        session.get_result(conn).await?;
    let capability_ids = ids.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect();
    let choices = ModelChoices { message, session, agent, organization };
    // What was chosen is looked up once the turn is there.
    let model = if choices.is_empty() { claim.model } else { String::new() };
    let mut step = Step::running(turn.organization_id, turn.session_id, turn.id, model);
    step.attempt = turn.attempts;
    let (mut calls, mut events) = (Vec::new(), Vec::new());
    if first {
        events = first_events(&turn, &mut step, next - 1);
        event_store::append(conn, &events).await?;
        diesel::insert_into(steps::table).values(&step).execute(conn).await?;
    } else {
        let said = abandon_steps(conn, &turn).await?;
        if turn.cancel_requested_at.is_some() {
            // Nothing more is said: what a lost server stored of its text becomes the answer.
            step.text = said;
        }
        step.step_index = completed_steps(conn, &turn).await?;
        calls = open_calls(conn, &turn).await?;
        if calls.is_empty() {
            events.push(begin_step(conn, &turn, &mut step).await?);
        }
    }
    Ok(Some(Claimed { turn, step, calls, capability_ids, system_prompt, choices, events }))
}

fn first_events(turn: &Turn, step: &mut Step, begun: i64) -> Vec<Event> {
    let event = |kind, sequence| Event { sequence, ..Event::new(turn.organization_id, turn.session_id, turn.id, kind) };
    let received = Event { message_id: Some(turn.message_id), ..event(EventKind::MessageReceived, begun - 2) };
    vec![received, event(EventKind::SessionStarted, begun - 1), step_started(turn, step, begun)]
}

/// Begins another step of a turn that is still ours; gives back its event.
async fn begin_step(conn: &mut Conn, turn: &Turn, step: &mut Step) -> Result<Event> {
    let (next, _) = take_numbers(conn, turn, (1, 0)).await?;
    let started = step_started(turn, step, next - 1);
    event_store::append(conn, std::slice::from_ref(&started)).await?;
    diesel::insert_into(steps::table).values(&*step).execute(conn).await?;
    Ok(started)
}

/// Gives a step, which begins now, its number; gives back the event of its beginning.
pub fn step_started(turn: &Turn, step: &mut Step, sequence: i64) -> Event {
    step.started_sequence = sequence;
    step.started_at = Timestamp::now();
    let event = Event::new(turn.organization_id, turn.session_id, turn.id, EventKind::StepStarted);
    Event { sequence, step_id: Some(step.id), ..event }
}

/// Takes the numbers of so many events and messages, where the turn is still ours, and with them the session's lock. Gives back the numbers that
/// come after them.
pub async fn take_numbers(conn: &mut Conn, turn: &Turn, (events, messages): (i64, i64)) -> Result<(i64, i64)> {
    let ours = sessions::table.find((turn.organization_id, turn.session_id)).filter(sessions::epoch.eq(turn.epoch));
    let taken = diesel::update(ours).set((
        sessions::next_event_sequence.eq(sessions::next_event_sequence + events),
        sessions::next_message_sequence.eq(sessions::next_message_sequence + messages),
    ));
    let numbers = taken.returning((sessions::next_event_sequence, sessions::next_message_sequence));
    numbers.get_result(conn).await.optional()?.ok_or_else(Error::fenced)
}

/// Gives back what is stored of the text of the step that was running, if one was.
async fn abandon_steps(conn: &mut Conn, turn: &Turn) -> Result<String> {
    let lost = steps::table
        .filter(steps::organization_id.eq(turn.organization_id))
        .filter(steps::turn_id.eq(turn.id))
        .filter(steps::status.eq(StepStatus::Running));
    let change = (steps::status.eq(StepStatus::Abandoned), steps::finished_at.eq(Timestamp::now()));
    let texts = diesel::update(lost).set(change).returning(steps::text).get_results(conn).await?;
    Ok(texts.into_iter().next_back().unwrap_or_default())
}

/// Gives up all turns that have an owner so that they can be claimed at once: nobody else can be alive.
pub async fn release(conn: &mut Conn) -> Result<()> {
    let running = turns::table.filter(turns::status.eq(TurnStatus::Running)).filter(turns::owner.is_not_null());
    diesel::update(running).set(turns::lease_until.eq(GIVEN_UP)).execute(conn).await?;
    Ok(())
}

/// Gives up this owner's running turns, which it leaves in good order: that they came no further is not their fault.
pub async fn hand_over(conn: &mut Conn, owner: String) -> Result<()> {
    let held = turns::table.filter(turns::status.eq(TurnStatus::Running)).filter(turns::owner.eq(owner));
    // What is given up already is not given up once more.
    let held = held.filter(turns::lease_until.gt(GIVEN_UP));
    let change = (turns::lease_until.eq(GIVEN_UP), turns::fruitless_claims.eq(turns::fruitless_claims - 1));
    diesel::update(held).set(change).execute(conn).await?;
    Ok(())
}

/// Gives up one running turn that is still ours, so that it can be claimed at once.
pub async fn give_up(conn: &mut Conn, turn: Turn) -> Result<()> {
    diesel::update(still_ours(&turn)).set(turns::lease_until.eq(GIVEN_UP)).execute(conn).await?;
    Ok(())
}

/// Lets a running turn that is still ours wait for so many milliseconds, without an owner: whoever comes first then claims it, at once where
/// somebody has asked for its end.
pub async fn wait(conn: &mut Conn, turn: Turn, milliseconds: i64) -> Result<()> {
    let (now, millisecond) = (backend::NOW, backend::MILLISECOND);
    let until = sql::<Nullable<TimestampSql>>("CASE WHEN cancel_requested_at IS NULL THEN ")
        .sql(&format!("{now} + "))
        .bind::<BigInt, _>(milliseconds)
        .sql(&format!(" * {millisecond} ELSE "))
        .bind::<TimestampSql, _>(GIVEN_UP)
        .sql(" END");
    let change = (turns::owner.eq(None::<String>), turns::lease_until.eq(until));
    let waiting = diesel::update(still_ours(&turn)).set(change).execute(conn).await?;
    if waiting == 1 { Ok(()) } else { Err(Error::fenced()) }
}

/// Holds these running turns for another `lease_ms`, where they are still this owner's and were not given up. Gives back those that were held.
pub async fn renew(conn: &mut Conn, owner: String, ids: Vec<Id>, lease_ms: i64) -> Result<Vec<Id>> {
    let (now, millisecond) = (backend::NOW, backend::MILLISECOND);
    let until = sql(&format!("{now} + ")).bind::<BigInt, _>(lease_ms).sql(&format!(" * {millisecond}"));
    let held = turns::table
        .filter(turns::status.eq(TurnStatus::Running))
        .filter(turns::owner.eq(owner))
        .filter(turns::lease_until.gt(GIVEN_UP));
    let renewed = diesel::update(held.filter(turns::id.eq_any(ids))).set(turns::lease_until.eq(until));
    Ok(renewed.returning(turns::id).get_results(conn).await?)
}

/// Whether any turn can be claimed by this owner, who would hold it for `lease_ms`, and which of its own (session and turn) somebody wants to end.
pub async fn look(conn: &mut Conn, owner: &str, lease_ms: i64) -> Result<(bool, Vec<(Id, Id)>)> {
    // One row where there is a turn, none where there is none.
    let claimable = format!(
        "SELECT COUNT(*) AS claimable FROM (SELECT 1 FROM turns t WHERE CAST($1 AS TEXT) = $1 AND CAST($2 AS BIGINT) = $2 \
         AND (({}) OR ({})) LIMIT 1) c",
        *LOST, *WAITING
    );
    let found = diesel::sql_query(claimable).bind::<Text, _>(owner).bind::<BigInt, _>(lease_ms);
    let found: Found = found.get_result(conn).await?;
    let marked = turns::table
        .filter(turns::status.eq(TurnStatus::Running))
        .filter(turns::owner.eq(owner))
        .filter(turns::cancel_requested_at.is_not_null())
        .select((turns::session_id, turns::id));
    Ok((found.claimable > 0, marked.load(conn).await?))
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = BigInt)]
    claimable: i64,
}

/// The turn's row, as long as the turn runs and is ours.
#[diesel::dsl::auto_type]
fn still_ours(turn: &Turn) -> _ {
    let key: (Id, Id, i64) = (turn.organization_id, turn.session_id, turn.message_sequence);
    let (epoch, running): (i64, TurnStatus) = (turn.epoch, TurnStatus::Running);
    turns::table.find(key).filter(turns::epoch.eq(epoch)).filter(turns::status.eq(running))
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
    // Ended already: an end whose commit went through although its answer was lost is not stored twice.
    let ended = diesel::update(still_ours(turn)).set(change).execute(conn).await?;
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

/// A page of the session's turns, oldest first; of this status where one is named.
pub async fn list(
    conn: &mut Conn,
    organization_id: Id,
    session_id: Id,
    status: Option<TurnStatus>,
    page: &Page<i64>,
) -> Result<Vec<Turn>> {
    let mut query = of_session(organization_id, session_id, status).limit(page.limit()).select(Turn::as_select());
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

/// How many turns the session has, of this status where one is named.
pub async fn count(conn: &mut Conn, organization_id: Id, session_id: Id, status: Option<TurnStatus>) -> Result<i64> {
    Ok(of_session(organization_id, session_id, status).count().get_result(conn).await?)
}

fn of_session(
    organization_id: Id,
    session_id: Id,
    status: Option<TurnStatus>,
) -> turns::BoxedQuery<'static, backend::Backend> {
    let rows = turns::table.filter(turns::organization_id.eq(organization_id)).filter(turns::session_id.eq(session_id));
    match status {
        Some(status) => rows.filter(turns::status.eq(status)).into_boxed(),
        None => rows.into_boxed(),
    }
}
