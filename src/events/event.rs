//! What an event is, as a row.

use diesel::{Queryable, Selectable};

use crate::clock::Timestamp;
use crate::db::ids::Id;
use crate::db::tables::events;
use crate::db::types::text_enum;

/// A fact of a session. GraphQL shows one type per kind (`graphql.rs`).
#[derive(Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = events)]
pub struct Event {
    pub organization_id: Id,
    pub session_id: Id,
    /// 1, 2, 3 … within the session.
    pub sequence: i64,
    pub kind: EventKind,
    pub turn_id: Id,
    pub step_id: Option<Id>,
    pub message_id: Option<Id>,
    pub message_sequence: Option<i64>,
    pub tool_call_id: Option<Id>,
    pub stop_reason: Option<StopReason>,
    pub error_code: Option<TurnErrorCode>,
    pub error_message: Option<String>,
    pub created_at: Timestamp,
}

text_enum! {
    /// What a stored event tells.
    pub enum EventKind {
        /// The user's message of this turn is now being answered.
        MessageReceived = "message.received",
        /// A turn began.
        SessionStarted = "session.started",
        /// A model call began.
        StepStarted = "step.started",
        /// The assistant's message is complete.
        MessageCreated = "message.created",
        /// A tool was called.
        ToolStarted = "tool.started",
        /// A tool answered.
        ToolCompleted = "tool.completed",
        /// The turn ended well.
        SessionCompleted = "session.completed",
        /// The turn failed.
        SessionFailed = "session.failed",
    }
}

text_enum! {
    /// Why a turn ended.
    pub enum StopReason {
        /// The model said all it had to say.
        EndTurn = "end_turn",
        /// The model reached its limit of output tokens: the text is cut there.
        MaxTokens = "max_tokens",
        /// The model refused to go on.
        Refused = "refused",
        /// The turn reached its limit of steps.
        MaxSteps = "max_steps",
        /// Somebody cancelled it; what was said until then is kept.
        Cancelled = "cancelled",
    }
}

text_enum! {
    /// Why a turn failed.
    pub enum TurnErrorCode {
        /// The model could not be reached, or answered with an error.
        ModelUnavailable = "model_unavailable",
        /// The model refused the request.
        ModelRefused = "model_refused",
        /// The model's answer broke off before its end.
        ModelCut = "model_cut",
        /// The conversation is too long for the model.
        ContextTooLong = "context_too_long",
        /// The turn was begun several times and never came further.
        NoProgress = "no_progress",
        /// A fault of the server.
        Internal = "internal",
    }
}

impl Event {
    /// An event of this turn about nothing else yet; its number comes when it is appended.
    pub fn new(organization_id: Id, session_id: Id, turn_id: Id, kind: EventKind) -> Self {
        Self {
            organization_id,
            session_id,
            sequence: 0,
            kind,
            turn_id,
            step_id: None,
            message_id: None,
            message_sequence: None,
            tool_call_id: None,
            stop_reason: None,
            error_code: None,
            error_message: None,
            created_at: Timestamp::now(),
        }
    }
}
