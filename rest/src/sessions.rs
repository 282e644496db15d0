//! /v1/agents/{agent_id}/sessions: conversations.

use async_graphql::MaybeUndefined;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    error::Error,
    graph::{Graph, Printed},
    operations::Operation,
    request::{AgentPath, Json, Page, Path, Query, SessionPath},
};

#[derive(Deserialize, Serialize, ToSchema, Default)]
#[serde(rename_all(serialize = "camelCase"))]
#[schema(example = json!({"title": "Support Chat #1234"}))]
pub(crate) struct CreateSession {
    /// At most 255 characters.
    title: Option<String>,
    /// At most 50, each of at most 64 characters.
    tags: Option<Vec<String>>,
    /// The model that answers where a message chooses none.
    #[schema(format = "uuid")]
    model_id: Option<String>,
}

/// An absent field is left alone. `null` clears the title and the model and is refused for the tags.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all(serialize = "camelCase"))]
#[schema(example = json!({"title": "Support Chat #1235"}))]
pub(crate) struct UpdateSession {
    /// At most 255 characters.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = Option<String>)]
    title: MaybeUndefined<String>,
    /// At most 50, each of at most 64 characters.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = Vec<String>, required = false)]
    tags: MaybeUndefined<Vec<String>>,
    /// The model that answers where a message chooses none.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = Option<String>, format = "uuid")]
    model_id: MaybeUndefined<String>,
}

/// List an agent's sessions
///
/// Newest first.
#[utoipa::path(get, path = "/v1/agents/{agent_id}/sessions", tag = "sessions", params(AgentPath, Page),
    responses((status = 200, description = "A page of sessions")))]
pub(crate) async fn list_sessions(
    graph: Graph,
    Path(path): Path<AgentPath>,
    Query(page): Query<Page>,
) -> Result<Printed, Error> {
    graph.ask(Operation::ListSessions, (path, page)).await
}

/// Create a session
#[utoipa::path(post, path = "/v1/agents/{agent_id}/sessions", tag = "sessions", params(AgentPath),
    request_body = Option<CreateSession>, responses((status = 201, description = "The session"),
        (status = 409, description = "The agent is archived")))]
pub(crate) async fn create_session(
    graph: Graph,
    Path(path): Path<AgentPath>,
    body: Option<Json<CreateSession>>,
) -> Result<(StatusCode, Printed), Error> {
    let body = body.map(|Json(body)| body).unwrap_or_default();
    Ok((StatusCode::CREATED, graph.ask(Operation::CreateSession, (path, body)).await?))
}

/// Get a session
///
/// Its status says whether a turn runs, and whether the last one failed.
#[utoipa::path(get, path = "/v1/agents/{agent_id}/sessions/{session_id}", tag = "sessions", params(SessionPath),
    responses((status = 200, description = "The session")))]
pub(crate) async fn get_session(graph: Graph, Path(path): Path<SessionPath>) -> Result<Printed, Error> {
    graph.ask(Operation::GetSession, path).await
}

/// Update a session
#[utoipa::path(patch, path = "/v1/agents/{agent_id}/sessions/{session_id}", tag = "sessions", params(SessionPath),
    request_body = UpdateSession, responses((status = 200, description = "The session")))]
pub(crate) async fn update_session(
    graph: Graph,
    Path(path): Path<SessionPath>,
    Json(body): Json<UpdateSession>,
) -> Result<Printed, Error> {
    graph.ask(Operation::UpdateSession, path.update(body)).await
}

/// Delete a session
///
/// Ends its turn and its streams, then removes everything in it.
#[utoipa::path(delete, path = "/v1/agents/{agent_id}/sessions/{session_id}", tag = "sessions", params(SessionPath),
    responses((status = 204, description = "Deleted")))]
pub(crate) async fn delete_session(graph: Graph, Path(path): Path<SessionPath>) -> Result<StatusCode, Error> {
    graph.ask(Operation::DeleteSession, path).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Cancel what a session is doing
///
/// Ends the running turn, keeps what it said so far, and withdraws the messages that wait. Where nothing runs it
/// changes nothing.
#[utoipa::path(post, path = "/v1/agents/{agent_id}/sessions/{session_id}/cancel", tag = "sessions",
    params(SessionPath), responses((status = 200, description = "The session")))]
pub(crate) async fn cancel_session(graph: Graph, Path(path): Path<SessionPath>) -> Result<Printed, Error> {
    graph.ask(Operation::CancelSession, path).await
}
