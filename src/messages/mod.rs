//! Messages: what was said. Sending one starts a turn; the turn's end stores the answer.

mod content;
pub mod graphql;
mod message;
#[path = "."]
pub mod postgres {
    use crate::db::postgres as backend;
    use crate::events::postgres as events;
    use crate::idempotency::postgres as idempotency;
    use crate::llm::postgres as llm;
    use crate::sessions::postgres as sessions;
    use crate::turns::postgres as turns;
    #[path = "queue_store.rs"]
    mod queue_store;
    #[path = "store.rs"]
    mod store;
    pub use queue_store::*;
    pub use store::*;
}
#[path = "."]
pub mod sqlite {
    use crate::db::sqlite as backend;
    use crate::events::sqlite as events;
    use crate::idempotency::sqlite as idempotency;
    use crate::llm::sqlite as llm;
    use crate::sessions::sqlite as sessions;
    use crate::turns::sqlite as turns;
    #[path = "queue_store.rs"]
    mod queue_store;
    #[path = "store.rs"]
    mod store;
    pub use queue_store::*;
    pub use store::*;
}

pub use content::{ContentPart, ContentPartInput, ImagePart, MessageContent, TextPart};
pub use message::{Exchange, Message, MessageRole, NewMessage, Outcome, Sent, WhenBusy};
