//! GET /health and GET /ready.

use crate::{
    error::Error,
    graph::{Graph, Printed},
    operations::Operation,
};

/// Is the server alive
///
/// Answers without credentials.
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, description = "It is")))]
pub(crate) async fn health(graph: Graph) -> Result<Printed, Error> {
    graph.ask(Operation::Health, ()).await
}

/// Can the server do what it is asked
///
/// While its database is out of reach, and as soon as it stops, 503. Answers without credentials.
#[utoipa::path(get, path = "/ready", tag = "health", responses((status = 200, description = "It can")))]
pub(crate) async fn ready(graph: Graph) -> Result<Printed, Error> {
    graph.ask(Operation::Ready, ()).await
}
