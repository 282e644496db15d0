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
mod error;
mod events;
mod graph;
mod health;
mod messages;
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
    routing::{any, get},
};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{error::Error, graph::Graph};

/// The largest request body.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Everruns", description = "Agents, their sessions and the events of both, over REST."),
    tags(
        (name = "health", description = "Is the server alive"),
        (name = "agents", description = "Who answers"),
        (name = "sessions", description = "One conversation each"),
        (name = "messages", description = "What was said"),
        (name = "events", description = "What happens, as it happens"),
    )
)]
struct Api;

/// The routes over an executor of the schema, with their OpenAPI.
///
/// An executor gets requests without a query text: they carry the parsed document, an operation name and variables. The
/// stream of a subscription is dropped with the response that prints it.
pub fn router(executor: impl Executor) -> (Router, OpenApi) {
    let (router, api) = routes().split_for_parts();
    let api = openapi::with_answers(api);
    let stored = serde_json::to_string(&api).unwrap_or_default();
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let router = router
        .route("/api-doc/openapi.json", get(move || async move { (json, stored) }))
        .route("/v1", any(async || Error::unknown_path()))
        .route("/v1/", any(async || Error::unknown_path()))
        .route("/v1/{*unknown}", any(async || Error::unknown_path()))
        .method_not_allowed_fallback(async || Error::method_not_allowed())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Graph::new(executor));
    (router, api)
}

/// The OpenAPI of the routes.
pub fn openapi() -> OpenApi {
    openapi::with_answers(routes().split_for_parts().1)
}

fn routes() -> OpenApiRouter<Graph> {
    OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(health::health))
        .routes(routes!(agents::list_agents, agents::create_agent))
        .routes(routes!(agents::get_agent, agents::update_agent, agents::archive_agent))
        .routes(routes!(sessions::list_sessions, sessions::create_session))
        .routes(routes!(sessions::get_session, sessions::update_session, sessions::delete_session))
        .routes(routes!(sessions::cancel_session))
        .routes(routes!(messages::list_messages, messages::send_message))
        .routes(routes!(events::list_events))
}
