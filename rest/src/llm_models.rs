//! /v1/llm-models, and the models under each provider.

use async_graphql::MaybeUndefined;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    error::Error,
    graph::{Graph, Printed},
    llm_providers::{LlmStatus, ProviderPath},
    operations::Operation,
    request::{Json, Page, Path, Query, Update, UpdateInput},
};

#[derive(Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ModelPath {
    /// The model's id, a UUID.
    id: String,
}

impl ModelPath {
    fn update<T>(self, changes: T) -> Update<T> {
        Update { input: UpdateInput { id: self.id, agent_id: None, changes } }
    }
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all(serialize = "camelCase"))]
#[schema(example = json!({"model_id": "gpt-4", "display_name": "GPT-4", "context_window": 128_000}))]
pub(crate) struct CreateLlmModel {
    /// Its name as the provider spells it: 1 to 255 characters, once under a provider.
    model_id: String,
    /// 1 to 255 characters.
    display_name: String,
    /// Tokens that it takes in all.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    context_window: Option<i64>,
    /// What a million tokens that it reads cost.
    #[schema(minimum = 0)]
    input_price_per_million: Option<f64>,
    /// What a million tokens that it writes cost.
    #[schema(minimum = 0)]
    output_price_per_million: Option<f64>,
    /// Whether it answers where nothing else is chosen. The model that was the default is it no longer.
    is_default: Option<bool>,
}

/// An absent field is left alone. `null` clears the context window and the prices and is refused for the others.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all(serialize = "camelCase"))]
#[schema(example = json!({"display_name": "GPT-4", "is_default": true}))]
pub(crate) struct UpdateLlmModel {
    /// Its name as the provider spells it: 1 to 255 characters, once under a provider.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = String, required = false)]
    model_id: MaybeUndefined<String>,
    /// 1 to 255 characters.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = String, required = false)]
    display_name: MaybeUndefined<String>,
    /// Tokens that it takes in all.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 2_147_483_647)]
    context_window: MaybeUndefined<i64>,
    /// What a million tokens that it reads cost.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = Option<f64>, minimum = 0)]
    input_price_per_million: MaybeUndefined<f64>,
    /// What a million tokens that it writes cost.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = Option<f64>, minimum = 0)]
    output_price_per_million: MaybeUndefined<f64>,
    /// `true` takes the default's place.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = bool, required = false)]
    is_default: MaybeUndefined<bool>,
    /// `disabled`: it answers no longer.
    #[serde(default, skip_serializing_if = "MaybeUndefined::is_undefined")]
    #[schema(value_type = LlmStatus, required = false)]
    status: MaybeUndefined<LlmStatus>,
}

/// List a provider's models
///
/// Newest first.
#[utoipa::path(get, path = "/v1/llm-providers/{provider_id}/models", tag = "llm-models", params(ProviderPath, Page),
    responses((status = 200, description = "A page of models")))]
pub(crate) async fn list_provider_models(
    graph: Graph,
    Path(path): Path<ProviderPath>,
    Query(page): Query<Page>,
) -> Result<Printed, Error> {
    graph.ask(Operation::ListProviderModels, (path, page)).await
}

/// Create a model
#[utoipa::path(post, path = "/v1/llm-providers/{provider_id}/models", tag = "llm-models", params(ProviderPath),
    request_body = CreateLlmModel, responses((status = 201, description = "The model"),
        (status = 409, description = "The provider has this model already, or as many as one may have")))]
pub(crate) async fn create_llm_model(
    graph: Graph,
    Path(path): Path<ProviderPath>,
    Json(body): Json<CreateLlmModel>,
) -> Result<(StatusCode, Printed), Error> {
    Ok((StatusCode::CREATED, graph.ask(Operation::CreateLlmModel, (path, body)).await?))
}

/// List all models
///
/// Of all providers, newest first.
#[utoipa::path(get, path = "/v1/llm-models", tag = "llm-models", params(Page),
    responses((status = 200, description = "A page of models")))]
pub(crate) async fn list_llm_models(graph: Graph, Query(page): Query<Page>) -> Result<Printed, Error> {
    graph.ask(Operation::ListLlmModels, page).await
}

/// Get a model
#[utoipa::path(get, path = "/v1/llm-models/{id}", tag = "llm-models", params(ModelPath),
    responses((status = 200, description = "The model")))]
pub(crate) async fn get_llm_model(graph: Graph, Path(path): Path<ModelPath>) -> Result<Printed, Error> {
    graph.ask(Operation::GetLlmModel, path).await
}

/// Update a model
#[utoipa::path(patch, path = "/v1/llm-models/{id}", tag = "llm-models", params(ModelPath),
    request_body = UpdateLlmModel, responses((status = 200, description = "The model"),
        (status = 409, description = "The provider has another model of this name")))]
pub(crate) async fn update_llm_model(
    graph: Graph,
    Path(path): Path<ModelPath>,
    Json(body): Json<UpdateLlmModel>,
) -> Result<Printed, Error> {
    graph.ask(Operation::UpdateLlmModel, path.update(body)).await
}

/// Delete a model
///
/// Refused where an active agent or a session has chosen it, or it is the default.
#[utoipa::path(delete, path = "/v1/llm-models/{id}", tag = "llm-models", params(ModelPath),
    responses((status = 204, description = "Deleted"),
        (status = 409, description = "An active agent, a session or the organization has chosen it")))]
pub(crate) async fn delete_llm_model(graph: Graph, Path(path): Path<ModelPath>) -> Result<StatusCode, Error> {
    graph.ask(Operation::DeleteLlmModel, path).await?;
    Ok(StatusCode::NO_CONTENT)
}
