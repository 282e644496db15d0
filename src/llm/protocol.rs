//! The languages that model servers speak, and which one a target's server is spoken to in.

use serde_json::Value;

use super::model::{ChatRequest, ModelTarget, ProviderType};
use super::said::{Said, Wrong};
use super::sse::Framing;
use super::{address, anthropic, gemini, ollama, openai, responses};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    ChatCompletions,
    Responses,
    Anthropic,
    Gemini,
    Ollama,
}

/// Takes what a frame of an answer says.
pub(super) type Read = fn(&str, &mut Said) -> Result<(), Wrong>;

impl Protocol {
    /// What the target's type and base URL ask for. Ollama has two faces, and OpenAI too.
    pub(super) fn of(target: &ModelTarget) -> Protocol {
        let ends_with = |path: &str| address::root(target).is_some_and(|root| root.ends_with(path));
        match target.provider_type {
            ProviderType::Anthropic => Protocol::Anthropic,
            ProviderType::Gemini => Protocol::Gemini,
            ProviderType::Ollama if !ends_with("/v1") => Protocol::Ollama,
            _ if ends_with(address::RESPONSES_PATH) => Protocol::Responses,
            _ => Protocol::ChatCompletions,
        }
    }

    /// The body of a streaming call.
    pub(super) fn body(self, target: &ModelTarget, request: &ChatRequest) -> Value {
        let model = &target.model;
        match self {
            Protocol::ChatCompletions => openai::request_body(model, request),
            Protocol::Responses => responses::request_body(model, request),
            Protocol::Anthropic => anthropic::request_body(model, request),
            Protocol::Gemini => gemini::request_body(request),
            Protocol::Ollama => ollama::request_body(target, request),
        }
    }

    pub(super) fn framing(self) -> Framing {
        match self {
            Protocol::Ollama => Framing::Lines,
            _ => Framing::Events,
        }
    }

    pub(super) fn read(self) -> Read {
        match self {
            Protocol::ChatCompletions => openai::read,
            Protocol::Responses => responses::read,
            Protocol::Anthropic => anthropic::read,
            Protocol::Gemini => gemini::read,
            Protocol::Ollama => ollama::read,
        }
    }
}
