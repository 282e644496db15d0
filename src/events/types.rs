//! Kinds of what a subscription shows: the stored ones, and the two that are no rows.

use async_graphql::Enum;

use super::{EventKind, Live};

/// What a subscription may show. MESSAGE_DELTA and CAUGHT_UP are no stored events: they have no number of their own.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// The user's message of this turn is now being answered.
    MessageReceived,
    /// A turn began.
    SessionStarted,
    /// A model call began.
    StepStarted,
    /// The running model call said more.
    MessageDelta,
    /// The assistant's message is complete.
    MessageCreated,
    /// A tool was called.
    ToolStarted,
    /// A tool answered.
    ToolCompleted,
    /// The turn ended well.
    SessionCompleted,
    /// The turn failed.
    SessionFailed,
    /// The backfill is through: what follows is live.
    CaughtUp,
}

impl EventType {
    /// The stored kind; nothing for what is no row.
    pub fn kind(self) -> Option<EventKind> {
        Some(match self {
            Self::MessageReceived => EventKind::MessageReceived,
            Self::SessionStarted => EventKind::SessionStarted,
            Self::StepStarted => EventKind::StepStarted,
            Self::MessageCreated => EventKind::MessageCreated,
            Self::ToolStarted => EventKind::ToolStarted,
            Self::ToolCompleted => EventKind::ToolCompleted,
            Self::SessionCompleted => EventKind::SessionCompleted,
            Self::SessionFailed => EventKind::SessionFailed,
            Self::MessageDelta | Self::CaughtUp => return None,
        })
    }
}

impl From<EventKind> for EventType {
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::MessageReceived => Self::MessageReceived,
            EventKind::SessionStarted => Self::SessionStarted,
            EventKind::StepStarted => Self::StepStarted,
            EventKind::MessageCreated => Self::MessageCreated,
            EventKind::ToolStarted => Self::ToolStarted,
            EventKind::ToolCompleted => Self::ToolCompleted,
            EventKind::SessionCompleted => Self::SessionCompleted,
            EventKind::SessionFailed => Self::SessionFailed,
        }
    }
}

impl Live {
    /// What this is.
    pub fn event_type(&self) -> EventType {
        match self {
            Self::Fact(event) => event.kind.into(),
            Self::Delta { .. } => EventType::MessageDelta,
            Self::CaughtUp { .. } => EventType::CaughtUp,
        }
    }
}
