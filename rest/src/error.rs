//! Errors: the one decision REST makes, from a code to a status, and the body that every refusal has.

use std::{borrow::Cow, error::Error as StdError, fmt::Display};

use async_graphql::{ErrorExtensionValues, ServerError, Value};
use axum::{
    Json,
    extract::{
        path::ErrorKind,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::operations::KEY_VARIABLE;

const BAD_USER_INPUT: &str = "BAD_USER_INPUT";
const NOT_FOUND: &str = "NOT_FOUND";
const PAYLOAD_TOO_LARGE: &str = "PAYLOAD_TOO_LARGE";
const INTERNAL_SERVER_ERROR: &str = "INTERNAL_SERVER_ERROR";
const UNAVAILABLE: &str = "UNAVAILABLE";

/// The status of each code of the schema's `ErrorCode`.
const STATUSES: [(&str, StatusCode); 11] = [
    (BAD_USER_INPUT, StatusCode::BAD_REQUEST),
    ("UNAUTHENTICATED", StatusCode::UNAUTHORIZED),
    ("FORBIDDEN", StatusCode::FORBIDDEN),
    (NOT_FOUND, StatusCode::NOT_FOUND),
    ("CONFLICT", StatusCode::CONFLICT),
    ("SESSION_BUSY", StatusCode::CONFLICT),
    ("IDEMPOTENCY_KEY_REUSED", StatusCode::CONFLICT),
    (PAYLOAD_TOO_LARGE, StatusCode::PAYLOAD_TOO_LARGE),
    ("RATE_LIMITED", StatusCode::TOO_MANY_REQUESTS),
    (INTERNAL_SERVER_ERROR, StatusCode::INTERNAL_SERVER_ERROR),
    (UNAVAILABLE, StatusCode::SERVICE_UNAVAILABLE),
];

/// A code that the schema does not have.
const UNKNOWN: (&str, StatusCode) = (INTERNAL_SERVER_ERROR, StatusCode::INTERNAL_SERVER_ERROR);

/// What every answer that is not 2xx says.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"error": "agent not found", "status": 404, "code": "NOT_FOUND", "field": "agent_id"}))]
pub(crate) struct Error {
    /// What is wrong, for people.
    error: Cow<'static, str>,
    /// The HTTP status.
    status: u16,
    /// What is wrong, for programs: an `ErrorCode` of the GraphQL schema.
    code: &'static str,
    /// The field of the body, or the parameter, that is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    field: Option<String>,
    #[serde(skip)]
    retry_after_seconds: Option<u64>,
}

impl Error {
    /// An error of the GraphQL answer. The library's own carry no code: they mean a bad request.
    pub(crate) fn answered(error: ServerError, id_name: &str) -> Self {
        let extensions = error.extensions.as_ref();
        let code = text_of(extensions, "code").unwrap_or(BAD_USER_INPUT);
        let (code, status) = STATUSES.into_iter().find(|(known, _)| *known == code).unwrap_or(UNKNOWN);
        Self {
            field: text_of(extensions, "field").map(|path| rest_spelling(path, id_name)),
            retry_after_seconds: match extensions.and_then(|extensions| extensions.get("retryAfter")) {
                Some(Value::Number(seconds)) => seconds.as_u64(),
                _ => None,
            },
            ..Self::new(status, code, error.message)
        }
    }

    /// Whether it says that the caller proved nobody.
    pub(crate) fn is_unauthenticated(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED.as_u16()
    }

    /// What the path names is not there.
    pub(crate) fn missing(what: &str, field: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, NOT_FOUND, format!("{what} not found")).at(field)
    }

    pub(crate) fn unknown_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, NOT_FOUND, "there is nothing at this path")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, BAD_USER_INPUT, "this path does not take this method")
    }

    /// The server gave a stream up before it began.
    pub(crate) fn no_stream() -> Self {
        Self {
            retry_after_seconds: Some(1),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE, "no stream now")
        }
    }

    /// What only a mistake in this crate can cause, so its text stays here.
    pub(crate) fn internal(_cause: impl Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_SERVER_ERROR, "internal server error")
    }

    /// How a refusal with this status looks: for the statuses of the list, with the first code that has it.
    pub(crate) fn example(status: StatusCode, error: &'static str) -> Self {
        let code = STATUSES.iter().find(|(_, of_code)| *of_code == status).map_or(BAD_USER_INPUT, |(code, _)| code);
        Self::new(status, code, error)
    }

    fn new(status: StatusCode, code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self { error: error.into(), status: status.as_u16(), code, field: None, retry_after_seconds: None }
    }

    fn at(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// A value of the wrong shape, with the field that serde was in.
    fn unfit<E: Display>(error: &serde_path_to_error::Error<E>) -> Self {
        let text = error.inner().to_string();
        // Outside of every field the path is ".", and "?" where JSON breaks off before a field's name.
        let inside = Some(error.path().to_string()).filter(|path| path != "." && path != "?");
        let field = match (inside, named_in(&text)) {
            (Some(outer), Some(name)) => Some(format!("{outer}.{name}")),
            (Some(path), None) => Some(path),
            (None, name) => name.map(str::to_owned),
        };
        Self { field, ..Self::new(StatusCode::BAD_REQUEST, BAD_USER_INPUT, text) }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after_seconds = self.retry_after_seconds;
        let mut response = (status, Json(self)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}

impl From<JsonRejection> for Error {
    fn from(rejection: JsonRejection) -> Self {
        match cause::<serde_path_to_error::Error<serde_json::Error>>(&rejection) {
            Some(error) => Self::unfit(error),
            None if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Self::new(rejection.status(), PAYLOAD_TOO_LARGE, rejection.body_text())
            }
            None => Self::new(rejection.status(), BAD_USER_INPUT, rejection.body_text()),
        }
    }
}

impl From<QueryRejection> for Error {
    fn from(rejection: QueryRejection) -> Self {
        match cause::<serde_path_to_error::Error<serde::de::value::Error>>(&rejection) {
            Some(error) => Self::unfit(error),
            None => Self::new(StatusCode::BAD_REQUEST, BAD_USER_INPUT, rejection.body_text()),
        }
    }
}

impl From<PathRejection> for Error {
    fn from(rejection: PathRejection) -> Self {
        let error = Self::new(StatusCode::BAD_REQUEST, BAD_USER_INPUT, rejection.body_text());
        match &rejection {
            PathRejection::FailedToDeserializePathParams(cause) => match cause.kind() {
                ErrorKind::InvalidUtf8InPathParam { key } => error.at(key),
                // Ids are texts to the path, so this is a word out of a closed list: there is nothing by another one.
                ErrorKind::DeserializeError { .. } | ErrorKind::Message(_) => Self::unknown_path(),
                _ => error,
            },
            _ => error,
        }
    }
}

/// Segments of a path into a GraphQL input that REST's bodies do not have.
const ONLY_IN_GRAPHQL: [&str; 3] = ["input", "filter", "image"];

/// A field's path as REST writes it: `input.systemPrompt` is `system_prompt`, `first` is `limit`, `id` is what the
/// route calls it, the idempotency key is its header, and a place in a list stands in brackets, as where a body is of the wrong shape.
fn rest_spelling(path: &str, id_name: &str) -> String {
    let mut spelled = String::with_capacity(path.len() + 4);
    for segment in path.split('.').filter(|segment| !ONLY_IN_GRAPHQL.contains(segment)) {
        if segment.bytes().all(|byte| byte.is_ascii_digit()) {
            spelled += &format!("[{segment}]");
            continue;
        }
        if !spelled.is_empty() {
            spelled.push('.');
        }
        match segment {
            "id" => spelled.push_str(id_name),
            "first" | "last" => spelled.push_str("limit"),
            KEY_VARIABLE => spelled.push_str("Idempotency-Key"),
            _ => spelled.push_str(&snake_case(segment)),
        }
    }
    spelled
}

/// `systemPrompt` and `SystemPrompt` are `system_prompt`.
pub(crate) fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if character.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

/// serde stands at the parent when a field is missing or repeated; only its text says which.
fn named_in(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("missing field `").or_else(|| text.strip_prefix("duplicate field `"))?;
    rest.split('`').next()
}

fn text_of<'a>(extensions: Option<&'a ErrorExtensionValues>, key: &str) -> Option<&'a str> {
    match extensions?.get(key)? {
        Value::String(text) => Some(text),
        Value::Enum(name) => Some(name),
        _ => None,
    }
}

/// The cause of this type in an error's chain of causes.
fn cause<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
