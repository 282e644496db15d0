//! What a message holds: text, and images beside it.

use async_graphql::{InputObject, Object, OneofObject, SimpleObject, Union};
use serde::{Deserialize, Serialize};

use crate::db::types::Json;
use crate::error::{Error, Result};
use crate::validate;

/// Bytes of a message's text.
pub(super) const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of an image, after base64 is undone.
pub(super) const IMAGE_BYTES_MAX: usize = 5 * 1024 * 1024;
/// Parts of a message.
pub(super) const PARTS_MAX: usize = 100;
/// Kinds of images that models read.
const IMAGE_MEDIA_TYPES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// What a message holds; its parts are read from their JSON only where they are asked for.
pub struct MessageContent<'m> {
    text: &'m str,
    parts: Option<&'m Json>,
}

/// One part of a message.
#[derive(Union, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ContentPart {
    /// Words.
    Text(TextPart),
    /// A picture.
    Image(ImagePart),
}

/// Words.
#[derive(SimpleObject, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct TextPart {
    /// What is said.
    pub text: String,
}

/// A picture.
#[derive(SimpleObject, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ImagePart {
    /// image/png, image/jpeg, image/gif or image/webp.
    pub media_type: String,
    /// The picture in base64.
    pub data: String,
}

/// One part of a new message.
#[derive(OneofObject, Clone, Debug)]
pub enum ContentPartInput {
    /// Words: all of a message's together at most 1 MiB.
    Text(String),
    /// A picture of at most 5 MiB.
    Image(ImageInput),
}

/// A picture.
#[derive(InputObject, Clone, Debug)]
pub struct ImageInput {
    /// image/png, image/jpeg, image/gif or image/webp.
    pub media_type: String,
    /// The picture in base64.
    pub data: String,
}

impl<'m> MessageContent<'m> {
    /// What a row holds.
    pub fn stored(text: &'m str, parts: Option<&'m Json>) -> Self {
        Self { text, parts }
    }

    /// Its parts in their order.
    pub fn into_parts(self) -> Vec<ContentPart> {
        self.rich().unwrap_or_else(|| vec![ContentPart::Text(TextPart { text: self.text.to_owned() })])
    }

    fn rich(&self) -> Option<Vec<ContentPart>> {
        Vec::deserialize(&self.parts?.0).ok()
    }
}

/// What a message holds.
#[Object]
impl MessageContent<'_> {
    /// All its text, parts joined by line ends.
    async fn text(&self) -> &str {
        self.text
    }

    /// Its parts in their order; a message of text alone has one.
    async fn parts(&self) -> Vec<ContentPart> {
        Self::stored(self.text, self.parts).into_parts()
    }

    /// Its parts where there is more than text, else null: `text` says it all.
    async fn rich_parts(&self) -> Option<Vec<ContentPart>> {
        self.rich()
    }
}

/// Checks a new message's parts: its text, and the parts themselves where there is more than text.
pub(super) fn check(content: Vec<ContentPartInput>) -> Result<(String, Option<Json>)> {
    if content.is_empty() || content.len() > PARTS_MAX {
        return Err(Error::bad_input("input.content", format!("content must have 1 to {PARTS_MAX} parts")));
    }
    let parts = content.into_iter().map(check_part).collect::<Result<Vec<_>>>()?;
    let texts: Vec<&str> = parts.iter().filter_map(ContentPart::text).collect();
    let text = texts.join("\n");
    validate::bytes("input.content.text", &text, TEXT_BYTES_MAX)?;
    let rich = parts.len() > texts.len();
    if !rich && text.trim().is_empty() {
        return Err(Error::bad_input("input.content.text", "text must not be empty"));
    }
    let parts = if rich { Some(Json(serde_json::to_value(&parts).map_err(Error::internal)?)) } else { None };
    Ok((text, parts))
}

fn check_part(part: ContentPartInput) -> Result<ContentPart> {
    match part {
        ContentPartInput::Text(text) => Ok(ContentPart::Text(TextPart { text })),
        ContentPartInput::Image(ImageInput { media_type, data }) => {
            if !IMAGE_MEDIA_TYPES.contains(&media_type.as_str()) {
                let known = IMAGE_MEDIA_TYPES.join(", ");
                return Err(Error::bad_input("input.content.mediaType", format!("media type must be one of {known}")));
            }
            if data.trim_end_matches('=').len() * 3 / 4 > IMAGE_BYTES_MAX {
                return Err(Error::bad_input(
                    "input.content.data",
                    format!("an image must have at most {IMAGE_BYTES_MAX} bytes"),
                ));
            }
            if data.is_empty() || !is_base64(&data) {
                return Err(Error::bad_input("input.content.data", "data must be base64"));
            }
            Ok(ContentPart::Image(ImagePart { media_type, data }))
        }
    }
}

/// Whether this is base64 of the standard alphabet with its padding; the bytes themselves are only passed on.
fn is_base64(data: &str) -> bool {
    let unpadded = data.trim_end_matches('=');
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    data.len().is_multiple_of(4) && data.len() - unpadded.len() <= 2 && unpadded.bytes().all(alphabet)
}

impl ContentPart {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(part) => Some(&part.text),
            Self::Image(_) => None,
        }
    }
}
