//! One GraphQL type per kind of event, and the interface over them.

use async_graphql::{Context, Interface, Object, Result};

use crate::clock::Timestamp;
use crate::db::ids::Id;
use crate::db::lookups;
use crate::error::Error;
use crate::events::{Cursor, Event, EventKind, EventType, Live, StopReason, TurnErrorCode};
use crate::messages::Message;
use crate::messages::graphql::MessageById;
use crate::sessions::Session;
use crate::sessions::graphql::SessionById;
use crate::turns::graphql::{ToolCallById, TurnById};
use crate::turns::{ToolCall, Turn, TurnError};

/// Something that happened in a session.
#[derive(Interface)]
#[graphql(
    name = "SessionEvent",
    field(
        name = "cursor",
        ty = "Cursor",
        desc = "Where the stream stands after this: pass it as `after` to resume from here."
    ),
    field(
        name = "sequence",
        ty = "i64",
        desc = "Number of the event within its session; of a delta, its step.started event's."
    ),
    field(name = "type", method = "event_type", ty = "EventType", desc = "What it tells."),
    field(name = "created_at", ty = "Timestamp", desc = "When it happened; of a delta, when its step began."),
    field(name = "session", ty = "Session", desc = "In which session."),
    field(name = "session_id", ty = "Id", desc = "Id of the session."),
    field(name = "turn", ty = "Option<Turn>", desc = "In which turn; null for CaughtUp."),
    field(name = "turn_id", ty = "Option<Id>", desc = "Id of the turn; null for CaughtUp.")
)]
pub enum SessionEvent {
    MessageReceived(MessageReceived),
    SessionStarted(SessionStarted),
    StepStarted(StepStarted),
    MessageDelta(MessageDelta),
    MessageCreated(MessageCreated),
    ToolStarted(ToolStarted),
    ToolCompleted(ToolCompleted),
    SessionCompleted(SessionCompleted),
    SessionFailed(SessionFailed),
    CaughtUp(CaughtUp),
}

/// Where and when something happened: what every kind shows.
pub(super) struct Place {
    cursor: Cursor,
    session_id: Id,
    turn_id: Option<Id>,
    created_at: Timestamp,
    event_type: EventType,
}

/// Declares a kind: its struct holds a place and what is its own, its object shows both.
macro_rules! event_kind {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* } $($resolvers:tt)*) => {
        $(#[$doc])*
        pub struct $name { place: Place, $($field: $type),* }

        $(#[$doc])*
        #[Object]
        impl $name {
            /// Where the stream stands after this: pass it as `after` to resume from here.
            async fn cursor(&self) -> Cursor {
                self.place.cursor
            }

            /// Number of the event within its session; of a delta, its step.started event's.
            async fn sequence(&self) -> i64 {
                self.place.cursor.sequence
            }

            /// What it tells.
            #[graphql(name = "type")]
            async fn event_type(&self) -> EventType {
                self.place.event_type
            }

            /// When it happened; of a delta, when its step began.
            async fn created_at(&self) -> Timestamp {
                self.place.created_at
            }

            /// In which session.
            async fn session(&self, ctx: &Context<'_>) -> Result<Session> {
                let found = lookups(ctx).load_one(SessionById(self.place.session_id)).await?;
                Ok(found.ok_or_else(|| Error::not_found("session"))?)
            }

            /// Id of the session.
            async fn session_id(&self) -> Id {
                self.place.session_id
            }

            /// In which turn; null for CaughtUp.
            async fn turn(&self, ctx: &Context<'_>) -> Result<Option<Turn>> {
                let Some(turn_id) = self.place.turn_id else { return Ok(None) };
                Ok(lookups(ctx).load_one(TurnById(turn_id)).await?)
            }

            /// Id of the turn; null for CaughtUp.
            async fn turn_id(&self) -> Option<Id> {
                self.place.turn_id
            }

            $($resolvers)*
        }
    };
}

event_kind! {
    /// The user's message of this turn is now being answered: the first event of its turn.
    MessageReceived { message_id: Id }

    /// What the user said.
    async fn message(&self, ctx: &Context<'_>) -> Result<Message> {
        message(ctx, self.message_id).await
    }

    /// Id of the message.
    async fn message_id(&self) -> Id {
        self.message_id
    }
}

event_kind! {
    /// A turn began.
    SessionStarted {}
}

event_kind! {
    /// A model call began.
    StepStarted { step_id: Id }

    /// Id of the step.
    async fn step_id(&self) -> Id {
        self.step_id
    }
}

event_kind! {
    /// The running model call said more. The deltas of a step, joined, are the text of its message; how the text is cut into deltas is not fixed.
    MessageDelta { delta: String, step_id: Id }

    /// What was said.
    async fn delta(&self) -> &str {
        &self.delta
    }

    /// Id of the step.
    async fn step_id(&self) -> Id {
        self.step_id
    }
}

event_kind! {
    /// The assistant's message is complete.
    MessageCreated { message_id: Id, message_sequence: i64, step_id: Id }

    /// What the assistant said.
    async fn message(&self, ctx: &Context<'_>) -> Result<Message> {
        message(ctx, self.message_id).await
    }

    /// Id of the message.
    async fn message_id(&self) -> Id {
        self.message_id
    }

    /// Number of the message within its session.
    async fn message_sequence(&self) -> i64 {
        self.message_sequence
    }

    /// Id of the step that said it.
    async fn step_id(&self) -> Id {
        self.step_id
    }
}

event_kind! {
    /// A tool was called.
    ToolStarted { tool_call_id: Id, step_id: Id }

    /// The call, as it is now.
    async fn tool_call(&self, ctx: &Context<'_>) -> Result<ToolCall> {
        tool_call(ctx, self.tool_call_id).await
    }

    /// Id of the call.
    async fn tool_call_id(&self) -> Id {
        self.tool_call_id
    }

    /// Id of the step that called it.
    async fn step_id(&self) -> Id {
        self.step_id
    }
}

event_kind! {
    /// A tool answered.
    ToolCompleted { tool_call_id: Id, step_id: Id }

    /// The call with its result or error.
    async fn tool_call(&self, ctx: &Context<'_>) -> Result<ToolCall> {
        tool_call(ctx, self.tool_call_id).await
    }

    /// Id of the call.
    async fn tool_call_id(&self) -> Id {
        self.tool_call_id
    }

    /// Id of the step that called it.
    async fn step_id(&self) -> Id {
        self.step_id
    }
}

event_kind! {
    /// The turn ended well.
    SessionCompleted { stop_reason: StopReason }

    /// Why it ended.
    async fn stop_reason(&self) -> StopReason {
        self.stop_reason
    }
}

event_kind! {
    /// The turn failed.
    SessionFailed { error: TurnError }

    /// Why it failed.
    async fn error(&self) -> &TurnError {
        &self.error
    }
}

event_kind! {
    /// The backfill is through: what follows is live. No stored event; its cursor is where the stream stands.
    CaughtUp {}
}

async fn message(ctx: &Context<'_>, id: Id) -> Result<Message> {
    Ok(lookups(ctx).load_one(MessageById(id)).await?.ok_or_else(|| Error::not_found("message"))?)
}

async fn tool_call(ctx: &Context<'_>, id: Id) -> Result<ToolCall> {
    Ok(lookups(ctx).load_one(ToolCallById(id)).await?.ok_or_else(|| Error::not_found("tool call"))?)
}

impl SessionEvent {
    /// The object of something new in this session.
    pub fn new(session_id: Id, live: Live) -> Result<Self, Error> {
        let (cursor, event_type) = (live.cursor(), live.event_type());
        match live {
            Live::Fact(event) => Self::stored(&event),
            Live::Delta { started, text, .. } => Ok(Self::MessageDelta(MessageDelta {
                place: Place {
                    cursor,
                    session_id,
                    turn_id: Some(started.turn_id),
                    created_at: started.created_at,
                    event_type,
                },
                delta: text,
                step_id: about(started.step_id)?,
            })),
            Live::CaughtUp { .. } => Ok(Self::CaughtUp(CaughtUp {
                place: Place { cursor, session_id, turn_id: None, created_at: Timestamp::now(), event_type },
            })),
        }
    }

    /// The object of a stored event.
    pub fn stored(event: &Event) -> Result<Self, Error> {
        let place = Place {
            cursor: Cursor::after(event.sequence),
            session_id: event.session_id,
            turn_id: Some(event.turn_id),
            created_at: event.created_at,
            event_type: event.kind.into(),
        };
        Ok(match event.kind {
            EventKind::MessageReceived => {
                Self::MessageReceived(MessageReceived { place, message_id: about(event.message_id)? })
            }
            EventKind::SessionStarted => Self::SessionStarted(SessionStarted { place }),
            EventKind::StepStarted => Self::StepStarted(StepStarted { place, step_id: about(event.step_id)? }),
            EventKind::MessageCreated => Self::MessageCreated(MessageCreated {
                place,
                message_id: about(event.message_id)?,
                message_sequence: about(event.message_sequence)?,
                step_id: about(event.step_id)?,
            }),
            EventKind::ToolStarted => Self::ToolStarted(ToolStarted {
                place,
                tool_call_id: about(event.tool_call_id)?,
                step_id: about(event.step_id)?,
            }),
            EventKind::ToolCompleted => Self::ToolCompleted(ToolCompleted {
                place,
                tool_call_id: about(event.tool_call_id)?,
                step_id: about(event.step_id)?,
            }),
            EventKind::SessionCompleted => Self::SessionCompleted(SessionCompleted {
                place,
                stop_reason: event.stop_reason.unwrap_or(StopReason::EndTurn),
            }),
            EventKind::SessionFailed => {
                let error = TurnError {
                    code: event.error_code.unwrap_or(TurnErrorCode::Internal),
                    message: event.error_message.clone().unwrap_or_default(),
                };
                Self::SessionFailed(SessionFailed { place, error })
            }
        })
    }
}

/// What an event of this kind is always stored with.
fn about<T>(value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| Error::internal("an event lacks what it is about"))
}
