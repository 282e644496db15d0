//! What can go wrong at a model server: a text that helps the user, and the cause for the log.

use std::time::Duration;

use http::HeaderMap;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::model::{ModelError, ModelErrorCode, ModelTarget, ProviderType, Retry};
use super::retry_after::retry_after;
use crate::outbound;

/// Characters of what a provider says of its failure that go to the log.
const CAUSE_CHARS_MAX: usize = 500;

/// How providers word that a conversation is too long, in lower case.
const CONTEXT_WORDS: [&str; 10] = [
    "context length",
    "context_length",
    "context limit",
    "context window",
    "context size",
    "context_size",
    "prompt is too long",
    "input is too long",
    "too many tokens",
    "exceeds the maximum number of tokens",
];
/// How providers word that a filter stopped the request, in lower case.
const FILTER_WORDS: [&str; 6] = [
    "content_filter",
    "content filter",
    "content_policy",
    "content management policy",
    "responsibleaipolicy",
    "prohibited_content",
];
/// How providers word, in lower case, that they do not know the key, where their status does not say so.
const KEY_WORDS: [&str; 3] = ["api_key_invalid", "api key not valid", "invalid_api_key"];
/// How providers word in lower case that they have too much to do.
const OVERLOAD_WORDS: [&str; 3] = ["overloaded", "resource_exhausted", "rate_limit"];

/// How providers word in lower case that an account is used up, by the status of one who is busy.
const QUOTA_WORDS: [&str; 2] = ["insufficient_quota", "billing_hard_limit_reached"];
/// How providers word in lower case, inside an answer, that the request itself is wrong.
const REQUEST_WORDS: [&str; 6] =
    ["invalid_request", "invalid_argument", "authentication_error", "permission", "not_found", "not found"];

/// May be sent once more at any time.
const AT_ANY_TIME: Retry = Retry::Worth { after: None };

/// What the user calls the settings that lead to the provider.
struct Settings {
    base_url: &'static str,
    key: &'static str,
}

const DECLINED: &str = "declined: its provider's content filter stopped the request.";

/// A failure before it is told: `message` goes to the user, `cause` to the log.
pub(super) struct Fault {
    code: ModelErrorCode,
    message: String,
    cause: String,
    retry: Retry,
    /// Nobody answered as long as the request was fine: what speaks against the server itself.
    pub(super) server_failed: bool,
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
        ModelError { code: self.code, message: self.message, retry: self.retry }
    }

    /// A failure that another try would meet again, and that says nothing of the server.
    fn lasting(code: ModelErrorCode, message: String, cause: impl Into<String>) -> Fault {
        Fault { code, message, cause: cause.into(), retry: Retry::Never, server_failed: false }
    }

    /// The same where a piece of an answer was given already: nobody says it twice.
    pub(super) fn after_a_piece(self) -> Fault {
        Fault { retry: Retry::Never, ..self }
    }

    /// The target has no address.
    pub(super) fn unaddressed(target: &ModelTarget) -> Fault {
        let message = format!("{} has no address. Set {}.", subject(target), settings(target).base_url);
        Fault::lasting(ModelErrorCode::Unavailable, message, "no base URL")
    }

    /// The model failed so often that it is left alone for `wait` more; zero while one call tries it again.
    pub(super) fn resting(target: &ModelTarget, wait: Duration) -> Fault {
        let when = match wait.as_millis().div_ceil(1000) {
            0 => "One call is trying it again just now; send the message again in a while.".to_owned(),
            seconds => format!("It is tried again in {seconds} s at the earliest; send the message again then."),
        };
        let message = format!("{} has failed several times in a row. {when}", subject(target));
        Fault::lasting(ModelErrorCode::Unavailable, message, "not asked: its circuit is open")
    }

    /// The request did not reach an answer.
    pub(super) fn unreached(target: &ModelTarget, error: outbound::Error) -> Fault {
        let (name, Settings { base_url, key }) = (subject(target), settings(target));
        let message = if error.is_builder() {
            format!("{name} has an address or a key that cannot be used. Check {base_url} and {key}.")
        } else if error.is_connect() {
            format!("{name} cannot be connected to. Check that its server runs and that {base_url} is right.")
        } else {
            format!(
                "{name} closed the connection without an answer. Check that {base_url} is a model server, and try again."
            )
        };
        // What our own rules forbid is no fault of the server.
        let server_failed = !error.is_builder() && !outbound::is_refused(&error);
        let retry = if server_failed { AT_ANY_TIME } else { Retry::Never };
        Fault { code: ModelErrorCode::Unavailable, message, cause: outbound::cause(error), retry, server_failed }
    }

    /// No first byte in time.
    pub(super) fn silent(target: &ModelTarget, waited: Duration) -> Fault {
        let seconds = waited.as_secs();
        Fault {
            code: ModelErrorCode::Unavailable,
            message: format!("{} did not begin to answer within {seconds} s. Try again later.", subject(target)),
            cause: format!("no first byte within {waited:?}"),
            retry: AT_ANY_TIME,
            server_failed: true,
        }
    }

    /// An answer that broke off, whatever broke it.
    pub(super) fn cut(target: &ModelTarget, cause: impl Into<String>) -> Fault {
        Fault {
            code: ModelErrorCode::Cut,
            message: format!("{} broke off its answer before the end. Try again.", subject(target)),
            cause: cause.into(),
            retry: AT_ANY_TIME,
            server_failed: true,
        }
    }

    /// The provider declined, with a good status.
    pub(super) fn declined(target: &ModelTarget, cause: impl Into<String>) -> Fault {
        Fault::lasting(ModelErrorCode::Refused, format!("{} {DECLINED}", subject(target)), cause)
    }

    /// An answer with a good status that is none of the target's protocol.
    pub(super) fn foreign(target: &ModelTarget, cause: impl Into<String>) -> Fault {
        let message = format!(
            "{} did not answer as {} does. Check that {} is an API root such as {}.",
            subject(target),
            api(target),
            settings(target).base_url,
            root_sample(target)
        );
        Fault::lasting(ModelErrorCode::Unavailable, message, cause)
    }

    /// An HTTP status that is no success, with its headers and body.
    pub(super) fn status(target: &ModelTarget, status: u16, headers: &HeaderMap, body: &str) -> Fault {
        let cause = format!("HTTP {status}: {}", told(body));
        // Whoever sends too much at a time is told of tokens, too, but not of too long a conversation.
        if (400..500).contains(&status)
            && status != 429
            && let Some(fault) = Fault::by_words(target, body, &cause)
        {
            return fault;
        }
        let Settings { base_url, key } = settings(target);
        let bad_key = matches!(status, 401 | 403) || status == 400 && says(&body.to_lowercase(), &KEY_WORDS);
        let hint = match status {
            300..=399 => format!("sends to another address. Check {base_url}."),
            _ if bad_key && target.base_url.is_none() => format!("does not accept the key. Check {key}."),
            _ if bad_key => format!("does not accept the key. Check {key} and {base_url}."),
            404 => format!(
                "is not known at its server. Check the model's name and that {base_url} is an API root such as {}.",
                root_sample(target)
            ),
            413 => "takes no request of this size. Send less, or a smaller image.".to_owned(),
            402 | 429 => {
                "takes no more requests for now. Try again later, and check the limits of the provider's account."
                    .to_owned()
            }
            400..=499 => {
                "did not accept the request. Check the model's name and that it takes chat and, where sent, tools and images."
                    .to_owned()
            }
            503 | 529 => "has too much to do at its provider. Try again later.".to_owned(),
            _ => "has a failure at its provider. Try again later.".to_owned(),
        };
        let message = format!("{} {hint} (HTTP {status})", subject(target));
        let used_up = says(&body.to_lowercase(), &QUOTA_WORDS);
        let retry = match status {
            408 | 429 | 500..=599 if !used_up => Retry::Worth { after: retry_after(headers, body) },
            _ => Retry::Never,
        };
        Fault { code: ModelErrorCode::Unavailable, message, cause, retry, server_failed: status >= 500 }
    }

    /// A failure told inside an answer that had begun with a good status.
    pub(super) fn told(target: &ModelTarget, error: &Value) -> Fault {
        let body = error.to_string();
        let cause = format!("in the stream: {}", told(&body));
        Fault::by_words(target, &body, &cause).unwrap_or_else(|| {
            let words = body.to_lowercase();
            let busy = says(&words, &OVERLOAD_WORDS);
            let hint = if busy {
                "has too much to do at its provider. Try again later."
            } else {
                "told of a failure at its provider. Try again later."
            };
            let lasting =
                says(&words, &QUOTA_WORDS) || !busy && (says(&words, &REQUEST_WORDS) || says(&words, &KEY_WORDS));
            let after = retry_after(&HeaderMap::new(), &body);
            let retry = if lasting { Retry::Never } else { Retry::Worth { after } };
            let message = format!("{} {hint}", subject(target));
            Fault { code: ModelErrorCode::Unavailable, message, cause, retry, server_failed: false }
        })
    }

    /// The failures that providers tell by words only.
    fn by_words(target: &ModelTarget, body: &str, cause: &str) -> Option<Fault> {
        let body = body.to_lowercase();
        let (code, hint) = if says(&body, &CONTEXT_WORDS) {
            let hint = "cannot take a conversation of this length. Start a new session, send less, or choose a model with a larger context.";
            (ModelErrorCode::ContextTooLong, hint)
        } else if says(&body, &FILTER_WORDS) {
            (ModelErrorCode::Refused, DECLINED)
        } else {
            return None;
        };
        Some(Fault::lasting(code, format!("{} {hint}", subject(target)), cause))
    }
}

fn says(body: &str, words: &[&str]) -> bool {
    words.iter().any(|word| body.contains(word))
}

/// The operator's provider comes from the environment; every other one is stored.
fn settings(target: &ModelTarget) -> Settings {
    let (base_url, key) = match (target.by_operator(), target.provider_type) {
        (true, ProviderType::Openai | ProviderType::OpenaiCompatible) => ("OPENAI_BASE_URL", "OPENAI_API_KEY"),
        (true, ProviderType::Anthropic) => ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"),
        (true, ProviderType::Gemini) => ("GEMINI_BASE_URL", "GEMINI_API_KEY"),
        _ => ("the provider's base URL", "the provider's key"),
    };
    Settings { base_url, key }
}

fn api(target: &ModelTarget) -> &'static str {
    match target.provider_type {
        ProviderType::Anthropic => "Anthropic's API",
        ProviderType::Gemini => "Gemini's API",
        ProviderType::Ollama => "Ollama's API",
        _ => "OpenAI's API",
    }
}

fn root_sample(target: &ModelTarget) -> &'static str {
    match target.provider_type {
        ProviderType::Gemini => "https://host/v1beta",
        ProviderType::Ollama => "http://host:11434",
        ProviderType::AzureOpenai => "https://host/openai/v1",
        _ => "https://host/v1",
    }
}

/// Names the model; a target without one stands for its provider (as when it is asked for the list of its models).
fn subject(target: &ModelTarget) -> String {
    match target.model.as_str() {
        "" => format!("The model provider ({})", target.provider_type),
        model => format!("The model {model} ({})", target.provider_type),
    }
}

/// What a provider says of its failure: its message, type, code and status where the body has a shape like OpenAI's,
/// Anthropic's or Gemini's, else the body.
fn told(body: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(body) else {
        return body.to_owned();
    };
    let error = value.get("error").unwrap_or(&value);
    let fields = ["message", "type", "code", "status"].map(|name| error.get(name).filter(|field| !field.is_null()));
    let texts: Vec<String> = fields.into_iter().flatten().map(Value::to_string).collect();
    if texts.is_empty() { body.to_owned() } else { texts.join(", ") }
}
