//! /v1/agents: who answers.

use async_graphql::MaybeUndefined;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    error::Error,
    graph::{Graph, Printed},
    operations::Operation,
    request::{AgentPath, Json, Page, Path, Query},
};

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all(serialize = "camelCase"))]
#[schema(example = json!({
    "name": "Customer Support Agent",
    "description": "Handles customer inquiries",
    "system_prompt": "You are a helpful customer support agent.",
    "tags": ["support", "customer-facing"]
}))]
pub(crate) struct CreateAgent {
    /// 1 to 255 characters.
    name: String,
    /// At most 10 KiB.
    description: Option<String>,
    /// What the model is told before any message; may be empty. At most 1 MiB.
    system_prompt: String,
    /// At most 50, each of at most 64 characters.
    tags: Option<Vec<String>>,
    /// The model that answers where neither message nor session chooses one.
    #[schema(format = "uuid")]
    default_model_id: Option<String>,
}

/// An absent field is left alone. `null` clears the description and the default model and is refused for the others.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all(serialize = "camelCase"))]
#[schema(example = json!({"name": "Updated Agent Name", "system_prompt": "Updated system prompt."}))]
pub(crate) struct UpdateAgent {
    /// 1 to 255 characters.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = String, required = false)]
    name: MaybeUndefined<String>,
    /// At most 10 KiB.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = Option<String>)]
    description: MaybeUndefined<String>,
    /// What the model is told before any message; may be empty. At most 1 MiB.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = String, required = false)]
    system_prompt: MaybeUndefined<String>,
    /// At most 50, each of at most 64 characters.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = Vec<String>, required = false)]
    tags: MaybeUndefined<Vec<String>>,
    /// `active` brings an archived agent back.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = AgentStatus, required = false)]
    status: MaybeUndefined<AgentStatus>,
    /// The model that answers where neither message nor session chooses one.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = Option<String>, format = "uuid")]
    default_model_id: MaybeUndefined<String>,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all(serialize = "SCREAMING_SNAKE_CASE", deserialize = "snake_case"))]
#[schema(rename_all = "snake_case")]
pub(crate) enum AgentStatus {
    Active,
    Archived,
}

/// List agents
///
/// The active ones, newest first.
#[utoipa::path(get, path = "/v1/agents", tag = "agents", params(Page),
    responses((status = 200, description = "A page of agents")))]
pub(crate) async fn list_agents(graph: Graph, Query(page): Query<Page>) -> Result<Printed, Error> {
    graph.ask(Operation::ListAgents, page).await
}

/// Create an agent
#[utoipa::path(post, path = "/v1/agents", tag = "agents", request_body = CreateAgent,
    responses((status = 201, description = "The agent")))]
pub(crate) async fn create_agent(graph: Graph, Json(body): Json<CreateAgent>) -> Result<(StatusCode, Printed), Error> {
    Ok((StatusCode::CREATED, graph.ask(Operation::CreateAgent, body).await?))
}

/// Get an agent
///
/// An archived one too.
#[utoipa::path(get, path = "/v1/agents/{agent_id}", tag = "agents", params(AgentPath),
    responses((status = 200, description = "The agent")))]
pub(crate) async fn get_agent(graph: Graph, Path(path): Path<AgentPath>) -> Result<Printed, Error> {
    graph.ask(Operation::GetAgent, path).await
}

/// Update an agent
#[utoipa::path(patch, path = "/v1/agents/{agent_id}", tag = "agents", params(AgentPath), request_body = UpdateAgent,
    responses((status = 200, description = "The agent")))]
pub(crate) async fn update_agent(
    graph: Graph,
    Path(path): Path<AgentPath>,
    Json(body): Json<UpdateAgent>,
) -> Result<Printed, Error> {
    graph.ask(Operation::UpdateAgent, path.update(body)).await
}

/// Archive an agent
///
/// It is listed no more, starts no session and takes no message; what was said stays readable.
#[utoipa::path(delete, path = "/v1/agents/{agent_id}", tag = "agents", params(AgentPath),
    responses((status = 204, description = "Archived")))]
pub(crate) async fn archive_agent(graph: Graph, Path(path): Path<AgentPath>) -> Result<StatusCode, Error> {
    graph.ask(Operation::ArchiveAgent, path).await?;
    Ok(StatusCode::NO_CONTENT)
}
