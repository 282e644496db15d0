//! /v1/auth/oauth: signing in with Google and GitHub, by two redirects of the browser.

use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    error::Error,
    graph::{Graph, Printed},
    operations::Operation,
    request::{Path, Query},
};

#[derive(Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ProviderPath {
    /// Where to sign in.
    #[param(inline)]
    provider: Provider,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all(serialize = "SCREAMING_SNAKE_CASE", deserialize = "snake_case"))]
#[schema(rename_all = "snake_case")]
pub(crate) enum Provider {
    Google,
    Github,
}

/// What the provider sends the browser back with; whatever else it adds is not looked at.
#[derive(Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CallbackQuery {
    /// The provider's code, where it let the person in.
    code: Option<String>,
    /// What the provider was sent as state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = String, required = true)]
    state: Option<String>,
    /// The provider's word for why it did not let the person in.
    error: Option<String>,
}

/// Sign in elsewhere
///
/// Sends the browser to the provider, with a cookie that it must have when it comes back, within 10 minutes. A provider that
/// is not set up is a 404.
#[utoipa::path(get, path = "/v1/auth/oauth/{provider}", tag = "auth", params(ProviderPath),
    responses((status = 303, description = "Where the browser goes stands in `Location`")))]
pub(crate) async fn start_oauth(
    graph: Graph,
    Path(path): Path<ProviderPath>,
) -> Result<(StatusCode, [(HeaderName, String); 1], HeaderMap), Error> {
    let started = graph.ask(Operation::StartOauth, path).await?;
    let location = started.text("authorize_url").ok_or_else(|| Error::internal("a start without an address"))?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)], started.into_headers()))
}

/// Come back from a provider
///
/// Answers like a login and sets its cookies. Only the browser that began the sign-in ends it: a state that does not belong to its
/// cookie is a 400.
#[utoipa::path(get, path = "/v1/auth/callback/{provider}", tag = "auth", params(ProviderPath, CallbackQuery),
    responses((status = 200, description = "The login's first tokens")))]
pub(crate) async fn finish_oauth(
    graph: Graph,
    Path(path): Path<ProviderPath>,
    Query(query): Query<CallbackQuery>,
) -> Result<Printed, Error> {
    graph.ask(Operation::FinishOauth, (path, query)).await
}

/// Come back from a provider, by another name
///
/// The same as /v1/auth/callback/{provider}.
#[utoipa::path(get, path = "/v1/auth/oauth/{provider}/callback", tag = "auth", params(ProviderPath, CallbackQuery),
    responses((status = 200, description = "The login's first tokens")))]
pub(crate) async fn finish_oauth_alias(
    graph: Graph,
    path: Path<ProviderPath>,
    query: Query<CallbackQuery>,
) -> Result<Printed, Error> {
    finish_oauth(graph, path, query).await
}
