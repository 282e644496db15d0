//! Language models: what a call and its answer are, who answers, and the clients that ask.
//!
//! In reading order: `model` (the words), `models` (which one answers), `openai` (the network, with
//! `openai_answer`, `openai_wire`, `halves`, `frames`, `sse` and `fault`), `llmsim` (the simulator; `llmsim_script`
//! says how it is steered).

mod fault;
mod frames;
mod halves;
mod llmsim;
mod llmsim_script;
mod model;
mod models;
mod openai;
mod openai_answer;
mod openai_wire;
mod sse;

pub use model::{
    ChatMessage, ChatPart, ChatRequest, ModelClient, ModelEnd, ModelError, ModelErrorCode, ModelPiece, ModelStop,
    ModelTarget, ModelTimeouts, ModelToolCall, ProviderType, TokenUsage, ToolDefinition, ToolResult,
};
pub use models::Models;
