//! How a session's files are asked for.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use async_graphql::{ComplexObject, Context, Object, Result, SimpleObject};

use super::{SessionById, find_session};
use crate::auth::{Scope, viewer};
use crate::db::ids::Id;
use crate::db::{Lookups, commit, lookups, read, scan, store};
use crate::error::Error;
use crate::page::{Page, connection, wants_total};
use crate::sessions::file::{checked_path, written};
use crate::sessions::{
    DeleteSessionFileInput, FileEncoding, FilePlace, NewFile, Session, SessionFile, WriteSessionFileInput,
};
use crate::turns::Signals;

connection!(SessionFileConnection, SessionFileEdge, SessionFile);

/// A page of the session's files.
pub(super) async fn file_page(
    ctx: &Context<'_>,
    session_id: Id,
    page: Page<String>,
) -> Result<SessionFileConnection, Error> {
    let organization_id = viewer(ctx, Scope::SessionsRead)?.organization_id;
    let total =
        if wants_total(ctx) { scan!(store(ctx), sessions::count_files(organization_id, session_id))? } else { 0 };
    let files = read!(store(ctx), sessions::list_files(organization_id, session_id, &page))?;
    Ok(SessionFileConnection::new(&page, files, total, |file| file.path.clone()))
}

/// The session's file at this path.
pub(super) async fn file_at(ctx: &Context<'_>, session_id: Id, path: &str) -> Result<Option<SessionFile>, Error> {
    let organization_id = viewer(ctx, Scope::SessionsRead)?.organization_id;
    let path = checked_path("path", path)?;
    read!(store(ctx), sessions::get_file(organization_id, session_id, path))
}

#[ComplexObject]
impl SessionFile {
    /// In which session.
    async fn session(&self, ctx: &Context<'_>) -> Result<Session> {
        viewer(ctx, Scope::SessionsRead)?;
        Ok(lookups(ctx).load_one(SessionById(self.session_id)).await?.ok_or_else(|| Error::not_found("session"))?)
    }

    /// What it holds, as its encoding writes it.
    async fn content(&self, ctx: &Context<'_>) -> Result<String> {
        let place = ContentOfFile { session_id: self.session_id, path: self.path.clone() };
        let content = lookups(ctx).load_one(place).await?.ok_or_else(|| Error::not_found("file"))?;
        Ok(written(content, self.encoding))
    }
}

/// Changes of sessions' files.
#[derive(Default)]
pub struct FileMutation;

#[Object]
impl FileMutation {
    /// Writes a file of a session; what stood there before is replaced.
    async fn write_session_file(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The file.")] input: WriteSessionFileInput,
    ) -> Result<WriteSessionFilePayload> {
        let organization_id = viewer(ctx, Scope::SessionsWrite)?.organization_id;
        let encoding = input.encoding.unwrap_or(FileEncoding::Text);
        let new = NewFile::new(("input.path", "input.content"), &input.path, input.content, encoding)?;
        find_session(ctx, organization_id, input.session_id, input.agent_id).await?;
        let place = FilePlace { organization_id, session_id: input.session_id, epoch: None };
        let file = commit!(store(ctx), sessions::write_file(place, new))?;
        // A claim may have passed over the session while this held its lock.
        ctx.data_unchecked::<Signals>().work_waits();
        Ok(WriteSessionFilePayload { file })
    }

    /// Deletes a file of a session.
    async fn delete_session_file(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which file.")] input: DeleteSessionFileInput,
    ) -> Result<DeleteSessionFilePayload> {
        let organization_id = viewer(ctx, Scope::SessionsWrite)?.organization_id;
        let path = checked_path("input.path", &input.path)?;
        let session = find_session(ctx, organization_id, input.session_id, input.agent_id).await?;
        let (place, gone) = (FilePlace { organization_id, session_id: session.id, epoch: None }, path.clone());
        commit!(store(ctx), sessions::delete_file(place, gone))?;
        ctx.data_unchecked::<Signals>().work_waits();
        Ok(DeleteSessionFilePayload { deleted_path: path, session })
    }
}

/// What `writeSessionFile` answers.
#[derive(SimpleObject)]
pub struct WriteSessionFilePayload {
    /// The file as it is now.
    file: SessionFile,
}

/// What `deleteSessionFile` answers.
#[derive(SimpleObject)]
pub struct DeleteSessionFilePayload {
    /// Where the file stood.
    deleted_path: String,
    /// In which session.
    session: Session,
}

/// Looks up what a file holds.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ContentOfFile {
    session_id: Id,
    path: String,
}

impl Loader<ContentOfFile> for Lookups {
    type Value = Vec<u8>;
    type Error = Error;

    async fn load(&self, keys: &[ContentOfFile]) -> Result<HashMap<ContentOfFile, Vec<u8>>, Error> {
        let mut paths = HashMap::<Id, Vec<String>>::new();
        for key in keys {
            paths.entry(key.session_id).or_default().push(key.path.clone());
        }
        let mut found = HashMap::new();
        for (session_id, paths) in paths {
            let look =
                || async { read!(&self.store, sessions::contents(self.organization_id, session_id, paths.clone())) };
            let contents = self.look(look).await?;
            found.extend(contents.into_iter().map(|(path, content)| (ContentOfFile { session_id, path }, content)));
        }
        Ok(found)
    }
}
