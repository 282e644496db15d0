//! Where a target's server is called, and how a call shows its key: always in a header, never in the address.

use std::fmt::Write;

use http::HeaderValue;
use secrecy::ExposeSecret;

use super::model::{ModelTarget, ProviderType};
use super::protocol::Protocol;
use super::{anthropic, azure, gemini};
use crate::outbound;

/// How a base URL ends that names OpenAI's Responses themselves.
pub(super) const RESPONSES_PATH: &str = "/responses";

/// The API root; `None` where the target names none and its type has no public one.
pub(super) fn root(target: &ModelTarget) -> Option<&str> {
    let public = match target.provider_type {
        ProviderType::Openai => Some("https://api.openai.com/v1"),
        ProviderType::Anthropic => Some("https://api.anthropic.com/v1"),
        ProviderType::Gemini => Some("https://generativelanguage.googleapis.com/v1beta"),
        ProviderType::Ollama => Some("http://localhost:11434"),
        ProviderType::AzureOpenai | ProviderType::OpenaiCompatible | ProviderType::Llmsim => None,
    };
    target.base_url.as_deref().or(public).map(|root| root.trim_end_matches('/'))
}

/// Where a call goes.
pub(super) fn of_call(target: &ModelTarget, protocol: Protocol) -> Option<String> {
    let root = root(target)?;
    Some(match protocol {
        Protocol::Responses if root.ends_with(RESPONSES_PATH) => root.to_owned(),
        Protocol::Responses => format!("{root}{RESPONSES_PATH}"),
        Protocol::ChatCompletions if target.provider_type == ProviderType::AzureOpenai => {
            azure::endpoint(root, &target.model)
        }
        Protocol::ChatCompletions => format!("{root}/chat/completions"),
        Protocol::Anthropic => format!("{root}/messages"),
        Protocol::Gemini => {
            format!("{root}/models/{}:streamGenerateContent?alt=sse", segment(gemini::short_name(&target.model)))
        }
        Protocol::Ollama => format!("{root}/api/chat"),
    })
}

/// Where the list of the provider's models is.
pub(super) fn of_list(target: &ModelTarget) -> Option<String> {
    let root = root(target)?;
    Some(match Protocol::of(target) {
        Protocol::Ollama => format!("{root}/api/tags"),
        Protocol::Gemini => format!("{root}/models?pageSize=1000"),
        _ => format!("{}/models", root.strip_suffix(RESPONSES_PATH).unwrap_or(root)),
    })
}

/// Shows the key, where there is one, as the target's type asks.
pub(super) fn authorized(request: outbound::RequestBuilder, target: &ModelTarget) -> outbound::RequestBuilder {
    let (request, header) = match target.provider_type {
        ProviderType::Anthropic => (request.header(anthropic::VERSION_HEADER, anthropic::VERSION), "x-api-key"),
        ProviderType::Gemini => (request, "x-goog-api-key"),
        ProviderType::AzureOpenai => (request, "api-key"),
        _ => (request, ""),
    };
    match target.api_key.as_ref().map(ExposeSecret::expose_secret) {
        None => request,
        Some(key) if header.is_empty() => request.bearer_auth(key),
        Some(key) => match HeaderValue::from_str(key) {
            Ok(mut value) => {
                value.set_sensitive(true);
                request.header(header, value)
            }
            // Refused when the request is sent, with a text that helps.
            Err(_) => request.header(header, key),
        },
    }
}

/// A text as one segment of a path.
pub(super) fn segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~:".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    segment
}
