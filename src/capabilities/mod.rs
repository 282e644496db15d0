//! Capabilities: what can be switched on for an agent. Each gives its models tools; how a tool runs stands in `runner::tools`.

mod capability;
pub mod graphql;
#[path = "."]
pub mod postgres {
    use crate::db::postgres as backend;
    #[path = "store.rs"]
    mod store;
    pub use store::*;
}
mod registry;
#[path = "."]
pub mod sqlite {
    use crate::db::sqlite as backend;
    #[path = "store.rs"]
    mod store;
    pub use store::*;
}

pub use capability::{AgentCapability, Capability, CapabilityStatus, Tool, check};
pub use registry::{all, find, tools_of};
