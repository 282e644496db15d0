//! Events: facts of a session, append only, numbered without a hole; and the live feed of what is being said.
//!
//! A watcher ([`watch()`]) is a cursor that moves: first over the stored rows, then over the session's [`Channel`], where a running turn publishes
//! each row after its commit and each piece of text as it comes. Nothing is queued per watcher and nothing is polled: a slow one finds more text
//! at its cursor, a very slow one reads rows again. No database connection is held while it waits.

mod cursor;
mod event;
mod feed;
pub mod graphql;
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

pub use cursor::Cursor;
pub use event::{Event, EventKind, StopReason, TurnErrorCode};
pub use feed::{Channel, Feed, Live};
pub use types::EventType;
pub use watch::{check, watch};
