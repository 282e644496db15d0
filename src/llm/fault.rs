//! What can go wrong at a model server: a text that helps the user, and the cause for the log.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::Value;

use super::model::{ModelError, ModelErrorCode, ModelTarget, ProviderType};
use crate::outbound;

/// Characters of what a provider says of its failure that go to the log.
const CAUSE_CHARS_MAX: usize = 500;

/// How providers word that a conversation is too long, in lower case.
const CONTEXT_WORDS: [&str; 7] = [
    "context length",
    "context_length",
    "context window",
    "context size",
    "context_size",
    "prompt is too long",
    "too many tokens",
];
/// How providers word that a filter stopped the request, in lower case.
const FILTER_WORDS: [&str; 4] = ["content_filter", "content filter", "content_policy", "content management policy"];

/// A failure before it is told: `message` goes to the user, `cause` to the log.
pub(super) struct Fault {
    code: ModelErrorCode,
    message: String,
    cause: String,
}

impl Fault {
    /// Logs the cause, once and without the key, and leaves what the user may see.
    pub(super) fn report(self, target: &ModelTarget) -> ModelError {
        let key = target.api_key.as_ref().map(ExposeSecret::expose_secret).filter(|key| !key.is_empty());
        let cause = key.map_or(self.cause.clone(), |key| self.cause.replace(key, "[key]"));
        let cause: String = cause.chars().take(CAUSE_CHARS_MAX).collect();
        tracing::warn!(
            provider = target.provider_type.as_str(),
            model = ?target.model,
            code = ?self.code,
            ?cause,
            "model call failed"
        );
        ModelError { code: self.code, message: self.message }
    }

    /// The request did not reach an answer.
    pub(super) fn unreached(target: &ModelTarget, error: outbound::Error) -> Fault {
        let name = subject(target);
        let hint = if error.is_builder() {
            "has an address or a key that cannot be used. Check OPENAI_BASE_URL and OPENAI_API_KEY."
        } else if error.is_connect() {
            "cannot be connected to. Check that its server runs and that OPENAI_BASE_URL is right."
        } else {
            "closed the connection without an answer. Check that OPENAI_BASE_URL is a model server, and try again."
        };
        let cause = outbound::cause(error);
        Fault { code: ModelErrorCode::Unavailable, message: format!("{name} {hint}"), cause }
    }

    /// No first byte in time.
    pub(super) fn silent(target: &ModelTarget, waited: Duration) -> Fault {
        let seconds = waited.as_secs();
        Fault {
            code: ModelErrorCode::Unavailable,
            message: format!("{} did not begin to answer within {seconds} s. Try again later.", subject(target)),
            cause: format!("no first byte within {waited:?}"),
        }
    }

    /// An answer that broke off, whatever broke it.
    pub(super) fn cut(target: &ModelTarget, cause: impl Into<String>) -> Fault {
        Fault {
            code: ModelErrorCode::Cut,
            message: format!("{} broke off its answer before the end. Try again.", subject(target)),
            cause: cause.into(),
        }
    }

    /// An answer with a good status that is no chat completion.
    pub(super) fn foreign(target: &ModelTarget, cause: impl Into<String>) -> Fault {
        let hint =
            "did not answer as OpenAI's API does. Check that OPENAI_BASE_URL is an API root such as https://host/v1.";
        Fault { code: ModelErrorCode::Unavailable, message: format!("{} {hint}", subject(target)), cause: cause.into() }
    }

    /// An HTTP status that is no success, with its body.
    pub(super) fn status(target: &ModelTarget, status: u16, body: &str) -> Fault {
        let cause = format!("HTTP {status}: {}", told(body));
        if (400..500).contains(&status)
            && let Some(fault) = Fault::by_words(target, body, &cause)
        {
            return fault;
        }
        let hint = match (status, target.provider_type) {
            (300..=399, _) => "sends to another address. Check OPENAI_BASE_URL.",
            (401 | 403, ProviderType::Openai) => "does not accept the key. Check OPENAI_API_KEY.",
            (401 | 403, _) => "does not accept the key. Check OPENAI_API_KEY and OPENAI_BASE_URL.",
            (404, _) => {
                "is not known at its server. Check the model's name and that OPENAI_BASE_URL is an API root such as https://host/v1."
            }
            (413, _) => "takes no request of this size. Send less, or a smaller image.",
            (429, _) => {
                "takes no more requests for now. Try again later, and check the limits of the provider's account."
            }
            (400..=499, _) => {
                "did not accept the request. Check the model's name and that it takes chat and, where sent, images."
            }
            _ => "has a failure at its provider. Try again later.",
        };
        let message = format!("{} {hint} (HTTP {status})", subject(target));
        Fault { code: ModelErrorCode::Unavailable, message, cause }
    }

    /// A failure told inside an answer that had begun with a good status.
    pub(super) fn told(target: &ModelTarget, error: &Value) -> Fault {
        let body = error.to_string();
        let cause = format!("in the stream: {}", told(&body));
        Fault::by_words(target, &body, &cause).unwrap_or_else(|| Fault {
            code: ModelErrorCode::Unavailable,
            message: format!("{} told of a failure at its provider. Try again later.", subject(target)),
            cause,
        })
    }

    /// The failures that providers tell by words only.
    fn by_words(target: &ModelTarget, body: &str, cause: &str) -> Option<Fault> {
        let body = body.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| body.contains(word));
        let (code, hint) = if says(&CONTEXT_WORDS) {
            let hint = "cannot take a conversation of this length. Start a new session, send less, or choose a model with a larger context.";
            (ModelErrorCode::ContextTooLong, hint)
        } else if says(&FILTER_WORDS) {
            (ModelErrorCode::Refused, "declined: its provider's content filter stopped the request.")
        } else {
            return None;
        };
        Some(Fault { code, message: format!("{} {hint}", subject(target)), cause: cause.to_owned() })
    }
}

/// Names the model; a target without one stands for its provider (as when it is asked for the list of its models).
fn subject(target: &ModelTarget) -> String {
    match target.model.as_str() {
        "" => format!("The model provider ({})", target.provider_type),
        model => format!("The model {model} ({})", target.provider_type),
    }
}

/// What a provider says of its failure: its message, type and code where the body has OpenAI's shape, else the body.
fn told(body: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(body) else {
        return body.to_owned();
    };
    let error = value.get("error").unwrap_or(&value);
    let fields = ["message", "type", "code"].map(|name| error.get(name).filter(|field| !field.is_null()));
    let texts: Vec<String> = fields.into_iter().flatten().map(Value::to_string).collect();
    if texts.is_empty() { body.to_owned() } else { texts.join(", ") }
}
