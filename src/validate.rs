//! Checks of what callers write: every limit by name, every refusal with its field.

use async_graphql::MaybeUndefined;

use crate::error::{Error, Result};

/// Characters of a name or title.
pub const NAME_CHARACTERS_MAX: usize = 255;
/// Bytes of a description.
pub const DESCRIPTION_BYTES_MAX: usize = 10 * 1024;
/// Bytes of a system prompt.
pub const SYSTEM_PROMPT_BYTES_MAX: usize = 1024 * 1024;
/// Tags on one row.
pub const TAGS_MAX: usize = 50;
/// Characters of a tag.
pub const TAG_CHARACTERS_MAX: usize = 64;

/// A name: not empty, at most [`NAME_CHARACTERS_MAX`] characters.
pub fn name(field: &'static str, text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::bad_input(field, format!("{} must not be empty", last(field))));
    }
    characters(field, text, NAME_CHARACTERS_MAX)
}

/// A text of at most `max` characters.
pub fn characters(field: &'static str, text: &str, max: usize) -> Result<()> {
    // A text has at least a quarter as many characters as bytes, so a long one is refused without counting.
    if text.len() > max * 4 || text.chars().count() > max {
        return Err(Error::bad_input(field, format!("{} must have at most {max} characters", last(field))));
    }
    plain(field, text)
}

/// A text of at most `max` bytes.
pub fn bytes(field: &'static str, text: &str, max: usize) -> Result<()> {
    if text.len() > max {
        return Err(Error::bad_input(field, format!("{} must have at most {max} bytes", last(field))));
    }
    plain(field, text)
}

/// Tags: at most [`TAGS_MAX`], each of 1 to [`TAG_CHARACTERS_MAX`] characters.
pub fn tags(field: &'static str, tags: &[String]) -> Result<()> {
    if tags.len() > TAGS_MAX {
        return Err(Error::bad_input(field, format!("at most {TAGS_MAX} tags are allowed")));
    }
    tags.iter().try_for_each(|text| tag(field, text))
}

/// A tag: 1 to [`TAG_CHARACTERS_MAX`] characters.
pub fn tag(field: &'static str, text: &str) -> Result<()> {
    if text.is_empty() {
        return Err(Error::bad_input(field, "a tag must not be empty"));
    }
    characters(field, text, TAG_CHARACTERS_MAX)
}

/// A field of a change that may be left out but not be null.
pub fn not_null<'v, T>(field: &'static str, value: &'v MaybeUndefined<T>) -> Result<Option<&'v T>> {
    match value {
        MaybeUndefined::Null => Err(Error::bad_input(field, format!("{} must not be null", last(field)))),
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Value(value) => Ok(Some(value)),
    }
}

/// The value of a field of a change, where one is given.
pub fn given<T>(value: MaybeUndefined<T>) -> Option<T> {
    match value {
        MaybeUndefined::Value(value) => Some(value),
        MaybeUndefined::Null | MaybeUndefined::Undefined => None,
    }
}

/// PostgreSQL's text holds every character but NUL; SQLite is held to the same.
fn plain(field: &'static str, text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(Error::bad_input(field, format!("{} must not contain the NUL character", last(field))));
    }
    Ok(())
}

/// The last part of a field's path in words, the same for both faces: `input.systemPrompt` is "system prompt".
fn last(field: &str) -> String {
    words(field.rsplit('.').next().unwrap_or(field))
}

/// A name in camel case as words.
pub fn words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if character.is_uppercase() {
            words.push(' ');
        }
        words.extend(character.to_lowercase());
    }
    words
}
