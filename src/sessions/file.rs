//! What a session's file is, and what it may be called.

use async_graphql::{InputObject, SimpleObject};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::clock::Timestamp;
use crate::db::ids::Id;
use crate::db::types::text_enum;
use crate::error::{Error, Result};

/// Bytes of a path.
pub const PATH_BYTES_MAX: usize = 1024;
/// Bytes of a file.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Files of a session.
pub const FILES_MAX: i64 = 1_000;
/// Bytes of all files of a session together.
pub const FILES_BYTES_MAX: i64 = 32 * 1024 * 1024;

/// A file of a session: people and the agent's tools read and write it.
#[derive(SimpleObject, Clone, Debug)]
#[graphql(complex)]
pub struct SessionFile {
    #[graphql(skip)]
    pub organization_id: Id,
    /// Id of the session.
    pub session_id: Id,
    /// Where it stands, for example `notes/plan.md`: a relative path, without `.` and `..`.
    pub path: String,
    /// How `content` writes its bytes.
    pub encoding: FileEncoding,
    /// How large it is.
    pub size_bytes: i64,
    /// When it was written first.
    pub created_at: Timestamp,
    /// When it was written last.
    pub updated_at: Timestamp,
}

text_enum! {
    /// How a file's bytes are written in GraphQL and REST.
    pub enum FileEncoding {
        /// As they are: UTF-8 without NUL.
        Text = "text",
        /// In base64.
        #[graphql(name = "BASE64")]
        Base64 = "base64",
    }
}

/// A file to write; what stood at its path before is replaced.
#[derive(InputObject, Clone, Debug)]
pub struct WriteSessionFileInput {
    /// The session's id.
    pub session_id: Id,
    /// Its agent: a session of another one is NOT_FOUND.
    pub agent_id: Option<Id>,
    /// Where it shall stand: at most 1,024 bytes. A slash at its beginning is dropped; `.`, `..` and empty parts are refused.
    pub path: String,
    /// What it shall hold: at most 1 MiB. A session holds at most 1,000 files and 32 MiB.
    pub content: String,
    /// How `content` writes the bytes; TEXT where it is not given.
    pub encoding: Option<FileEncoding>,
}

/// Which file to delete.
#[derive(InputObject, Clone, Debug)]
pub struct DeleteSessionFileInput {
    /// The session's id.
    pub session_id: Id,
    /// Its agent: a session of another one is NOT_FOUND.
    pub agent_id: Option<Id>,
    /// Where it stands.
    pub path: String,
}

/// In which session a file is written, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct FilePlace {
    pub organization_id: Id,
    pub session_id: Id,
    /// A turn's, where one of its tools writes: it writes only while the turn is still its owner's.
    pub epoch: Option<i64>,
}

/// A file's bytes, checked.
#[derive(Clone, Debug)]
pub struct NewFile {
    pub path: String,
    pub content: Vec<u8>,
    pub encoding: FileEncoding,
}

/// A text to put in the place of another.
#[derive(Clone, Debug)]
pub struct FileEdit {
    pub path: String,
    pub old_text: String,
    pub new_text: String,
    /// Wherever it stands; else it must stand there once.
    pub all: bool,
}

impl NewFile {
    /// The file that is to be written, checked; `fields` are the names of path and content.
    pub fn new(
        (path_field, content_field): (&'static str, &'static str),
        path: &str,
        content: String,
        encoding: FileEncoding,
    ) -> Result<Self> {
        let path = checked_path(path_field, path)?;
        let content = match encoding {
            FileEncoding::Text if content.contains('\0') => {
                return Err(Error::bad_input(content_field, "a text holds no NUL character; write the file in base64"));
            }
            FileEncoding::Text => content.into_bytes(),
            FileEncoding::Base64 => {
                // Undone only where it can be small enough.
                if content.len() / 4 > FILE_BYTES_MAX / 3 + 1 {
                    return Err(too_large(content_field));
                }
                let bytes = BASE64_STANDARD.decode(content);
                bytes.map_err(|_| Error::bad_input(content_field, "content must be base64"))?
            }
        };
        if content.len() > FILE_BYTES_MAX {
            return Err(too_large(content_field));
        }
        Ok(Self { path, content, encoding })
    }
}

impl FileEdit {
    /// The text with the edit made, and in how many places; refused where the old text does not stand there as it should.
    pub fn apply(&self, text: &str) -> Result<(String, usize)> {
        if self.old_text.is_empty() {
            return Err(Error::bad_input("old_text", "old_text must not be empty"));
        }
        let places = text.matches(&self.old_text).count();
        if places == 0 {
            return Err(Error::bad_input("old_text", "old_text does not stand in the file"));
        }
        if places > 1 && !self.all {
            let many = format!("old_text stands in the file {places} times: give more of it, or set replace_all");
            return Err(Error::bad_input("old_text", many));
        }
        // Asked first: a short text in many places and a long one for it would be more than there is memory.
        let added = places.checked_mul(self.new_text.len());
        let size = added.and_then(|added| (text.len() - places * self.old_text.len()).checked_add(added));
        if size.is_none_or(|size| size > FILE_BYTES_MAX) {
            return Err(too_large("new_text"));
        }
        Ok((text.replace(&self.old_text, &self.new_text), places))
    }
}

/// A path as it is kept: relative, of 1 to [`PATH_BYTES_MAX`] bytes.
pub fn checked_path(field: &'static str, path: &str) -> Result<String> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let refuse = |why: String| Err(Error::bad_input(field, why));
    if path.is_empty() || path.len() > PATH_BYTES_MAX {
        return refuse(format!("a path must have 1 to {PATH_BYTES_MAX} bytes"));
    }
    if path.contains('\0') {
        return refuse("a path must not contain the NUL character".to_owned());
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return refuse("a path must not have empty parts, `.` or `..`".to_owned());
    }
    Ok(path.to_owned())
}

/// A file's bytes as its encoding writes them.
pub fn written(content: Vec<u8>, encoding: FileEncoding) -> String {
    match encoding {
        FileEncoding::Text => {
            String::from_utf8(content).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
        }
        FileEncoding::Base64 => BASE64_STANDARD.encode(content),
    }
}

fn too_large(field: &'static str) -> Error {
    Error::bad_input(field, format!("a file must have at most {FILE_BYTES_MAX} bytes"))
}
