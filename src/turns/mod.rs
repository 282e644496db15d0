//! Turns: from one user message to quiet again, in steps (model calls) that may call tools.

pub mod graphql;
mod signals;
mod step;
#[path = "."]
pub mod postgres {
    use crate::db::postgres as backend;
    use crate::events::postgres as events;
    #[path = "step_store.rs"]
    mod step_store;
    #[path = "store.rs"]
    mod store;
    #[path = "tool_store.rs"]
    mod tool_store;
    pub use step_store::*;
    pub use store::*;
    pub use tool_store::*;
}
#[path = "."]
pub mod sqlite {
    use crate::db::sqlite as backend;
    use crate::events::sqlite as events;
    #[path = "step_store.rs"]
    mod step_store;
    #[path = "store.rs"]
    mod store;
    #[path = "tool_store.rs"]
    mod tool_store;
    pub use step_store::*;
    pub use store::*;
    pub use tool_store::*;
}
mod turn;

pub use signals::{Held, Running, Signals, Stop};
pub use step::{Step, StepStatus, ToolCall, ToolCallStatus, Usage};
pub use turn::{Claim, Claimed, Turn, TurnError, TurnStatus};
