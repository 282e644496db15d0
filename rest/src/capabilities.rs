//! /v1/capabilities, and those of an agent.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    error::Error,
    graph::{Graph, Printed},
    operations::Operation,
    request::{AgentPath, Json, Path},
};

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all(serialize = "camelCase"))]
#[schema(example = json!({"capability_ids": ["current_time", "noop"]}))]
pub(crate) struct SetAgentCapabilities {
    /// In their order; they replace the old ones. An unknown id, one that is coming soon and one named twice are
    /// refused. `capabilities` is another name of this field.
    #[serde(alias = "capabilities")]
    capability_ids: Vec<String>,
}

/// List the capabilities of this server
///
/// Those that are coming soon too.
#[utoipa::path(get, path = "/v1/capabilities", tag = "capabilities",
    responses((status = 200, description = "All of them")))]
pub(crate) async fn list_capabilities(graph: Graph) -> Result<Printed, Error> {
    graph.ask(Operation::ListCapabilities, ()).await
}

/// Get an agent's capabilities
#[utoipa::path(get, path = "/v1/agents/{agent_id}/capabilities", tag = "capabilities", params(AgentPath),
    responses((status = 200, description = "What the agent can do, in its order")))]
pub(crate) async fn get_agent_capabilities(graph: Graph, Path(path): Path<AgentPath>) -> Result<Printed, Error> {
    graph.ask(Operation::GetAgentCapabilities, path).await
}

/// Set an agent's capabilities
#[utoipa::path(put, path = "/v1/agents/{agent_id}/capabilities", tag = "capabilities", params(AgentPath),
    request_body = SetAgentCapabilities, responses((status = 200, description = "What the agent can do now")))]
pub(crate) async fn set_agent_capabilities(
    graph: Graph,
    Path(path): Path<AgentPath>,
    Json(body): Json<SetAgentCapabilities>,
) -> Result<Printed, Error> {
    graph.ask(Operation::SetAgentCapabilities, (path, body)).await
}
