//! The documented `/v1` endpoints, as a thin adapter over the GraphQL schema.
//!
//! REST asks and prints. A route is a document under `operations/`, a request struct where it has a body, and one line
//! that asks; the selection of the document, with its aliases, is the body of the answer (`print`). What is allowed,
//! stored and told is decided behind the executor; here only a code becomes a status (`error`) and, on one route,
//! `Accept` chooses between a stream and a page (`events`).
//!
//! To add a field to an answer, add it to the document; to add an endpoint, write its operation, name it in
//! `operations`, and add the route below. OpenAPI follows by itself (`openapi`); `UPDATE=1 cargo test --workspace`
//! stores it.

mod agents;
mod auth;
mod capabilities;
mod error;
mod events;
mod files;
mod graph;
mod health;
mod llm_models;
mod llm_providers;
mod messages;
mod oauth;
mod openapi;
mod operations;
mod print;
mod request;
mod sessions;

use async_graphql::Executor;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderValue, header},
    middleware::from_fn_with_state,
    routing::{any, get},
};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use crate::graph::credentials;
use crate::{
    error::Error,
    graph::{Executors, credentials_first},
};

/// What OpenAPI says before its routes.
const ABOUT: &str = "Agents, their sessions and the events of both, over REST. The same, and more, is in GraphQL at \
`/graphql`, with its own manual at `/graphiql`.

**Credentials.** Where the server's `auth_mode` is not `None`, all routes but the open ones need an API key (`evr_…`) or \
an access token in the header `Authorization`; a browser may use the cookie of its login.

**Errors** have one body, whatever the status: `error` for people, `code` for programs, and `field`, the part of the \
request that is to blame.

**Lists** have their rows in `data`, and `next` where more follow: give it as `after`. A field that is null is left \
out.

**Sending again.** What creates something takes a key of your choice in the header `Idempotency-Key`: for 24 hours it is \
made once however often it is sent. All other requests take no key: changing or deleting the same thing twice is changing it once, \
while a repeated cancel ends what runs by then, and signing in is done anew.";

/// The largest request body.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Everruns", description = ABOUT),
    tags(
        (name = "health", description = "Is the server alive, and can it work"),
        (name = "auth", description = "Who asks: signing in, and API keys"),
        (name = "agents", description = "Who answers"),
        (name = "sessions", description = "One conversation each"),
        (name = "messages", description = "What was said"),
        (name = "events", description = "What happens, as it happens"),
        (name = "files", description = "What a session's agent and people keep in it"),
        (name = "capabilities", description = "What agents can do"),
        (name = "llm-providers", description = "Where models are"),
        (name = "llm-models", description = "Which models there are"),
    )
)]
struct Api;

/// The routes over an executor of the schema, with their OpenAPI.
///
/// An executor gets requests without a query text: they carry the parsed document, an operation name and variables, and in
/// their data a `HeaderMap` with the [`credentials`], where there are any. The stream of a subscription is dropped with the
/// response that prints it.
pub fn router(executor: impl Executor) -> (Router, OpenApi) {
    let executors = Executors::new(executor);
    let closed = closed_routes().route_layer(from_fn_with_state(executors.clone(), credentials_first));
    let (router, api) = open_routes().merge(closed).split_for_parts();
    let api = openapi::complete(api);
    let stored = serde_json::to_string(&api).unwrap_or_default();
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let router = router
        .route("/api-doc/openapi.json", get(move || async move { (json, stored) }))
        .route("/v1", any(async || Error::unknown_path()))
        .route("/v1/", any(async || Error::unknown_path()))
        .route("/v1/{*unknown}", any(async || Error::unknown_path()))
        .method_not_allowed_fallback(async || Error::method_not_allowed())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(executors);
    (router, api)
}

/// The OpenAPI of the routes.
pub fn openapi() -> OpenApi {
    openapi::complete(open_routes().merge(closed_routes()).split_for_parts().1)
}

/// What anybody may ask.
fn open_routes() -> OpenApiRouter<Executors> {
    OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(auth::get_auth_config))
        .routes(routes!(auth::login))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::register))
        .routes(routes!(oauth::start_oauth))
        .routes(routes!(oauth::finish_oauth))
        .routes(routes!(oauth::finish_oauth_alias))
}

/// What needs credentials, where the server asks for any.
fn closed_routes() -> OpenApiRouter<Executors> {
    OpenApiRouter::new()
        .routes(routes!(auth::logout))
        .routes(routes!(auth::get_me))
        .routes(routes!(auth::list_api_keys, auth::create_api_key))
        .routes(routes!(auth::delete_api_key))
        .routes(routes!(agents::list_agents, agents::create_agent))
        .routes(routes!(agents::get_agent, agents::update_agent, agents::archive_agent))
        .routes(routes!(sessions::list_sessions, sessions::create_session))
        .routes(routes!(sessions::get_session, sessions::update_session, sessions::delete_session))
        .routes(routes!(sessions::cancel_session))
        .routes(routes!(messages::list_messages, messages::send_message))
        .routes(routes!(events::list_events))
        .routes(routes!(files::list_files))
        .routes(routes!(files::get_file, files::write_file, files::delete_file))
        .routes(routes!(capabilities::list_capabilities))
        .routes(routes!(capabilities::get_agent_capabilities, capabilities::set_agent_capabilities))
        .routes(routes!(llm_providers::list_llm_providers, llm_providers::create_llm_provider))
        .routes(routes!(
            llm_providers::get_llm_provider,
            llm_providers::update_llm_provider,
            llm_providers::delete_llm_provider
        ))
        .routes(routes!(llm_models::list_provider_models, llm_models::create_llm_model))
        .routes(routes!(llm_models::list_llm_models))
        .routes(routes!(llm_models::get_llm_model, llm_models::update_llm_model, llm_models::delete_llm_model))
}
