//! What a turn is, and what its owner holds.

use async_graphql::SimpleObject;
use diesel::{Insertable, Queryable, QueryableByName, Selectable};

use super::{Step, ToolCall};
use crate::clock::Timestamp;
use crate::db::ids::{Id, Noun};
use crate::db::tables::turns;
use crate::db::types::text_enum;
use crate::events::{Event, StopReason, TurnErrorCode};
use crate::llm::ModelChoices;

/// From one user message to quiet again.
#[derive(Queryable, QueryableByName, Selectable, Insertable, SimpleObject, Clone, Debug)]
#[diesel(table_name = turns)]
#[graphql(complex)]
pub struct Turn {
    #[graphql(skip)]
    pub organization_id: Id,
    /// Id of the session.
    pub session_id: Id,
    #[graphql(skip)]
    pub message_sequence: i64,
    /// The turn's id.
    pub id: Id,
    /// Id of the user's message.
    pub message_id: Id,
    /// How far it is.
    pub status: TurnStatus,
    /// Why it ended; null while it has not, and where it failed.
    pub stop_reason: Option<StopReason>,
    #[graphql(skip)]
    pub error_code: Option<TurnErrorCode>,
    #[graphql(skip)]
    pub error_message: Option<String>,
    /// The session's epoch at the claim: every later write names it.
    #[graphql(skip)]
    pub epoch: i64,
    #[graphql(skip)]
    pub owner: Option<String>,
    #[graphql(skip)]
    pub lease_until: Option<Timestamp>,
    #[graphql(skip)]
    pub attempts: i64,
    #[graphql(skip)]
    pub cancel_requested_at: Option<Timestamp>,
    /// When its message was sent.
    pub created_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Claims in a row that led to nothing stored.
    #[graphql(skip)]
    pub fruitless_claims: i64,
}

text_enum! {
    /// How far a turn is.
    pub enum TurnStatus {
        /// It waits for the turns before it.
        Queued = "queued",
        /// It is being answered.
        Running = "running",
        /// It ended well.
        Completed = "completed",
        /// It failed; `error` says why.
        Failed = "failed",
        /// Somebody ended it, or withdrew its message before it began.
        Cancelled = "cancelled",
    }
}

/// Why a turn failed.
#[derive(SimpleObject, Clone, Debug, PartialEq, Eq)]
pub struct TurnError {
    /// What kind of failure.
    pub code: TurnErrorCode,
    /// What happened and what helps, in words for people.
    pub message: String,
}

/// Who wants to answer the next turn, and how.
#[derive(Clone, Debug)]
pub struct Claim {
    /// A name of this process.
    pub owner: String,
    /// How long the turn is its own without renewal, in milliseconds.
    pub lease_ms: i64,
    /// The model that answers where nobody chose one, where it is known.
    pub model: String,
}

/// A turn that this process may answer: its running row, the session as of the claim, its next step and what was just stored.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The running turn.
    pub turn: Turn,
    /// The step that began; where calls are open, the one that begins once they have ended.
    pub step: Step,
    /// Calls that a lost server left without an end.
    pub calls: Vec<ToolCall>,
    /// Ids of the capabilities of the session's agent, in their order.
    pub capability_ids: Vec<String>,
    /// What the session's agent tells its model before the conversation.
    pub system_prompt: String,
    /// Which model shall answer.
    pub choices: ModelChoices,
    /// What the claim stored, to show.
    pub events: Vec<Event>,
}

impl Turn {
    /// A turn that waits to answer this message.
    pub fn queued(organization_id: Id, session_id: Id, id: Id, (message_id, message_sequence): (Id, i64)) -> Self {
        Self {
            organization_id,
            session_id,
            message_sequence,
            id,
            message_id,
            status: TurnStatus::Queued,
            stop_reason: None,
            error_code: None,
            error_message: None,
            epoch: 0,
            owner: None,
            lease_until: None,
            attempts: 0,
            cancel_requested_at: None,
            created_at: Timestamp::now(),
            started_at: None,
            finished_at: None,
            fruitless_claims: 0,
        }
    }

    /// A new turn's id.
    pub fn new_id() -> Id {
        Id::new(Noun::Turn)
    }
}
