//! Events: facts of a session, append only, numbered without a hole; and the live feed of what is being said.
//!
//! A watcher ([`watch()`]) is a cursor that moves: first over the stored rows, then over the session's [`Channel`], where a running turn publishes
//! each row after its commit and each piece of text as it comes. Nothing is queued per watcher: a slow one finds more text at its cursor, a very slow
//! one reads rows again. No database connection is held while it waits. What another replica stores comes to the channel by a [`Follower`], once
//! for all who watch here. What a model says is shown only while the turn's [`Lease`] holds, or once it is stored.

mod channel;
mod cursor;
mod event;
mod feed;
mod follow;
pub mod graphql;
mod lease;
#[path = "."]
pub mod postgres {
    use crate::db::postgres as backend;
    #[path = "store.rs"]
    mod store;
    pub use store::*;
}
#[path = "."]
pub mod sqlite {
    use crate::db::sqlite as backend;
    #[path = "store.rs"]
    mod store;
    pub use store::*;
}
mod types;
mod watch;

pub use channel::{Channel, Known, Live};
pub use cursor::Cursor;
pub use event::{Event, EventKind, StopReason, TurnErrorCode};
pub use feed::{Feed, News};
pub use follow::Follower;
pub use lease::Lease;
pub use types::EventType;
pub use watch::{check, watch};
