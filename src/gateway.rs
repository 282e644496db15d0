//! The one door to the schema: every request, from HTTP, WebSocket or REST, is given its viewer here, runs here, and has its errors coded and
//! logged here, once.
//!
//! Only parsed documents come in: a request that still carries text has not passed the guard (`edge/guard`) and is refused.

use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use async_graphql::{Data, Executor, Request, Response};
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};

use crate::db::{Lookups, Store};
use crate::error::Error;
use crate::graphql::Canonical;
use crate::library_errors;
use crate::organizations::{DEFAULT_ORGANIZATION, Viewer};

/// Runs requests on the schema.
#[derive(Clone)]
pub struct Gateway {
    schema: Canonical,
    store: Store,
}

impl Gateway {
    /// The door to this schema.
    pub fn new(schema: Canonical, store: Store) -> Self {
        Self { schema, store }
    }

    /// Gives the request what its resolvers need: who asks, and the loader of this request.
    fn admit(&self, request: Request) -> Result<Request, Error> {
        if !request.query.is_empty() {
            return Err(Error::internal("a request came past the guard"));
        }
        // Mode none: everybody acts as the default organization's owner.
        let viewer = Viewer { organization_id: DEFAULT_ORGANIZATION };
        Ok(request.data(viewer).data(Lookups::loader(self.store.clone(), viewer.organization_id)))
    }
}

impl Executor for Gateway {
    async fn execute(&self, request: Request) -> Response {
        let mut request = match self.admit(request) {
            Ok(request) => request,
            Err(error) => return finish(refusal(error)),
        };
        if !changes(&mut request) {
            return finish(self.schema.execute(request).await);
        }
        // A caller that leaves does not stop a change in the middle: what it stored would wait without the signal that follows.
        let schema = self.schema.clone();
        let changed = tokio::spawn(async move { schema.execute(request).await }).await;
        finish(changed.unwrap_or_else(|error| refusal(Error::internal(error))))
    }

    fn execute_stream(&self, request: Request, session: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        match self.admit(request) {
            Ok(request) => {
                self.schema.execute_stream_with_session_data(request, session.unwrap_or_default()).map(finish).boxed()
            }
            Err(error) => stream::once(async { finish(refusal(error)) }).boxed(),
        }
    }
}

/// Whether the request has a mutation.
fn changes(request: &mut Request) -> bool {
    let document = request.parsed_query();
    document.is_ok_and(|document| {
        document.operations.iter().any(|(_, operation)| operation.node.ty == OperationType::Mutation)
    })
}

fn refusal(error: Error) -> Response {
    Response::from_errors(vec![async_graphql::Error::from(error).into_server_error(Default::default())])
}

/// Gives every error its code and logs those that are ours.
fn finish(mut response: Response) -> Response {
    for error in &mut response.errors {
        match error.source::<Error>() {
            Some(source) => log(source, &error.path),
            None => library_errors::stamp(error),
        }
    }
    response
}

fn log(error: &Error, path: &[async_graphql::PathSegment]) {
    if let Some(cause) = error.cause() {
        tracing::error!(code = ?error.code, ?path, cause = %cause, "a request failed");
    }
}
