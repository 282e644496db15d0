//! /v1/llm-providers: where models are.

use async_graphql::MaybeUndefined;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    error::Error,
    graph::{Graph, Printed},
    operations::Operation,
    request::{Json, Page, Path, Query, Update, UpdateInput},
};

#[derive(Deserialize, Serialize, IntoParams)]
#[serde(rename_all(serialize = "camelCase"))]
#[into_params(parameter_in = Path)]
pub(crate) struct ProviderPath {
    /// The provider's id, a UUID.
    pub(crate) provider_id: String,
}

impl ProviderPath {
    fn update<T>(self, changes: T) -> Update<T> {
        Update { input: UpdateInput { id: self.provider_id, agent_id: None, changes } }
    }
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all(serialize = "camelCase"))]
#[schema(example = json!({"name": "OpenAI", "provider_type": "openai", "api_key": "sk-..."}))]
pub(crate) struct CreateLlmProvider {
    /// 1 to 255 characters.
    name: String,
    provider_type: LlmProviderType,
    /// API root, for example `https://host/v1`. `azure_openai`, `ollama` and `openai_compatible` need one; `llmsim` takes none.
    base_url: Option<String>,
    /// 1 to 4096 printable characters. It is stored encrypted and never shown.
    api_key: Option<String>,
    /// Whether its oldest active model answers where nothing else is chosen.
    is_default: Option<bool>,
}

/// An absent field is left alone. `null` clears the base URL and the key and is refused for the others.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all(serialize = "camelCase"))]
#[schema(example = json!({"name": "OpenAI, production", "status": "disabled"}))]
pub(crate) struct UpdateLlmProvider {
    /// 1 to 255 characters.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = String, required = false)]
    name: MaybeUndefined<String>,
    /// API root. Where a key is stored, another host, port or scheme needs the key given anew.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = Option<String>)]
    base_url: MaybeUndefined<String>,
    /// Replaces the old one.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = Option<String>)]
    api_key: MaybeUndefined<String>,
    /// `true` takes the default's place.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = bool, required = false)]
    is_default: MaybeUndefined<bool>,
    /// `disabled`: its models answer no longer.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = LlmStatus, required = false)]
    status: MaybeUndefined<LlmStatus>,
}

/// How a provider is spoken to.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all(serialize = "SCREAMING_SNAKE_CASE", deserialize = "snake_case"))]
#[schema(rename_all = "snake_case")]
pub(crate) enum LlmProviderType {
    Openai,
    Anthropic,
    Gemini,
    AzureOpenai,
    Ollama,
    OpenaiCompatible,
    Llmsim,
}

/// Whether a provider or model answers.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all(serialize = "SCREAMING_SNAKE_CASE", deserialize = "snake_case"))]
#[schema(rename_all = "snake_case")]
pub(crate) enum LlmStatus {
    Active,
    Disabled,
}

/// List providers
///
/// Newest first.
#[utoipa::path(get, path = "/v1/llm-providers", tag = "llm-providers", params(Page),
    responses((status = 200, description = "A page of providers")))]
pub(crate) async fn list_llm_providers(graph: Graph, Query(page): Query<Page>) -> Result<Printed, Error> {
    graph.ask(Operation::ListLlmProviders, page).await
}

/// Create a provider
#[utoipa::path(post, path = "/v1/llm-providers", tag = "llm-providers", request_body = CreateLlmProvider,
    responses((status = 201, description = "The provider"),
        (status = 409, description = "The organization has as many as one may have")))]
pub(crate) async fn create_llm_provider(
    graph: Graph,
    Json(body): Json<CreateLlmProvider>,
) -> Result<(StatusCode, Printed), Error> {
    Ok((StatusCode::CREATED, graph.ask(Operation::CreateLlmProvider, body).await?))
}

/// Get a provider
#[utoipa::path(get, path = "/v1/llm-providers/{provider_id}", tag = "llm-providers", params(ProviderPath),
    responses((status = 200, description = "The provider")))]
pub(crate) async fn get_llm_provider(graph: Graph, Path(path): Path<ProviderPath>) -> Result<Printed, Error> {
    graph.ask(Operation::GetLlmProvider, path).await
}

/// Update a provider
#[utoipa::path(patch, path = "/v1/llm-providers/{provider_id}", tag = "llm-providers", params(ProviderPath),
    request_body = UpdateLlmProvider, responses((status = 200, description = "The provider")))]
pub(crate) async fn update_llm_provider(
    graph: Graph,
    Path(path): Path<ProviderPath>,
    Json(body): Json<UpdateLlmProvider>,
) -> Result<Printed, Error> {
    graph.ask(Operation::UpdateLlmProvider, path.update(body)).await
}

/// Delete a provider
///
/// With its models. Refused where an active agent or a session has chosen one of them, or one is the default.
#[utoipa::path(delete, path = "/v1/llm-providers/{provider_id}", tag = "llm-providers", params(ProviderPath),
    responses((status = 204, description = "Deleted"),
        (status = 409, description = "An active agent, a session or the organization has chosen one of its models")))]
pub(crate) async fn delete_llm_provider(graph: Graph, Path(path): Path<ProviderPath>) -> Result<StatusCode, Error> {
    graph.ask(Operation::DeleteLlmProvider, path).await?;
    Ok(StatusCode::NO_CONTENT)
}
