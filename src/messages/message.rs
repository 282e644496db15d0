//! What a message is, and what sending one or answering it brings about.

use async_graphql::{Enum, SimpleObject};
use diesel::{Insertable, Queryable, Selectable};

use crate::clock::Timestamp;
use crate::db::ids::{Id, Noun};
use crate::db::tables::messages;
use crate::db::types::{Json, text_enum};
use crate::events::{Cursor, StopReason};
use crate::turns::{Step, ToolCall, Turn, TurnError};

/// What was said.
#[derive(Queryable, Selectable, Insertable, SimpleObject, Clone, Debug)]
#[diesel(table_name = messages)]
#[graphql(complex)]
pub struct Message {
    #[graphql(skip)]
    pub organization_id: Id,
    /// Id of the session.
    pub session_id: Id,
    /// 1, 2, 3 … within the session, in the order of storing.
    pub sequence: i64,
    /// The message's id.
    pub id: Id,
    /// Who said it.
    pub role: MessageRole,
    #[graphql(skip)]
    pub text: String,
    /// A list of content parts, where there is more than text.
    #[graphql(skip)]
    pub parts: Option<Json>,
    /// Id of the turn that it starts, or that said it.
    pub turn_id: Id,
    /// Id of the step that said it; null for a user's.
    pub step_id: Option<Id>,
    /// When it was withdrawn before its turn began: no model sees it. Null where it was not.
    pub withdrawn_at: Option<Timestamp>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// Id of the model that it chose; null leaves it to the session. Always null for the agent's.
    pub model_id: Option<Id>,
}

text_enum! {
    /// Who said a message.
    pub enum MessageRole {
        /// A person, or a program in a person's place.
        User = "user",
        /// The agent.
        Assistant = "assistant",
    }
}

/// What becomes of a message that comes while its session is at a turn.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenBusy {
    /// It is answered after that turn and after those that wait already.
    Enqueue,
    /// It is refused: SESSION_BUSY, and nothing is stored.
    Reject,
    /// The running turn is ended, as `cancelTurn` ends it; those that wait are answered first, then this one. It does not wait for the end.
    Interrupt,
}

/// A user's message that shall be sent, checked but for its model.
#[derive(Clone, Debug)]
pub struct NewMessage {
    pub organization_id: Id,
    /// Its id, if it is not sent already.
    pub id: Id,
    pub session_id: Id,
    /// Where given, the session must be this agent's.
    pub agent_id: Option<Id>,
    pub text: String,
    pub parts: Option<Json>,
    /// The model that shall answer it.
    pub model_id: Option<Id>,
    pub when_busy: WhenBusy,
}

/// A message that was sent.
#[derive(SimpleObject, Clone, Debug)]
#[graphql(name = "SendMessagePayload")]
pub struct Sent {
    /// The message as stored.
    pub message: Message,
    /// The turn that will answer it.
    pub turn: Turn,
    /// Where the session's stream stood before the turn: subscribe after it to see the turn from its first event.
    pub event_cursor: Cursor,
    /// Whether an earlier request with the same idempotency key sent it: these are message and turn as they are now.
    pub replayed: bool,
    /// The running turn that shall end for it.
    #[graphql(skip)]
    pub interrupted: Option<Id>,
}

/// One turn of the history that a model is given.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// What the user said.
    pub message: Message,
    /// The turn.
    pub turn: Turn,
    /// What the model said, in steps, each with the tools that it called.
    pub steps: Vec<(Step, Vec<ToolCall>)>,
}

/// How a turn's last step ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Well; what was said becomes a message.
    Completed(StopReason),
    /// Somebody cancelled it; what was said until then becomes a message.
    Cancelled,
    /// It failed; what was said is kept in the step only.
    Failed(TurnError),
}

impl Message {
    /// What the step said, as the assistant's message of this number.
    pub fn of_assistant(step: &Step, sequence: i64) -> Self {
        Self {
            organization_id: step.organization_id,
            session_id: step.session_id,
            sequence,
            id: Id::new(Noun::Message),
            role: MessageRole::Assistant,
            text: step.text.clone(),
            parts: None,
            turn_id: step.turn_id,
            step_id: Some(step.id),
            withdrawn_at: None,
            created_at: Timestamp::now(),
            model_id: None,
        }
    }

    /// What the user said, as the message of this number that starts this turn.
    pub fn of_user(new: NewMessage, turn_id: Id, sequence: i64) -> Self {
        Self {
            organization_id: new.organization_id,
            session_id: new.session_id,
            sequence,
            id: new.id,
            role: MessageRole::User,
            text: new.text,
            parts: new.parts,
            turn_id,
            step_id: None,
            withdrawn_at: None,
            created_at: Timestamp::now(),
            model_id: new.model_id,
        }
    }
}
