//! Agents: who answers.

mod agent;
pub mod graphql;
#[path = "."]
pub mod postgres {
    use crate::db::postgres as backend;
    use crate::idempotency::postgres as idempotency;
    use crate::llm::postgres as llm;
    #[path = "store.rs"]
    mod store;
    pub use store::*;
}
#[path = "."]
pub mod sqlite {
    use crate::db::sqlite as backend;
    use crate::idempotency::sqlite as idempotency;
    use crate::llm::sqlite as llm;
    #[path = "store.rs"]
    mod store;
    pub use store::*;
}

pub use agent::{Agent, AgentFilter, AgentStatus, CreateAgentInput, UpdateAgentInput};
