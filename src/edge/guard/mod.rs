//! The only way from a text to the schema: it is measured first, then parsed, and the document is kept for the next time.
//!
//! async-graphql's parser recurses, so a short text of nested brackets would overflow the stack and end the process; and a few fragments that
//! spread each other twice keep its validation busy for seconds. Both are refused here, in one pass over the text that does not recurse.

mod outline;
#[cfg(test)]
mod tests;
mod tokens;

use std::sync::{Arc, LazyLock};

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, OperationType};
use async_graphql::{ErrorExtensionValues, Pos, Request, ServerError};
use moka::sync::Cache;

use crate::error::ErrorCode;

/// The largest document, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// The most tokens in a document; punctuation, names and values count, comments do not.
pub const TOKENS_MAX: usize = 10_000;
/// The longest name, in bytes: validation repeats names in each of its messages.
pub const NAME_BYTES_MAX: usize = 256;
/// The most brackets of all kinds inside each other, and the deepest selection with fragments followed.
pub const NESTING_MAX: usize = 32;
/// The most selections, with each use of a fragment counted in full.
pub const SELECTIONS_MAX: usize = 10_000;
/// The largest document that is kept parsed, in bytes.
const CACHED_DOCUMENT_BYTES_MAX: usize = 8 * 1024;
/// How many bytes of text the cache holds in all; the parsed documents take a small multiple of it.
const CACHE_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// What an entry costs besides its text, in bytes.
const CACHE_ENTRY_BYTES: usize = 512;

static DOCUMENTS: LazyLock<Cache<Arc<str>, Arc<ExecutableDocument>>> = LazyLock::new(|| {
    Cache::builder()
        .max_capacity(CACHE_BYTES_MAX)
        .weigher(|text: &Arc<str>, _| u32::try_from(text.len() + CACHE_ENTRY_BYTES).unwrap_or(u32::MAX))
        .build()
});

/// Why a text was refused, and at which byte.
#[derive(Debug)]
struct Fault {
    at: usize,
    message: String,
}

impl Fault {
    fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

/// Reads a text. Errors: `PAYLOAD_TOO_LARGE` for a document over [`DOCUMENT_BYTES_MAX`], `BAD_USER_INPUT` for all else that is wrong with it.
pub fn parse(text: &str) -> Result<Arc<ExecutableDocument>, ServerError> {
    if let Some(document) = DOCUMENTS.get(text) {
        return Ok(document);
    }
    if text.len() > DOCUMENT_BYTES_MAX {
        let error = ServerError::new(format!("The document is larger than {DOCUMENT_BYTES_MAX} bytes"), None);
        return Err(coded(error, ErrorCode::PayloadTooLarge));
    }
    outline::check(text).map_err(|fault| {
        let error =
            ServerError::new(format!("The document was refused: {}", fault.message), Some(position(text, fault.at)));
        coded(error, ErrorCode::BadUserInput)
    })?;
    let document = parse_query(text).map_err(|error| coded(error.into(), ErrorCode::BadUserInput))?;
    let document = Arc::new(document);
    if text.len() <= CACHED_DOCUMENT_BYTES_MAX {
        DOCUMENTS.insert(text.into(), Arc::clone(&document));
    }
    Ok(document)
}

/// Lets a request in: its text, if it passes, becomes the parsed document, and `query` is empty from then on. Errors as in [`parse`].
pub fn admit(mut request: Request) -> Result<Request, ServerError> {
    let document = parse(&std::mem::take(&mut request.query))?;
    request.set_parsed_query(Arc::unwrap_or_clone(document));
    Ok(request)
}

/// What an admitted request asks for; `None` where its operation's name is missing or unknown, which the schema then says.
pub fn operation_type(request: &mut Request) -> Option<OperationType> {
    let name = request.operation_name.clone();
    let operations = &request.parsed_query().ok()?.operations;
    let mut operations = operations
        .iter()
        .filter(|(found, _)| name.is_none() || found.map(async_graphql::Name::as_str) == name.as_deref());
    match (operations.next(), operations.next()) {
        (Some((_, operation)), None) => Some(operation.node.ty),
        _ => None,
    }
}

/// Stamps an error of the edge with its code.
pub(super) fn coded(mut error: ServerError, code: ErrorCode) -> ServerError {
    error.extensions.get_or_insert_with(ErrorExtensionValues::default).set("code", code.to_value());
    error
}

/// The line and column of a byte, both from 1, the column in characters.
fn position(text: &str, at: usize) -> Pos {
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Pos { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
}
