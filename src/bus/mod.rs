//! What replicas tell each other: a turn waits, a session has more to read, a turn shall stop. It only saves waiting. Whoever hears nothing finds
//! out all the same, by looking at the database once a second, and whoever hears something twice or late is not harmed by it.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::db::ids::Id;

/// Speaks to the other replicas and hears them. Without others it does nothing.
#[derive(Clone, Default)]
pub struct Bus(Option<Arc<Wires>>);

struct Wires {}

/// Something that another replica may wait for. Tell it after the commit that makes it true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A turn waits for somebody to claim it.
    Work,
    /// Events of these numbers of the session are stored.
    Stored {
        /// Whose it is.
        organization_id: Id,
        /// The session.
        session_id: Id,
        /// Number of the first.
        first: i64,
        /// Number of the last.
        last: i64,
    },
    /// More of the text of the session's running step is stored.
    Text {
        /// The session.
        session_id: Id,
    },
    /// The session's turn shall stop, where it is this one or none is named: its row says why.
    Stop {
        /// The session.
        session_id: Id,
        /// The turn.
        turn_id: Option<Id>,
    },
    /// The session is deleted.
    Gone {
        /// The session.
        session_id: Id,
    },
}

/// A piece of the text of a running step, before it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The session.
    pub session_id: Id,
    /// Number of the step's step.started event.
    pub started: i64,
    /// Byte of the step's text at which the piece begins.
    pub offset: usize,
    /// What was said.
    pub text: String,
}

/// What comes from other replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// What one of them told.
    Notice(Notice),
    /// What a model said there.
    Piece(Piece),
    /// Something may have been missed: look at everything that somebody waits for.
    Gap,
}

impl Bus {
    /// Tells the others; never waits. What cannot be told is dropped.
    pub fn tell(&self, _notice: Notice) {}

    /// Shows the others what a model said, where that is cheap; never waits.
    pub fn show(&self, _piece: impl FnOnce() -> Piece) {}

    /// What the others tell from now on, for one listener.
    pub fn hear(&self) -> mpsc::Receiver<Heard> {
        mpsc::channel(1).1
    }
}
