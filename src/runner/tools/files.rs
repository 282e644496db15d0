//! A session's files, as a model reads and writes them.

use std::collections::BTreeMap;

use async_graphql::ScalarType as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Outcome, Refusal, ToolContext};
use crate::clock::Timestamp;
use crate::db::{commit, read};
use crate::error::Error;
use crate::page::Page;
use crate::sessions::file::{FILES_MAX, checked_path};
use crate::sessions::{FileEdit, FileEncoding, FilePlace, NewFile, SessionFile};

/// Lines that are read where nobody says.
const LINES_DEFAULT: usize = 2_000;
/// Bytes that are read at once, at most.
const READ_BYTES_MAX: usize = 128 * 1024;
/// Lines that a search finds, at most.
const MATCHES_MAX: usize = 200;
/// Characters that it shows of each.
const MATCH_CHARACTERS_MAX: usize = 300;
/// Files that a search reads from the database at once.
const GREP_FILES_AT_ONCE: usize = 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lines {
    path: String,
    offset: Option<usize>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    path: String,
    content: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    path: String,
    old_text: String,
    new_text: String,
    #[serde(default)]
    replace_all: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Folder {
    path: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    text: String,
    path: Option<String>,
    #[serde(default)]
    ignore_case: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Path {
    path: String,
}

pub(super) async fn read(context: &ToolContext, asked: Lines) -> Outcome {
    let file = find(context, &asked.path).await?;
    let text = texts(context, vec![file.path.clone()]).await?.pop().map(|(_, text)| text);
    let text = text.ok_or("the file is gone")?.ok_or("the file is no text")?;
    let first = asked.offset.unwrap_or(1).max(1);
    let limit = asked.limit.unwrap_or(LINES_DEFAULT);
    let (mut content, mut shown) = (String::new(), 0);
    for line in text.split_inclusive('\n').skip(first - 1).take(limit) {
        if content.len() + line.len() > READ_BYTES_MAX {
            if shown == 0 {
                content.push_str(&line[..line.floor_char_boundary(READ_BYTES_MAX)]);
                shown = 1;
            }
            break;
        }
        content.push_str(line);
        shown += 1;
    }
    let total = text.split_inclusive('\n').count();
    Ok(json!({ "path": file.path, "first_line": first, "lines": shown, "total_lines": total, "content": content }))
}

pub(super) async fn write(context: &ToolContext, asked: Content) -> Outcome {
    let new = NewFile::new(("path", "content"), &asked.path, asked.content, FileEncoding::Text)?;
    let place = place(context);
    let file = commit!(&context.store, sessions::write_file(place, new))?;
    Ok(json!({ "path": file.path, "size_bytes": file.size_bytes }))
}

pub(super) async fn edit(context: &ToolContext, asked: Edit) -> Outcome {
    let path = checked_path("path", &asked.path)?;
    let edit = FileEdit { path, old_text: asked.old_text, new_text: asked.new_text, all: asked.replace_all };
    let place = place(context);
    let (file, places) = commit!(&context.store, sessions::edit_file(place, edit))?;
    Ok(json!({ "path": file.path, "replaced": places, "size_bytes": file.size_bytes }))
}

pub(super) async fn list(context: &ToolContext, asked: Folder) -> Outcome {
    let prefix = prefix(asked.path)?;
    let mut folders = BTreeMap::<String, usize>::new();
    let mut files = Vec::new();
    for file in all(context).await? {
        let Some(rest) = file.path.strip_prefix(&prefix) else { continue };
        match rest.split_once('/') {
            Some((folder, _)) => *folders.entry(folder.to_owned()).or_default() += 1,
            None => files.push(json!({ "name": rest, "size_bytes": file.size_bytes })),
        }
    }
    if !prefix.is_empty() && folders.is_empty() && files.is_empty() {
        return Err("there is no such folder".into());
    }
    let folders: Vec<_> = folders.into_iter().map(|(name, files)| json!({ "name": name, "files": files })).collect();
    Ok(json!({ "path": prefix, "folders": folders, "files": files }))
}

pub(super) async fn grep(context: &ToolContext, asked: Search) -> Outcome {
    if asked.text.is_empty() {
        return Err("text must not be empty".into());
    }
    let fold = |text: &str| if asked.ignore_case { text.to_lowercase() } else { text.to_owned() };
    let sought = fold(&asked.text);
    let prefix = prefix(asked.path)?;
    let files = all(context).await?.into_iter();
    let paths: Vec<_> = files.map(|file| file.path).filter(|path| path.starts_with(&prefix)).collect();
    let mut matches: Vec<Value> = Vec::new();
    for paths in paths.chunks(GREP_FILES_AT_ONCE) {
        let mut texts = texts(context, paths.to_vec()).await?;
        texts.sort_by(|one, other| one.0.cmp(&other.0));
        for (path, text) in texts {
            for (number, line) in (1..).zip(text.as_deref().unwrap_or_default().lines()) {
                if fold(line).contains(&sought) {
                    let shown: String = line.chars().take(MATCH_CHARACTERS_MAX).collect();
                    matches.push(json!({ "path": path, "line": number, "text": shown }));
                }
                if matches.len() == MATCHES_MAX {
                    return Ok(json!({ "matches": matches, "note": "there may be more: look for a longer text" }));
                }
            }
        }
    }
    Ok(json!({ "matches": matches }))
}

pub(super) async fn delete(context: &ToolContext, asked: Path) -> Outcome {
    let path = checked_path("path", &asked.path)?;
    let (place, gone) = (place(context), path.clone());
    commit!(&context.store, sessions::delete_file(place, gone))?;
    Ok(json!({ "deleted": path }))
}

pub(super) async fn stat(context: &ToolContext, asked: Path) -> Outcome {
    let file = find(context, &asked.path).await?;
    Ok(json!({
        "path": file.path,
        "encoding": file.encoding.as_str(),
        "size_bytes": file.size_bytes,
        "created_at": written(file.created_at),
        "updated_at": written(file.updated_at),
    }))
}

fn place(context: &ToolContext) -> FilePlace {
    let ToolContext { organization_id, session_id, epoch, .. } = *context;
    FilePlace { organization_id, session_id, epoch: Some(epoch) }
}

/// What the paths of a folder's files begin with.
fn prefix(folder: Option<String>) -> Result<String, Error> {
    let folder = folder.unwrap_or_default();
    let folder = folder.trim_end_matches('/');
    if matches!(folder, "" | ".") {
        return Ok(String::new());
    }
    Ok(checked_path("path", folder)? + "/")
}

async fn find(context: &ToolContext, path: &str) -> Result<SessionFile, Refusal> {
    let path = checked_path("path", path)?;
    let found = read!(&context.store, sessions::get_file(context.organization_id, context.session_id, path))?;
    found.ok_or_else(|| Error::not_found("file").into())
}

async fn all(context: &ToolContext) -> Result<Vec<SessionFile>, Error> {
    let size = u16::try_from(FILES_MAX).unwrap_or(u16::MAX);
    let page = Page { after: None, before: None, backwards: false, size };
    read!(&context.store, sessions::list_files(context.organization_id, context.session_id, &page))
}

/// What these files hold; nothing where that is no text.
async fn texts(context: &ToolContext, paths: Vec<String>) -> Result<Vec<(String, Option<String>)>, Error> {
    let found = read!(&context.store, sessions::contents(context.organization_id, context.session_id, paths))?;
    Ok(found.into_iter().map(|(path, content)| (path, String::from_utf8(content).ok())).collect())
}

/// A time as GraphQL writes it.
fn written(time: Timestamp) -> Value {
    time.to_value().into_json().unwrap_or_default()
}
