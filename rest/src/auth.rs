//! /v1/auth: signing in and out, and API keys.

use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    error::Error,
    graph::{Graph, Printed},
    operations::Operation,
    request::{Json, Page, Path, Query},
};

#[derive(Deserialize, Serialize, ToSchema)]
#[schema(example = json!({"email": "admin@example.com", "password": "your-password"}))]
pub(crate) struct Login {
    /// The user's e-mail address, in any case.
    email: String,
    /// The user's password.
    password: String,
}

#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all(serialize = "camelCase"))]
#[schema(example = json!({"refresh_token": "evrr_..."}))]
pub(crate) struct Refresh {
    /// Without it, the one of the cookie is taken.
    refresh_token: Option<String>,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[schema(example = json!({"email": "ada@example.com", "password": "your-password", "name": "Ada"}))]
pub(crate) struct Register {
    /// The e-mail address to sign in with.
    email: String,
    /// 8 to 1024 bytes.
    password: String,
    /// What to call the user and the organization: 1 to 255 characters.
    name: Option<String>,
}

#[derive(Default, Deserialize, Serialize, ToSchema)]
#[schema(example = json!({"everywhere": false}))]
pub(crate) struct Logout {
    /// Whether to end every other login of the user too.
    everywhere: Option<bool>,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all(serialize = "camelCase"))]
#[schema(example = json!({
    "name": "my-api-key",
    "scopes": ["agents:read", "agents:write", "sessions:read", "sessions:write"]
}))]
pub(crate) struct CreateApiKey {
    /// 1 to 255 characters.
    name: String,
    /// What the key may do: `agents:read`, `agents:write`, `sessions:read`, `sessions:write`. All four where absent.
    scopes: Option<Vec<String>>,
    /// 1 to 3650; the key has no end where absent.
    expires_in_days: Option<i32>,
}

#[derive(Deserialize, Serialize, IntoParams)]
#[serde(rename_all(serialize = "camelCase"))]
#[into_params(parameter_in = Path)]
pub(crate) struct KeyPath {
    /// The key's id, a UUID.
    key_id: String,
}

/// How callers may sign in
///
/// Answers without credentials.
#[utoipa::path(get, path = "/v1/auth/config", tag = "auth", responses((status = 200, description = "The ways")))]
pub(crate) async fn get_auth_config(graph: Graph) -> Result<Printed, Error> {
    graph.ask(Operation::GetAuthConfig, ()).await
}

/// Sign in by password
///
/// Browsers are handed the tokens as HttpOnly cookies too. An unknown address and a wrong password are the same 401.
#[utoipa::path(post, path = "/v1/auth/login", tag = "auth", request_body = Login,
    responses((status = 200, description = "The login's first tokens"),
        (status = 401, description = "What was given proves nobody: whatever is wrong with it, the answer is the same"),
        (status = 404, description = "Nobody signs in: AUTH_MODE is none")))]
pub(crate) async fn login(graph: Graph, Json(body): Json<Login>) -> Result<Printed, Error> {
    graph.ask(Operation::Login, body).await
}

/// Exchange a refresh token
///
/// A token is good once, and once more within 10 seconds, as an answer may be lost; whoever uses it later ends the login.
#[utoipa::path(post, path = "/v1/auth/refresh", tag = "auth", request_body = Refresh,
    responses((status = 200, description = "The login's next tokens"),
        (status = 401, description = "What was given proves nobody: whatever is wrong with it, the answer is the same"),
        (status = 404, description = "Nobody signs in: AUTH_MODE is none")))]
pub(crate) async fn refresh(graph: Graph, body: Option<Json<Refresh>>) -> Result<Printed, Error> {
    graph.ask(Operation::Refresh, body.map(|Json(body)| body).unwrap_or_default()).await
}

/// Make an account
///
/// It has an organization of its own, and is signed in.
#[utoipa::path(post, path = "/v1/auth/register", tag = "auth", request_body = Register,
    responses((status = 201, description = "The first login's tokens"),
        (status = 404, description = "Nobody signs in: AUTH_MODE is none")))]
pub(crate) async fn register(graph: Graph, Json(body): Json<Register>) -> Result<(StatusCode, Printed), Error> {
    Ok((StatusCode::CREATED, graph.ask(Operation::Register, body).await?))
}

/// Sign out
///
/// Ends the caller's login, its tokens and its open streams at once, and takes the cookies back.
#[utoipa::path(post, path = "/v1/auth/logout", tag = "auth", request_body = Option<Logout>,
    responses((status = 204, description = "Signed out"),
        (status = 404, description = "Nobody signs in: AUTH_MODE is none")))]
pub(crate) async fn logout(graph: Graph, body: Option<Json<Logout>>) -> Result<(StatusCode, HeaderMap), Error> {
    let done = graph.ask(Operation::Logout, body.map(|Json(body)| body).unwrap_or_default()).await?;
    Ok((StatusCode::NO_CONTENT, done.into_headers()))
}

/// Who asks
#[utoipa::path(get, path = "/v1/auth/me", tag = "auth", responses((status = 200, description = "The caller")))]
pub(crate) async fn get_me(graph: Graph) -> Result<Printed, Error> {
    graph.ask(Operation::GetMe, ()).await
}

/// List API keys
///
/// The caller's own, newest first. The keys themselves are not shown again.
#[utoipa::path(get, path = "/v1/auth/api-keys", tag = "auth", params(Page),
    responses((status = 200, description = "A page of keys"),
        (status = 404, description = "Nobody signs in: AUTH_MODE is none")))]
pub(crate) async fn list_api_keys(graph: Graph, Query(page): Query<Page>) -> Result<Printed, Error> {
    graph.ask(Operation::ListApiKeys, page).await
}

/// Create an API key
///
/// The key is shown this once. An API key cannot make others.
#[utoipa::path(post, path = "/v1/auth/api-keys", tag = "auth", request_body = CreateApiKey,
    responses((status = 201, description = "The key"),
        (status = 404, description = "Nobody signs in: AUTH_MODE is none"),
        (status = 409, description = "The user has as many keys as one may have, or an earlier request with the same idempotency key made \
            this one: it is shown once")))]
pub(crate) async fn create_api_key(
    graph: Graph,
    Json(body): Json<CreateApiKey>,
) -> Result<(StatusCode, Printed), Error> {
    Ok((StatusCode::CREATED, graph.ask(Operation::CreateApiKey, body).await?))
}

/// Delete an API key
///
/// It is refused from then on, and its open streams end.
#[utoipa::path(delete, path = "/v1/auth/api-keys/{key_id}", tag = "auth", params(KeyPath),
    responses((status = 204, description = "Deleted")))]
pub(crate) async fn delete_api_key(graph: Graph, Path(path): Path<KeyPath>) -> Result<StatusCode, Error> {
    graph.ask(Operation::DeleteApiKey, path).await?;
    Ok(StatusCode::NO_CONTENT)
}
