//! Sessions: one conversation each.

pub mod graphql;
mod session;
#[path = "."]
pub mod postgres {
    use crate::agents::postgres as agents;
    use crate::db::postgres as backend;
    #[path = "store.rs"]
    mod store;
    pub use store::*;
}
#[path = "."]
pub mod sqlite {
    use crate::agents::sqlite as agents;
    use crate::db::sqlite as backend;
    #[path = "store.rs"]
    mod store;
    pub use store::*;
}

pub use session::{CreateSessionInput, Session, SessionFilter, SessionStatus, UpdateSessionInput};
