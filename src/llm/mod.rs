//! Language models: what a call and its answer are, who answers, and the clients that ask.
//!
//! In reading order: `provider` and `stored_model` (what users keep, with `provider_store`, `model_store` and `graphql`), `model` (the words of a
//! call), `models` (which one answers), `network` (the call, with `protocol`, `address`, `listed` and `answer`), a file for each protocol
//! (`openai`, `responses`, `anthropic`, `gemini`, `ollama`; `azure` has addresses only), what they share (`said`, `calls`, `halves`, `frames`,
//! `sse`, `fault`, `retry_after` and `circuit`), and `llmsim` (the simulator; `llmsim_script` says how it is steered).

mod address;
mod anthropic;
mod answer;
mod azure;
mod calls;
mod circuit;
mod fault;
pub mod graphql;
mod frames;
mod gemini;
mod halves;
mod listed;
mod llmsim;
mod llmsim_script;
mod model;
mod models;
mod network;
mod ollama;
mod openai;
#[path = "."]
pub mod postgres {
    use crate::db::postgres as backend;
    use crate::idempotency::postgres as idempotency;
    #[path = "model_store.rs"]
    mod model_store;
    #[path = "provider_store.rs"]
    mod provider_store;
    pub use model_store::*;
    pub use provider_store::*;
}
mod provider;
#[path = "."]
pub mod sqlite {
    use crate::db::sqlite as backend;
    use crate::idempotency::sqlite as idempotency;
    #[path = "model_store.rs"]
    mod model_store;
    #[path = "provider_store.rs"]
    mod provider_store;
    pub use model_store::*;
    pub use provider_store::*;
}
mod protocol;
mod responses;
mod retry_after;
mod said;
mod sse;
mod stored_model;

pub use model::{
    ChatMessage, ChatPart, ChatRequest, ModelClient, ModelEnd, ModelError, ModelErrorCode, ModelPiece, ModelStop,
    ModelTarget, ModelTimeouts, ModelToolCall, ProviderType, Retry, TokenUsage, ToolDefinition, ToolResult,
};
pub use models::{ModelChoices, Models};
pub use provider::{
    CreateLlmProviderInput, LlmProvider, LlmStatus, PROVIDERS_MAX, ProviderRules, SealedKey, UpdateLlmProviderInput,
};
pub use stored_model::{CreateLlmModelInput, LlmModel, LlmModelFilter, MODELS_MAX, StoredTarget, UpdateLlmModelInput};
