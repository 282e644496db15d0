//! Errors that async-graphql raises itself: gives them our code and reads from their text which part of the input they are about.
//!
//! The texts are those of the pinned version; `tests/bad_input.rs` fails when another one words them differently.

use async_graphql::{ErrorExtensionValues, ServerError};

use crate::error::ErrorCode;
use crate::validate::words;

const ARGUMENT: &str = "Invalid value for argument \"";
const EXPECTED: &str = "expected type \"";

/// Stamps an error that carries no code: the library's are all about the request.
pub(crate) fn stamp(error: &mut ServerError) {
    let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
    if extensions.get("code").is_some() {
        return;
    }
    extensions.set("code", ErrorCode::BadUserInput.to_value());
    if let Some(variable) = undefined(&error.message).map(str::to_owned) {
        error.message = format!("{} is required", words(&variable));
        extensions.set("field", variable);
        return;
    }
    let Some((path, reason)) = error.message.strip_prefix(ARGUMENT).and_then(|rest| rest.split_once("\", ")) else {
        return;
    };
    let required = reason.strip_suffix("is required but not provided").and_then(|_| quoted(reason));
    let unknown = reason.strip_prefix("unknown ").and_then(quoted);
    let field = match required.or(unknown) {
        Some(inner) => format!("{path}.{inner}"),
        None => path.to_owned(),
    };
    // A place in a list is no name.
    let named = |part: &&str| part.parse::<usize>().is_err();
    let name = words(field.rsplit('.').find(named).unwrap_or(&field));
    error.message = match reason.strip_prefix(EXPECTED).and_then(|rest| rest.strip_suffix('"')) {
        Some("ID") => format!("{name} must be an id: a UUID"),
        Some("EventCursor") => format!("{name} must be an event cursor: <sequence>.<offset>"),
        Some("Scope") => format!("{name} must be of agents:read, agents:write, sessions:read, sessions:write"),
        Some(expected) => format!("{name} must be of type {expected}"),
        None if required.is_some() => format!("{name} is required"),
        None if unknown.is_some() => format!("{name} is not known here"),
        None => format!("{name}: {reason}"),
    };
    extensions.set("field", field);
}

/// The variable that an operation needs and a caller did not give.
fn undefined(message: &str) -> Option<&str> {
    message.strip_prefix("Variable ")?.strip_suffix(" is not defined.")
}

/// The first text in double quotes.
fn quoted(text: &str) -> Option<&str> {
    text.split('"').nth(1)
}
