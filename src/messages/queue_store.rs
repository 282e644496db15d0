//! The queue of a session: sending a message puts its turn there, withdrawing one takes it out, cancelling empties it and ends what runs. Each is
//! one transaction that locks the session first, as everywhere.

use diesel::dsl::{AsExprOf, case_when, exists, not};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable};
use diesel_async::RunQueryDsl;

use super::backend::{Backend, Conn};
use super::idempotency;
use super::llm::check_named;
use super::store::get_many;
use super::{sessions as session_store, turns as turn_store};
use crate::agents::AgentStatus;
use crate::clock::Timestamp;
use crate::db::ids::Id;
use crate::db::tables::{agents, events, messages, sessions, turns};
use crate::db::types::TimestampSql;
use crate::error::{Error, Result};
use crate::events::{Cursor, EventKind, StopReason};
use crate::idempotency::Once;
use crate::messages::{Message, NewMessage, Sent, WhenBusy};
use crate::sessions::{Session, SessionStatus};
use crate::turns::{Turn, TurnStatus};

/// A session, and whose it is.
type Place = (Id, Id);

/// Stores a user's message and the turn that will answer it; the session runs from here on.
pub async fn send(conn: &mut Conn, new: NewMessage, once: Option<Once>) -> Result<Sent> {
    if let Some(id) = idempotency::begin(conn, new.organization_id, once, new.id).await? {
        return sent_before(conn, new.organization_id, id).await;
    }
    let session = open(conn, &new).await?;
    check_named(conn, new.organization_id, new.model_id, "input.modelId").await?;
    let place = (new.organization_id, new.session_id);
    let interrupted = match new.when_busy {
        WhenBusy::Interrupt => mark_running(conn, place, None).await?.map(|turn| turn.id),
        WhenBusy::Reject if diesel::select(exists(open_turns(place))).get_result(conn).await? => {
            return Err(Error::session_busy());
        }
        WhenBusy::Enqueue | WhenBusy::Reject => None,
    };
    let turn_id = Turn::new_id();
    let message = Message::of_user(new, turn_id, session.next_message_sequence - 1);
    let turn = Turn::queued(message.organization_id, message.session_id, turn_id, (message.id, message.sequence));
    diesel::insert_into(messages::table).values(&message).execute(conn).await?;
    turn_store::create(conn, &turn).await?;
    Ok(Sent { message, turn, event_cursor: Cursor::after(session.head()), replayed: false, interrupted })
}

/// Makes room for a message in its session, which the caller then has locked.
async fn open(conn: &mut Conn, new: &NewMessage) -> Result<Session> {
    let active = agents::table
        .filter(agents::organization_id.eq(sessions::organization_id))
        .filter(agents::id.eq(sessions::agent_id))
        .filter(agents::status.eq(AgentStatus::Active));
    let mut open = diesel::update(sessions::table.find((new.organization_id, new.session_id)))
        .set((
            sessions::status.eq(SessionStatus::Running),
            sessions::next_message_sequence.eq(sessions::next_message_sequence + 1),
            sessions::updated_at.eq(Timestamp::now()),
            sessions::finished_at.eq(None::<Timestamp>),
        ))
        .filter(exists(active))
        .into_boxed();
    if let Some(agent_id) = new.agent_id {
        open = open.filter(sessions::agent_id.eq(agent_id));
    }
    match open.returning(Session::as_select()).get_result(conn).await.optional()? {
        Some(session) => Ok(session),
        None => Err(refusal(conn, new).await?),
    }
}

/// Why a session takes no message: it is not there, or its agent is archived.
async fn refusal(conn: &mut Conn, new: &NewMessage) -> Result<Error> {
    let session = session_store::get(conn, new.organization_id, new.session_id, new.agent_id).await?;
    Ok(if session.is_some() { Error::conflict("the agent is archived") } else { Error::not_found("session") })
}

/// A message that an earlier request sent, and its turn, as they are now.
async fn sent_before(conn: &mut Conn, organization_id: Id, id: Id) -> Result<Sent> {
    let message = message(conn, organization_id, id).await?;
    // Read before the turn's first event: a claim in between then stands after the cursor.
    let session = session_store::get(conn, organization_id, message.session_id, None).await?;
    let session = session.ok_or_else(|| Error::not_found("session"))?;
    let received = events::table
        .filter(events::organization_id.eq(organization_id))
        .filter(events::session_id.eq(message.session_id))
        .filter(events::turn_id.eq(message.turn_id))
        .filter(events::kind.eq(EventKind::MessageReceived))
        // A message is sent again soon, so its turn is one of the last.
        .order(events::sequence.desc())
        .select(events::sequence)
        .first::<i64>(conn)
        .await
        .optional()?;
    let before = received.map_or(session.head(), |sequence| sequence - 1);
    let turn = turn_store::get(conn, organization_id, message.turn_id).await?;
    let turn = turn.ok_or_else(|| Error::not_found("turn"))?;
    Ok(Sent { message, turn, event_cursor: Cursor::after(before), replayed: true, interrupted: None })
}

/// Withdraws a message whose turn waits, or was withdrawn already. Errors: NOT_FOUND, CONFLICT where its turn has begun.
pub async fn withdraw(conn: &mut Conn, organization_id: Id, id: Id, agent_id: Option<Id>) -> Result<Message> {
    let Message { session_id, turn_id, .. } = message(conn, organization_id, id).await?;
    let session = session_store::get(conn, organization_id, session_id, agent_id).await?;
    session.ok_or_else(|| Error::not_found("message"))?;
    withdraw_queued(conn, (organization_id, session_id), Some(turn_id)).await?;
    let message = message(conn, organization_id, id).await?;
    match message.withdrawn_at {
        Some(_) => Ok(message),
        None => Err(Error::conflict("the message's turn has begun")),
    }
}

async fn message(conn: &mut Conn, organization_id: Id, id: Id) -> Result<Message> {
    get_many(conn, organization_id, vec![id]).await?.pop().ok_or_else(|| Error::not_found("message"))
}

/// Marks the session's running turn to be ended and withdraws those that wait; where `only` is given, that turn alone. Gives back the turn that
/// is running and now marked.
pub async fn cancel(conn: &mut Conn, organization_id: Id, session_id: Id, only: Option<Id>) -> Result<Option<Turn>> {
    let place = (organization_id, session_id);
    withdraw_queued(conn, place, only).await?;
    mark_running(conn, place, only).await
}

/// Withdraws the messages whose turns wait; where `only` is given, that turn's alone. The session is locked from here on.
async fn withdraw_queued(conn: &mut Conn, place: Place, only: Option<Id>) -> Result<()> {
    let session = diesel::update(sessions::table.find(place));
    session.set(sessions::epoch.eq(sessions::epoch)).execute(conn).await?;
    let now = Timestamp::now();
    let cancelled = (
        turns::status.eq(TurnStatus::Cancelled),
        turns::stop_reason.eq(StopReason::Cancelled),
        turns::finished_at.eq(now),
    );
    let queued = diesel::update(turns_at(place, TurnStatus::Queued, only)).set(cancelled);
    let withdrawn: Vec<Id> = queued.returning(turns::message_id).get_results(conn).await?;
    if withdrawn.is_empty() {
        return Ok(());
    }
    let rows = messages::table.filter(messages::organization_id.eq(place.0)).filter(messages::id.eq_any(withdrawn));
    diesel::update(rows).set(messages::withdrawn_at.eq(now)).execute(conn).await?;
    quiet_down(conn, place).await
}

/// Sets a session pending whose last turn was withdrawn: nobody else would say that it is quiet again.
async fn quiet_down(conn: &mut Conn, place: Place) -> Result<()> {
    let change = (sessions::status.eq(SessionStatus::Pending), sessions::finished_at.eq(Timestamp::now()));
    let session = sessions::table.find(place).filter(not(exists(open_turns(place))));
    diesel::update(session).set(change).execute(conn).await?;
    Ok(())
}

/// Marks the session's running turn to be ended; where `only` is given, if it is that one. A turn that waits without an owner can be claimed at once,
/// so that somebody ends it.
async fn mark_running(conn: &mut Conn, place: Place, only: Option<Id>) -> Result<Option<Turn>> {
    let given_up = turn_store::GIVEN_UP.into_sql::<Nullable<TimestampSql>>();
    let marks = (
        turns::cancel_requested_at.eq(Timestamp::now()),
        turns::lease_until.eq(case_when(turns::owner.is_null(), given_up).otherwise(turns::lease_until)),
    );
    let marked = diesel::update(turns_at(place, TurnStatus::Running, only)).set(marks);
    Ok(marked.returning(Turn::as_select()).get_result(conn).await.optional()?)
}

/// The session's turns of this status; where `only` is given, that one alone.
#[diesel::dsl::auto_type(no_type_alias)]
fn turns_at(place: Place, status: TurnStatus, only: Option<Id>) -> _ {
    let (organization_id, session_id): (Id, Id) = place;
    let all: AsExprOf<bool, Bool> = only.is_none().into_sql::<Bool>();
    turns::table
        .filter(turns::organization_id.eq(organization_id))
        .filter(turns::session_id.eq(session_id))
        .filter(turns::status.eq(status))
        .filter(turns::id.nullable().eq(only).or(all))
}

/// The session's turns that have not ended.
fn open_turns((organization_id, session_id): Place) -> turns::BoxedQuery<'static, Backend> {
    turns::table
        .filter(turns::organization_id.eq(organization_id))
        .filter(turns::session_id.eq(session_id))
        .filter(turns::status.eq_any([TurnStatus::Queued, TurnStatus::Running]))
        .into_boxed()
}
