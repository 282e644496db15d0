//! How messages are asked for, sent and cancelled.

use std::collections::HashMap;
use std::time::Duration;

use async_graphql::dataloader::Loader;
use async_graphql::{ComplexObject, Context, InputObject, Object, Result, SimpleObject};

use super::{ContentPartInput, Message, MessageContent, NewMessage, Sent, WhenBusy, content};
use crate::auth::{Scope, viewer};
use crate::db::ids::{Id, Noun};
use crate::db::{Lookups, commit, lookups, read, scan, store};
use crate::error::Error;
use crate::events::Feed;
use crate::idempotency::{Once, tell};
use crate::llm::LlmModel;
use crate::llm::graphql::find_named;
use crate::page::{Page, connection, wants_total};
use crate::sessions::Session;
use crate::sessions::graphql::{SessionById, find_session};
use crate::turns::graphql::{StepById, TurnById};
use crate::turns::{Signals, Step, Turn, TurnStatus};

/// How long `cancelTurn` waits until the turn has ended.
const CANCEL_WAIT: Duration = Duration::from_secs(5);

connection!(MessageConnection, MessageEdge, Message);

/// A page of the session's messages.
pub async fn message_page(ctx: &Context<'_>, session_id: Id, page: Page<i64>) -> Result<MessageConnection, Error> {
    let organization_id = viewer(ctx, Scope::SessionsRead)?.organization_id;
    let total = if wants_total(ctx) { scan!(store(ctx), messages::count(organization_id, session_id))? } else { 0 };
    let messages = read!(store(ctx), messages::list(organization_id, session_id, &page))?;
    Ok(MessageConnection::new(&page, messages, total, |message| message.sequence.to_string()))
}

#[ComplexObject]
impl Message {
    /// What it holds.
    async fn content(&self) -> MessageContent<'_> {
        MessageContent::stored(&self.text, self.parts.as_ref())
    }

    /// In which session.
    async fn session(&self, ctx: &Context<'_>) -> Result<Session> {
        viewer(ctx, Scope::SessionsRead)?;
        Ok(lookups(ctx).load_one(SessionById(self.session_id)).await?.ok_or_else(|| Error::not_found("session"))?)
    }

    /// The turn that it starts, or that said it.
    async fn turn(&self, ctx: &Context<'_>) -> Result<Turn> {
        viewer(ctx, Scope::SessionsRead)?;
        Ok(lookups(ctx).load_one(TurnById(self.turn_id)).await?.ok_or_else(|| Error::not_found("turn"))?)
    }

    /// The model that it chose; null where it chose none, or it is gone.
    async fn model(&self, ctx: &Context<'_>) -> Result<Option<LlmModel>> {
        find_named(ctx, self.model_id).await
    }

    /// The step that said it; null for a user's.
    async fn step(&self, ctx: &Context<'_>) -> Result<Option<Step>> {
        let Some(step_id) = self.step_id else { return Ok(None) };
        viewer(ctx, Scope::SessionsRead)?;
        Ok(lookups(ctx).load_one(StepById(step_id)).await?)
    }
}

/// A new message of the user.
#[derive(InputObject)]
pub struct SendMessageInput {
    /// In which session.
    pub session_id: Id,
    /// Its agent: a session of another one is NOT_FOUND.
    pub agent_id: Option<Id>,
    /// What is said, in 1 to 100 parts. The text of all together is at most 1 MiB and, without an image, not empty.
    pub content: Vec<ContentPartInput>,
    /// The model that shall answer it; without one, the session's.
    pub model_id: Option<Id>,
    /// What becomes of it while the session is at a turn.
    #[graphql(default_with = "WhenBusy::Enqueue")]
    pub when_busy: WhenBusy,
    /// A key of the caller's choice, 1 to 255 printable ASCII characters, so that this can be sent again safely: for 24 hours the same key with the
    /// same input answers what the first request made; with another input it is IDEMPOTENCY_KEY_REUSED.
    pub idempotency_key: Option<String>,
}

/// Which message to withdraw.
#[derive(InputObject)]
pub struct WithdrawMessageInput {
    /// The message's id.
    pub message_id: Id,
    /// The session's agent: a message in a session of another one is NOT_FOUND.
    pub agent_id: Option<Id>,
}

/// What `withdrawMessage` answers.
#[derive(SimpleObject)]
pub struct WithdrawMessagePayload {
    /// The message as it is now.
    message: Message,
}

/// Which turn to cancel: exactly one of `sessionId` and `turnId`. (No `@oneOf`, for `agentId` may stand beside either.)
#[derive(InputObject)]
pub struct CancelTurnInput {
    /// Whatever this session is doing: its running turn ends, messages that wait are withdrawn.
    pub session_id: Option<Id>,
    /// This turn alone: it ends if it is running, its message is withdrawn if it waits.
    pub turn_id: Option<Id>,
    /// The session's agent: a session of another one is NOT_FOUND.
    pub agent_id: Option<Id>,
}

/// What `cancelTurn` answers.
#[derive(SimpleObject)]
pub struct CancelTurnPayload {
    /// The session as it is now.
    session: Session,
    /// The turn that was named, else the one that was running, as it is now; null where none was.
    turn: Option<Turn>,
}

/// Changes of messages and turns.
#[derive(Default)]
pub struct MessageMutation;

#[Object]
impl MessageMutation {
    /// Sends a user's message: it is stored, and a turn answers it, after the turns that the session is already at (`whenBusy` has other ways).
    async fn send_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new message.")] input: SendMessageInput,
    ) -> Result<Sent> {
        let organization_id = viewer(ctx, Scope::SessionsWrite)?.organization_id;
        let once = Once::of("sendMessage", &input, input.idempotency_key.as_deref())?;
        let SendMessageInput { session_id, agent_id, content, model_id, when_busy, .. } = input;
        let (text, parts) = content::check(content)?;
        let id = Id::new(Noun::Message);
        let new = NewMessage { organization_id, id, session_id, agent_id, text, parts, model_id, when_busy };
        let sent = commit!(store(ctx), messages::send(new, once))?;
        tell(ctx, sent.replayed);
        let signals = ctx.data_unchecked::<Signals>();
        signals.work_waits();
        if let Some(turn_id) = sent.interrupted {
            signals.stop(session_id, Some(turn_id));
        }
        Ok(sent)
    }

    /// Withdraws a message that waits: no model sees it, and its turn is cancelled. One that was withdrawn already is answered as it is; CONFLICT where
    /// its turn has begun (`cancelTurn` ends that).
    async fn withdraw_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which message.")] input: WithdrawMessageInput,
    ) -> Result<WithdrawMessagePayload> {
        let organization_id = viewer(ctx, Scope::SessionsWrite)?.organization_id;
        let WithdrawMessageInput { message_id, agent_id } = input;
        let message = commit!(store(ctx), messages::withdraw(organization_id, message_id, agent_id))?;
        // A claim may have passed over the session while this held its lock.
        ctx.data_unchecked::<Signals>().work_waits();
        Ok(WithdrawMessagePayload { message })
    }

    /// Ends a turn: the model's connection is dropped at once, what it said until then is kept as the assistant's message, and messages that wait
    /// are withdrawn. Answers when that is stored, within 5 seconds. Where nothing runs or waits it changes nothing.
    async fn cancel_turn(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which turn.")] input: CancelTurnInput,
    ) -> Result<CancelTurnPayload> {
        let organization_id = viewer(ctx, Scope::SessionsWrite)?.organization_id;
        let session_id = match (input.session_id, input.turn_id) {
            (Some(session_id), None) => session_id,
            (None, Some(turn_id)) => {
                let turn = read!(store(ctx), turns::get(organization_id, turn_id))?;
                turn.ok_or_else(|| Error::not_found("turn"))?.session_id
            }
            _ => return Err(Error::bad_input("input.sessionId", "give exactly one of sessionId and turnId").into()),
        };
        find_session(ctx, organization_id, session_id, input.agent_id).await?;
        let turn = cancel(ctx, (organization_id, session_id), input.turn_id).await?;
        Ok(CancelTurnPayload { session: find_session(ctx, organization_id, session_id, None).await?, turn })
    }
}

/// Cancels and waits for the turn's end.
async fn cancel(
    ctx: &Context<'_>,
    (organization_id, session_id): (Id, Id),
    only: Option<Id>,
) -> Result<Option<Turn>, Error> {
    // Held until the end: a channel that nobody holds tells nothing.
    let channel = ctx.data_unchecked::<Feed>().channel(session_id);
    let mut changes = channel.changes();
    let running = commit!(store(ctx), messages::cancel(organization_id, session_id, only))?;
    // A claim may have passed over the session while this held its lock.
    ctx.data_unchecked::<Signals>().work_waits();
    let Some(running) = running else {
        let Some(named) = only else { return Ok(None) };
        return read!(store(ctx), turns::get(organization_id, named));
    };
    let ended = async {
        loop {
            // A turn that was only just claimed may not listen yet; it shows its first events when it does.
            ctx.data_unchecked::<Signals>().stop(session_id, Some(running.id));
            changes.borrow_and_update();
            let turn = read!(store(ctx), turns::get(organization_id, running.id))?;
            if turn.as_ref().is_none_or(|turn| turn.status != TurnStatus::Running) || changes.changed().await.is_err() {
                return Ok(turn);
            }
        }
    };
    tokio::time::timeout(CANCEL_WAIT, ended).await.unwrap_or(Ok(Some(running)))
}

/// Looks a message up by its id.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageById(pub Id);

impl Loader<MessageById> for Lookups {
    type Value = Message;
    type Error = Error;

    async fn load(&self, keys: &[MessageById]) -> Result<HashMap<MessageById, Message>, Error> {
        let ids = || keys.iter().map(|key| key.0).collect();
        let found = self.look(|| async { read!(&self.store, messages::get_many(self.organization_id, ids())) }).await?;
        Ok(found.into_iter().map(|message| (MessageById(message.id), message)).collect())
    }
}
