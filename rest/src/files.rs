//! …/files: the files of a session, which its agent's tools read and write too.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    error::Error,
    graph::{Graph, Printed},
    operations::Operation,
    request::{Json, Page, Path, Query, SessionPath},
};

#[derive(Deserialize, Serialize, IntoParams)]
#[serde(rename_all(serialize = "camelCase"))]
#[into_params(parameter_in = Path)]
pub(crate) struct FilePath {
    /// The id of the agent that answers in the session, a UUID.
    agent_id: String,
    /// The session's id, a UUID.
    session_id: String,
    /// Where the file stands, for example `notes/plan.md`: at most 1,024 bytes, without `.` and `..`.
    path: String,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[schema(example = json!({"content": "# Plan\n", "encoding": "text"}))]
pub(crate) struct WriteFile {
    /// At most 1 MiB. A session holds at most 1,000 files and 32 MiB.
    content: String,
    /// How `content` writes the bytes; `text` where absent.
    #[schema(value_type = FileEncoding, required = false)]
    encoding: Option<FileEncoding>,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all(serialize = "SCREAMING_SNAKE_CASE", deserialize = "snake_case"))]
#[schema(rename_all = "snake_case")]
pub(crate) enum FileEncoding {
    Text,
    Base64,
}

/// List a session's files
///
/// By their paths as in a folder, without what they hold: a file that is written again keeps its place.
#[utoipa::path(get, path = "/v1/agents/{agent_id}/sessions/{session_id}/files", tag = "files",
    params(SessionPath, Page), responses((status = 200, description = "A page of files")))]
pub(crate) async fn list_files(
    graph: Graph,
    Path(path): Path<SessionPath>,
    Query(page): Query<Page>,
) -> Result<Printed, Error> {
    graph.ask(Operation::ListFiles, (path, page)).await
}

/// Get a file
#[utoipa::path(get, path = "/v1/agents/{agent_id}/sessions/{session_id}/files/{*path}", tag = "files",
    params(FilePath), responses((status = 200, description = "The file")))]
pub(crate) async fn get_file(graph: Graph, Path(path): Path<FilePath>) -> Result<Printed, Error> {
    graph.ask(Operation::GetFile, path).await
}

/// Write a file
///
/// What stood there before is replaced.
#[utoipa::path(put, path = "/v1/agents/{agent_id}/sessions/{session_id}/files/{*path}", tag = "files",
    params(FilePath), request_body = WriteFile, responses((status = 200, description = "The file as it is now")))]
pub(crate) async fn write_file(
    graph: Graph,
    Path(path): Path<FilePath>,
    Json(body): Json<WriteFile>,
) -> Result<Printed, Error> {
    graph.ask(Operation::WriteFile, (path, body)).await
}

/// Delete a file
#[utoipa::path(delete, path = "/v1/agents/{agent_id}/sessions/{session_id}/files/{*path}", tag = "files",
    params(FilePath), responses((status = 204, description = "Deleted")))]
pub(crate) async fn delete_file(graph: Graph, Path(path): Path<FilePath>) -> Result<StatusCode, Error> {
    graph.ask(Operation::DeleteFile, path).await?;
    Ok(StatusCode::NO_CONTENT)
}
