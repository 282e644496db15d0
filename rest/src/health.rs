//! GET /health.

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
