//! How providers and models are asked for.

pub mod models;
pub mod providers;

pub use models::{LlmModelById, LlmModelMutation, LlmModelQuery, find_named};
pub use providers::{LlmProviderById, LlmProviderMutation, LlmProviderQuery};
