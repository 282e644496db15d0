//! How the files of sessions are kept.

use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;

use super::backend::Conn;
use crate::clock::Timestamp;
use crate::db::ids::Id;
use crate::db::tables::{session_files, sessions};
use crate::error::{Error, Result};
use crate::page::Page;
use crate::sessions::file::{FILES_BYTES_MAX, FILES_MAX};
use crate::sessions::{FileEdit, FileEncoding, FilePlace, NewFile, SessionFile};

/// A file's row without its content.
type Row = (Id, Id, String, FileEncoding, i64, Timestamp, Timestamp);

/// The columns of [`Row`].
type Columns = (
    session_files::organization_id,
    session_files::session_id,
    session_files::path,
    session_files::encoding,
    SqlLiteral<BigInt>,
    session_files::created_at,
    session_files::updated_at,
);

fn columns() -> Columns {
    (
        session_files::organization_id,
        session_files::session_id,
        session_files::path,
        session_files::encoding,
        // PostgreSQL counts in integers of 32 bits.
        sql("CAST(octet_length(content) AS BIGINT)"),
        session_files::created_at,
        session_files::updated_at,
    )
}

fn file((organization_id, session_id, path, encoding, size_bytes, created_at, updated_at): Row) -> SessionFile {
    SessionFile { organization_id, session_id, path, encoding, size_bytes, created_at, updated_at }
}

/// The file at this path.
pub async fn get_file(
    conn: &mut Conn,
    organization_id: Id,
    session_id: Id,
    path: String,
) -> Result<Option<SessionFile>> {
    let found = session_files::table.find((organization_id, session_id, path)).select(columns());
    Ok(found.get_result::<Row>(conn).await.optional()?.map(file))
}

/// A page of the session's files, by their paths.
pub async fn list_files(
    conn: &mut Conn,
    organization_id: Id,
    session_id: Id,
    page: &Page<String>,
) -> Result<Vec<SessionFile>> {
    let mut query = session_files::table
        .filter(session_files::organization_id.eq(organization_id))
        .filter(session_files::session_id.eq(session_id))
        .order(session_files::path)
        .limit(page.limit())
        .select(columns())
        .into_boxed();
    if let Some(after) = &page.after {
        query = query.filter(session_files::path.gt(after));
    }
    Ok(query.load::<Row>(conn).await?.into_iter().map(file).collect())
}

/// How many files the session has.
pub async fn count_files(conn: &mut Conn, organization_id: Id, session_id: Id) -> Result<i64> {
    let rows = session_files::table
        .filter(session_files::organization_id.eq(organization_id))
        .filter(session_files::session_id.eq(session_id));
    Ok(rows.count().get_result(conn).await?)
}

/// What the session's files at these paths hold.
pub async fn contents(
    conn: &mut Conn,
    organization_id: Id,
    session_id: Id,
    paths: Vec<String>,
) -> Result<Vec<(String, Vec<u8>)>> {
    let found = session_files::table
        .filter(session_files::organization_id.eq(organization_id))
        .filter(session_files::session_id.eq(session_id))
        .filter(session_files::path.eq_any(paths));
    Ok(found.select((session_files::path, session_files::content)).load(conn).await?)
}

/// Writes a file; what stood there before is replaced.
pub async fn write_file(conn: &mut Conn, place: FilePlace, new: NewFile) -> Result<SessionFile> {
    lock(conn, place).await?;
    write(conn, place, new).await
}

/// Edits a text file; gives it back, and in how many places it was changed.
pub async fn edit_file(conn: &mut Conn, place: FilePlace, edit: FileEdit) -> Result<(SessionFile, usize)> {
    lock(conn, place).await?;
    let found = session_files::table
        .find((place.organization_id, place.session_id, &edit.path))
        .select((session_files::content, session_files::encoding));
    let found: Option<(Vec<u8>, FileEncoding)> = found.get_result(conn).await.optional()?;
    let (content, encoding) = found.ok_or_else(|| Error::not_found("file"))?;
    let text = String::from_utf8(content).ok().filter(|_| encoding == FileEncoding::Text);
    let text = text.ok_or_else(|| Error::bad_input("path", "the file is no text"))?;
    let (text, places) = edit.apply(&text)?;
    let new = NewFile::new(("path", "new_text"), &edit.path, text, FileEncoding::Text)?;
    Ok((write(conn, place, new).await?, places))
}

/// Deletes a file.
pub async fn delete_file(conn: &mut Conn, place: FilePlace, path: String) -> Result<()> {
    lock(conn, place).await?;
    let row = session_files::table.find((place.organization_id, place.session_id, path));
    if diesel::delete(row).execute(conn).await? == 0 {
        return Err(Error::not_found("file"));
    }
    Ok(())
}

/// Takes the session's lock: its files are counted and written by one at a time.
async fn lock(conn: &mut Conn, place: FilePlace) -> Result<()> {
    let mut session = diesel::update(sessions::table.find((place.organization_id, place.session_id)))
        .set(sessions::epoch.eq(sessions::epoch))
        .into_boxed();
    if let Some(epoch) = place.epoch {
        session = session.filter(sessions::epoch.eq(epoch));
    }
    if session.execute(conn).await? == 0 {
        return Err(if place.epoch.is_some() { Error::fenced() } else { Error::not_found("session") });
    }
    Ok(())
}

async fn write(conn: &mut Conn, place: FilePlace, new: NewFile) -> Result<SessionFile> {
    let others = session_files::table
        .filter(session_files::organization_id.eq(place.organization_id))
        .filter(session_files::session_id.eq(place.session_id))
        .filter(session_files::path.ne(&new.path))
        .select((sql::<BigInt>("COUNT(*)"), sql::<BigInt>("CAST(COALESCE(SUM(octet_length(content)), 0) AS BIGINT)")));
    let (files, bytes): (i64, i64) = others.get_result(conn).await?;
    if files >= FILES_MAX {
        return Err(Error::bad_input("input.path", format!("a session has at most {FILES_MAX} files")));
    }
    if bytes + i64::try_from(new.content.len()).unwrap_or(i64::MAX) > FILES_BYTES_MAX {
        let full = format!("the files of a session have at most {FILES_BYTES_MAX} bytes together");
        return Err(Error::bad_input("input.content", full));
    }
    let now = Timestamp::now();
    let row = (
        session_files::organization_id.eq(place.organization_id),
        session_files::session_id.eq(place.session_id),
        session_files::path.eq(&new.path),
        session_files::content.eq(&new.content),
        session_files::encoding.eq(new.encoding),
        session_files::created_at.eq(now),
        session_files::updated_at.eq(now),
    );
    let change = (
        session_files::content.eq(&new.content),
        session_files::encoding.eq(new.encoding),
        session_files::updated_at.eq(now),
    );
    let key = (session_files::organization_id, session_files::session_id, session_files::path);
    let written = diesel::insert_into(session_files::table).values(row).on_conflict(key).do_update().set(change);
    Ok(file(written.returning(columns()).get_result::<Row>(conn).await?))
}
