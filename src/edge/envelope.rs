//! The JSON around an operation, the same on every transport: how a request is read, and what is printed of a response.

use std::collections::BTreeMap;

use async_graphql::{PathSegment, Request, Response, ServerError, Value, Variables};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::guard::coded;
use crate::error::{ErrorCode, RETRY_AFTER_SECONDS};

/// The most errors that a response shows: a document of many small mistakes must not cost a large answer.
const ERRORS_MAX: usize = 100;

/// A response as it is printed: what was refused before it ran has no `data` at all.
#[derive(Serialize)]
pub(super) struct Printed<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "Option::is_none")]
    extensions: Option<&'a BTreeMap<String, Value>>,
}

impl<'a> Printed<'a> {
    pub(super) fn new(response: &'a Response) -> Self {
        Self {
            data: (!is_request_error(response)).then_some(&response.data),
            errors: shown(&response.errors),
            extensions: Some(&response.extensions).filter(|extensions| !extensions.is_empty()),
        }
    }
}

/// The errors that a response shows.
pub(super) fn shown(errors: &[ServerError]) -> &[ServerError] {
    &errors[..errors.len().min(ERRORS_MAX)]
}

/// Whether an operation was refused as a whole, before any field of it ran. Only an error of a field has a path.
pub(super) fn is_request_error(response: &Response) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// Whether a subscription could not be opened: its first response is nothing but an error, of no field or of the root field itself.
pub(super) fn is_refused_subscription(response: &Response) -> bool {
    let of_the_root = |path: &[PathSegment]| path.len() <= 1;
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| of_the_root(&error.path))
}

/// What the extensions of the first error say under this name.
pub(super) fn of_first<'a>(response: &'a Response, name: &str) -> Option<&'a Value> {
    response.errors.first()?.extensions.as_ref()?.get(name)
}

/// An error of the edge itself.
pub(super) fn refusal(code: ErrorCode, message: impl Into<String>) -> ServerError {
    coded(ServerError::new(message, None), code)
}

/// The same, of what passes: it says when to try again.
pub(super) fn refusal_for_now(code: ErrorCode, message: impl Into<String>) -> ServerError {
    let mut error = refusal(code, message);
    if let Some(extensions) = &mut error.extensions {
        extensions.set("retryAfter", RETRY_AFTER_SECONDS);
    }
    error
}

/// Reads `query`, `operationName`, `variables` and `extensions`; other members are ignored. Errors: `BAD_USER_INPUT` with the member as `field`.
pub(super) fn read_request(json: Json) -> Result<Request, ServerError> {
    let Json::Object(mut members) = json else {
        return Err(refusal(ErrorCode::BadUserInput, "The request must be one JSON object; batches are not taken"));
    };
    let Some(Json::String(query)) = members.remove("query") else { return Err(malformed("query", "a string")) };
    let mut request = Request::new(query);
    request.operation_name = match members.remove("operationName") {
        None | Some(Json::Null) => None,
        Some(Json::String(name)) => Some(name),
        Some(_) => return Err(malformed("operationName", "a string")),
    };
    request.variables = Variables::from_json(Json::Object(read_object(&mut members, "variables")?));
    request.extensions = serde_json::from_value(Json::Object(read_object(&mut members, "extensions")?))
        .map_err(|_| malformed("extensions", "an object"))?;
    Ok(request)
}

fn read_object(members: &mut Map<String, Json>, field: &'static str) -> Result<Map<String, Json>, ServerError> {
    match members.remove(field) {
        None | Some(Json::Null) => Ok(Map::new()),
        Some(Json::Object(object)) => Ok(object),
        Some(_) => Err(malformed(field, "an object")),
    }
}

fn malformed(field: &'static str, expected: &str) -> ServerError {
    let mut error = refusal(ErrorCode::BadUserInput, format!("`{field}` must be {expected}"));
    if let Some(extensions) = &mut error.extensions {
        extensions.set("field", field);
    }
    error
}
