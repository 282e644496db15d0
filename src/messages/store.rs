//! How messages are kept, and the transactions that make the agent's: ending a step or a turn stores what it said.

use std::collections::HashMap;

use diesel::dsl::{case_when, exists, not};
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;

use super::backend::Conn;
use super::{events as event_store, turns as turn_store};
use crate::clock::Timestamp;
use crate::db::ids::Id;
use crate::db::tables::{messages, sessions, turns};
use crate::error::Result;
use crate::events::{Event, EventKind, StopReason};
use crate::messages::{Exchange, Message, MessageRole, Outcome};
use crate::page::Page;
use crate::sessions::SessionStatus;
use crate::turns::{Step, StepStatus, ToolCall, Turn, TurnStatus};

/// Turns of history read for a model, at most; older ones are left out.
const HISTORY_TURNS_MAX: i64 = 200;

/// Stores how a step ended that called tools: what it said as a message, then its calls, which begin. Gives back the events.
pub async fn finish_step(conn: &mut Conn, turn: Turn, mut step: Step, calls: Vec<ToolCall>) -> Result<Vec<Event>> {
    let said = i64::from(!step.text.is_empty());
    let count = i64::try_from(calls.len()).unwrap_or(i64::MAX);
    let (next_event, next_message) = turn_store::take_numbers(conn, &turn, (said + count, said)).await?;
    (step.status, step.finished_at) = (StepStatus::Completed, Some(Timestamp::now()));
    let mut events = Vec::with_capacity(calls.len() + 1);
    if said == 1 {
        events.push(say(conn, &turn, &step, next_event - count - 1, next_message - 1).await?);
    }
    let started = (next_event - count..).zip(&calls);
    events
        .extend(started.map(|(sequence, call)| turn_store::call_event(&turn, call, EventKind::ToolStarted, sequence)));
    event_store::append(conn, &events).await?;
    turn_store::finish_step(conn, &step).await?;
    turn_store::create_calls(conn, &calls).await?;
    Ok(events)
}

/// Stores how a turn's last step and with it the turn ended: the answer, the events and the session's status. Where `calls` are given, which had
/// not ended yet, their ends are stored too, and `step`, which would have come after them, is not. Gives back the events, and whether another turn
/// of the session waits.
pub async fn finish(
    conn: &mut Conn,
    mut turn: Turn,
    mut step: Step,
    calls: Vec<ToolCall>,
    outcome: Outcome,
) -> Result<(Vec<Event>, bool)> {
    let now = Timestamp::now();
    let (status, step_status, stop_reason, error) = match outcome {
        Outcome::Completed(reason) => (TurnStatus::Completed, StepStatus::Completed, Some(reason), None),
        Outcome::Cancelled => (TurnStatus::Cancelled, StepStatus::Cancelled, Some(StopReason::Cancelled), None),
        Outcome::Failed(error) => (TurnStatus::Failed, StepStatus::Failed, None, Some(error)),
    };
    let begun = calls.is_empty();
    let says = match status {
        TurnStatus::Completed => begun,
        TurnStatus::Cancelled => begun && !step.text.is_empty(),
        _ => false,
    };
    let ends = i64::try_from(calls.len()).unwrap_or(i64::MAX);
    let numbers = (ends + i64::from(says) + 1, i64::from(says));
    let (next_event, next_message) = turn_store::take_numbers(conn, &turn, numbers).await?;
    (turn.status, turn.stop_reason, turn.finished_at) = (status, stop_reason, Some(now));
    (step.status, step.finished_at) = (step_status, Some(now));
    let mut events = turn_store::end_calls(conn, &turn, &calls, next_event - numbers.0).await?;
    if says {
        events.push(say(conn, &turn, &step, next_event - 2, next_message - 1).await?);
    }
    let kind = if error.is_some() { EventKind::SessionFailed } else { EventKind::SessionCompleted };
    let (error_code, error_message) = error.map(|error| (error.code, error.message)).unzip();
    let last = Event::new(turn.organization_id, turn.session_id, turn.id, kind);
    let sequence = next_event - 1;
    events.push(Event { sequence, stop_reason, error_code, error_message: error_message.clone(), ..last });
    (turn.error_code, turn.error_message) = (error_code, error_message);
    event_store::append(conn, &events).await?;
    if begun {
        turn_store::finish_step(conn, &step).await?;
    }
    turn_store::finish_turn(conn, &turn).await?;
    let waits = settle(conn, &turn).await?;
    Ok((events, waits))
}

/// Stores what a step said as the message of this number; gives back its event, which is not stored yet.
async fn say(conn: &mut Conn, turn: &Turn, step: &Step, sequence: i64, message_sequence: i64) -> Result<Event> {
    let message = Message::of_assistant(step, message_sequence);
    diesel::insert_into(messages::table).values(&message).execute(conn).await?;
    let event = Event::new(turn.organization_id, turn.session_id, turn.id, EventKind::MessageCreated);
    let (message_id, message_sequence) = (Some(message.id), Some(message.sequence));
    Ok(Event { sequence, step_id: Some(step.id), message_id, message_sequence, ..event })
}

/// Sets the session's status after a turn: running where another waits, which it tells. A statement of its own, under the session's lock:
/// PostgreSQL then shows it every turn that was stored before.
async fn settle(conn: &mut Conn, turn: &Turn) -> Result<bool> {
    let waiting = || {
        let queued = turns::table.filter(turns::status.eq(TurnStatus::Queued));
        let of_session = queued.filter(turns::organization_id.eq(turn.organization_id));
        exists(of_session.filter(turns::session_id.eq(turn.session_id)))
    };
    let quiet = if turn.status == TurnStatus::Failed { SessionStatus::Failed } else { SessionStatus::Pending };
    let running = SessionStatus::Running.into_sql::<Text>();
    let settled = diesel::update(sessions::table.find((turn.organization_id, turn.session_id))).set((
        sessions::status.eq(case_when(waiting(), running).otherwise(quiet.into_sql::<Text>())),
        sessions::finished_at.eq(case_when(not(waiting()), turn.finished_at)),
    ));
    let status: SessionStatus = settled.returning(sessions::status).get_result(conn).await?;
    Ok(status == SessionStatus::Running)
}

/// The turns up to and with this one, oldest first, for a model to read: withdrawn ones are left out.
pub async fn history(conn: &mut Conn, turn: &Turn) -> Result<Vec<Exchange>> {
    let rows = messages::table
        .inner_join(
            turns::table.on(turns::organization_id.eq(messages::organization_id).and(turns::id.eq(messages::turn_id))),
        )
        .filter(messages::organization_id.eq(turn.organization_id))
        .filter(messages::session_id.eq(turn.session_id))
        .filter(messages::sequence.le(turn.message_sequence))
        .filter(messages::role.eq(MessageRole::User))
        .filter(messages::withdrawn_at.is_null())
        .order(messages::sequence.desc())
        .limit(HISTORY_TURNS_MAX)
        .select((Message::as_select(), Turn::as_select()));
    let mut rows: Vec<(Message, Turn)> = rows.load(conn).await?;
    rows.reverse();
    // A turn that is claimed for the first time has said nothing yet.
    let spoke = |past: &Turn| past.id != turn.id || turn.attempts > 1;
    let answered: Vec<Id> = rows.iter().filter(|(_, past)| spoke(past)).map(|(_, past)| past.id).collect();
    let (mut steps, mut calls) = (Vec::new(), Vec::new());
    if !answered.is_empty() {
        (steps, calls) = turn_store::history_of(conn, turn.organization_id, answered).await?;
    }
    let mut calls_of = HashMap::<Id, Vec<ToolCall>>::new();
    for call in calls {
        calls_of.entry(call.step_id).or_default().push(call);
    }
    let mut steps_of = HashMap::<Id, Vec<(Step, Vec<ToolCall>)>>::new();
    for step in steps {
        let calls = calls_of.remove(&step.id).unwrap_or_default();
        steps_of.entry(step.turn_id).or_default().push((step, calls));
    }
    let exchange = |(message, turn): (Message, Turn)| {
        let steps = steps_of.remove(&turn.id).unwrap_or_default();
        Exchange { message, turn, steps }
    };
    Ok(rows.into_iter().map(exchange).collect())
}

/// A page of the session's messages, oldest first.
pub async fn list(conn: &mut Conn, organization_id: Id, session_id: Id, page: &Page<i64>) -> Result<Vec<Message>> {
    let mut query = messages::table
        .filter(messages::organization_id.eq(organization_id))
        .filter(messages::session_id.eq(session_id))
        .limit(page.limit())
        .select(Message::as_select())
        .into_boxed();
    if let Some(after) = page.after {
        query = query.filter(messages::sequence.gt(after));
    }
    if let Some(before) = page.before {
        query = query.filter(messages::sequence.lt(before));
    }
    let query =
        if page.backwards { query.order(messages::sequence.desc()) } else { query.order(messages::sequence.asc()) };
    Ok(query.load(conn).await?)
}

/// How many messages the session has.
pub async fn count(conn: &mut Conn, organization_id: Id, session_id: Id) -> Result<i64> {
    let rows = messages::table
        .filter(messages::organization_id.eq(organization_id))
        .filter(messages::session_id.eq(session_id));
    Ok(rows.count().get_result(conn).await?)
}

/// The messages with these ids, in any order.
pub async fn get_many(conn: &mut Conn, organization_id: Id, ids: Vec<Id>) -> Result<Vec<Message>> {
    let found = messages::table.filter(messages::organization_id.eq(organization_id)).filter(messages::id.eq_any(ids));
    Ok(found.select(Message::as_select()).load(conn).await?)
}
