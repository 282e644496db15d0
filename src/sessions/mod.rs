//! Sessions: one conversation each.

pub mod file;
pub mod graphql;
#[path = "."]
pub mod postgres {
    use crate::agents::postgres as agents;
    use crate::db::postgres as backend;
    use crate::idempotency::postgres as idempotency;
    use crate::llm::postgres as llm;
    #[path = "file_store.rs"]
    mod file_store;
    #[path = "store.rs"]
    mod store;
    pub use file_store::*;
    pub use store::*;
}
mod session;
#[path = "."]
pub mod sqlite {
    use crate::agents::sqlite as agents;
    use crate::db::sqlite as backend;
    use crate::idempotency::sqlite as idempotency;
    use crate::llm::sqlite as llm;
    #[path = "file_store.rs"]
    mod file_store;
    #[path = "store.rs"]
    mod store;
    pub use file_store::*;
    pub use store::*;
}

pub use file::{
    DeleteSessionFileInput, FileEdit, FileEncoding, FilePlace, NewFile, SessionFile, WriteSessionFileInput,
};
pub use session::{CreateSessionInput, Session, SessionFilter, SessionStatus, UpdateSessionInput};
