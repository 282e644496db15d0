//! What stands before the schema: HTTP, WebSockets, the guard that measures every text, the checks of Host and Origin, and the pages.

pub mod guard;
pub mod http;
pub mod websocket;
mod websocket_messages;
mod envelope;
mod origin;
mod pages;
mod sockets;

use std::net::SocketAddr;
use std::sync::Arc;

use ::http::header::{AUTHORIZATION, CONTENT_TYPE};
use ::http::{HeaderName, HeaderValue, Method};
use async_graphql::Executor;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tower_http::cors::{AllowOrigin, CorsLayer};

pub use sockets::{Socket, Sockets};

use crate::config::{Origins, Switch};

/// Headers of requests and answers that pages of other origins may set and read, besides those that every page may.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What the edge must know of the configuration.
#[derive(Debug, Clone)]
pub struct EdgeSettings {
    /// The address that the server listens on.
    pub listen: SocketAddr,
    /// Origins whose pages may use the server (`https://app.example.com`).
    pub allowed_origins: Origins,
    /// Host names, without port, that are the server's besides localhost and its addresses.
    pub allowed_hosts: Vec<String>,
    /// Where browsers reach the server: pages from there are its own, whatever a proxy makes of the Host header.
    pub base_url: String,
    /// Whether everybody is the owner (mode none): Host and Origin are all that keeps other sites' pages out.
    pub asks_nobody: bool,
}

/// `/graphql` with its WebSocket, the alias `/graphql/ws`, and the pages: `/swagger-ui/` and, where it is wanted, `/graphiql`.
pub fn router<E: Executor>(executor: E, graphiql: Switch) -> Router {
    let graphql = get(http::get::<E>).post(http::post::<E>).fallback(http::refuse_method);
    Router::new()
        .route("/graphql", graphql.layer(DefaultBodyLimit::max(http::BODY_BYTES_MAX)))
        .route("/graphql/ws", get(websocket::open::<E>))
        .with_state(executor)
        .merge(pages::router(graphiql))
}

/// Puts the checks of Host and Origin before all of `routes`, unknown paths included, and tells browsers which origins may read the answers. Where
/// callers have credentials, no more is checked than whose page sent a cookie.
pub fn check_origins(routes: Router, settings: EdgeSettings) -> Router {
    let readers = settings.allowed_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(readers))
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::PUT, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, LAST_EVENT_ID, IDEMPOTENCY_KEY])
        .expose_headers([IDEMPOTENCY_REPLAYED]);
    routes.layer(from_fn_with_state(Arc::new(settings), origin::check)).layer(cors)
}
