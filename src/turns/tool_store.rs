//! How tool calls are kept, and what a step that calls tools leads to: their ends, and the next step.

use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::backend::Conn;
use super::events as event_store;
use super::store::{step_started, take_numbers};
use crate::db::ids::Id;
use crate::db::tables::{steps, tool_calls};
use crate::error::{Error, Result};
use crate::events::{Event, EventKind};
use crate::turns::{Step, StepStatus, ToolCall, ToolCallStatus, Turn};

/// Stores calls that begin.
pub async fn create_calls(conn: &mut Conn, calls: &[ToolCall]) -> Result<()> {
    for call in calls {
        diesel::insert_into(tool_calls::table).values(call).execute(conn).await?;
    }
    Ok(())
}

/// Stores calls that have ended, in this order, and begins `next`, the step that comes after them, where it is given: the last of its step's
/// calls are among them. Gives back the events, and the step that began.
pub async fn finish_calls(
    conn: &mut Conn,
    turn: Turn,
    calls: Vec<ToolCall>,
    next: Option<Step>,
) -> Result<(Vec<Event>, Option<Step>)> {
    let count = i64::try_from(calls.len()).unwrap_or(i64::MAX) + i64::from(next.is_some());
    let (after, _) = take_numbers(conn, &turn, (count, 0)).await?;
    let mut events = end_calls(conn, &turn, &calls, after - count).await?;
    let mut begun = None;
    if let Some(mut step) = next {
        events.push(step_started(&turn, &mut step, after - 1));
        diesel::insert_into(steps::table).values(&step).execute(conn).await?;
        begun = Some(step);
    }
    event_store::append(conn, &events).await?;
    Ok((events, begun))
}

/// Stores the ends of these calls; gives back their events, which begin with number `first` and are not stored yet.
pub async fn end_calls(conn: &mut Conn, turn: &Turn, calls: &[ToolCall], first: i64) -> Result<Vec<Event>> {
    let mut events = Vec::with_capacity(calls.len() + 1);
    for (sequence, call) in (first..).zip(calls) {
        let change = (
            tool_calls::status.eq(call.status),
            tool_calls::result.eq(&call.result),
            tool_calls::error.eq(&call.error),
            tool_calls::finished_at.eq(call.finished_at),
        );
        let row = tool_calls::table.find((call.organization_id, call.session_id, call.id));
        // Ended already: an end whose commit went through although its answer was lost is not stored twice.
        let open = row.filter(tool_calls::status.eq(ToolCallStatus::Started));
        if diesel::update(open).set(change).execute(conn).await? == 0 {
            return Err(Error::fenced());
        }
        events.push(call_event(turn, call, EventKind::ToolCompleted, sequence));
    }
    Ok(events)
}

/// The event of this number about a call.
pub fn call_event(turn: &Turn, call: &ToolCall, kind: EventKind, sequence: i64) -> Event {
    let event = Event::new(turn.organization_id, turn.session_id, turn.id, kind);
    Event { sequence, step_id: Some(call.step_id), tool_call_id: Some(call.id), ..event }
}

/// The turn's calls that have not ended, in their order.
pub async fn open_calls(conn: &mut Conn, turn: &Turn) -> Result<Vec<ToolCall>> {
    // By their steps: that is what calls are found by.
    let of_turn = steps::table
        .filter(steps::organization_id.eq(turn.organization_id))
        .filter(steps::turn_id.eq(turn.id))
        .select(steps::id);
    let found = tool_calls::table
        .filter(tool_calls::organization_id.eq(turn.organization_id))
        .filter(tool_calls::step_id.eq_any(of_turn))
        .filter(tool_calls::status.eq(ToolCallStatus::Started))
        .order(tool_calls::id);
    Ok(found.select(ToolCall::as_select()).load(conn).await?)
}

/// How many steps of the turn have ended well: the number of its next one.
pub async fn completed_steps(conn: &mut Conn, turn: &Turn) -> Result<i64> {
    let completed = steps::table
        .filter(steps::organization_id.eq(turn.organization_id))
        .filter(steps::turn_id.eq(turn.id))
        .filter(steps::status.eq(StepStatus::Completed));
    Ok(completed.count().get_result(conn).await?)
}

/// The steps of these turns, each turn's in their order, and the calls of those that called tools, each step's in their order.
pub async fn history_of(conn: &mut Conn, organization_id: Id, turn_ids: Vec<Id>) -> Result<(Vec<Step>, Vec<ToolCall>)> {
    let calls = tool_calls::table
        .filter(tool_calls::organization_id.eq(steps::organization_id))
        .filter(tool_calls::step_id.eq(steps::id));
    let found = steps::table
        .filter(steps::organization_id.eq(organization_id))
        .filter(steps::turn_id.eq_any(turn_ids))
        .order(steps::started_sequence)
        .select((Step::as_select(), exists(calls)));
    let rows: Vec<(Step, bool)> = found.load(conn).await?;
    let called: Vec<Id> = rows.iter().filter(|(_, called)| *called).map(|(step, _)| step.id).collect();
    let calls = if called.is_empty() { Vec::new() } else { tool_calls_of(conn, organization_id, called).await? };
    Ok((rows.into_iter().map(|(step, _)| step).collect(), calls))
}

/// The calls with these ids, in any order.
pub async fn tool_calls(conn: &mut Conn, organization_id: Id, ids: Vec<Id>) -> Result<Vec<ToolCall>> {
    let found =
        tool_calls::table.filter(tool_calls::organization_id.eq(organization_id)).filter(tool_calls::id.eq_any(ids));
    Ok(found.select(ToolCall::as_select()).load(conn).await?)
}

/// The calls of these steps, each step's in their order.
pub async fn tool_calls_of(conn: &mut Conn, organization_id: Id, step_ids: Vec<Id>) -> Result<Vec<ToolCall>> {
    let found = tool_calls::table
        .filter(tool_calls::organization_id.eq(organization_id))
        .filter(tool_calls::step_id.eq_any(step_ids))
        .order(tool_calls::position);
    Ok(found.select(ToolCall::as_select()).load(conn).await?)
}
