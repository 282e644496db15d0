//! The one door to the schema: every request, from HTTP, WebSocket or REST, is given its viewer here, runs here, and has its errors coded and
//! logged here, once.
//!
//! Only parsed documents come in: a request that still carries text has not passed the guard (`edge/guard`) and is refused.

use std::sync::Arc;

use async_graphql::{Data, ErrorExtensionValues, Executor, Request, Response, ServerError};
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};

use crate::db::{Lookups, Store};
use crate::error::{Error, ErrorCode};
use crate::graphql::Canonical;
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
    fn admit(&self, request: Request) -> Result<Request, Response> {
        if !request.query.is_empty() {
            let error = Error::internal("a request came past the guard");
            return Err(finish(Response::from_errors(vec![
                async_graphql::Error::from(error).into_server_error(Default::default()),
            ])));
        }
        // Mode none: everybody acts as the default organization's owner.
        let viewer = Viewer { organization_id: DEFAULT_ORGANIZATION };
        Ok(request.data(viewer).data(Lookups::loader(self.store.clone(), viewer.organization_id)))
    }
}

impl Executor for Gateway {
    async fn execute(&self, request: Request) -> Response {
        match self.admit(request) {
            Ok(request) => finish(self.schema.execute(request).await),
            Err(refused) => refused,
        }
    }

    fn execute_stream(&self, request: Request, session: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        match self.admit(request) {
            Ok(request) => {
                self.schema.execute_stream_with_session_data(request, session.unwrap_or_default()).map(finish).boxed()
            }
            Err(refused) => stream::once(async { refused }).boxed(),
        }
    }
}

/// Gives every error its code and logs those that are ours.
fn finish(mut response: Response) -> Response {
    for error in &mut response.errors {
        match error.source::<Error>() {
            Some(source) => log(source, &error.path),
            None => stamp(error),
        }
    }
    response
}

/// The library's own errors carry no code: they are all about the request.
fn stamp(error: &mut ServerError) {
    let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
    if extensions.get("code").is_none() {
        extensions.set("code", ErrorCode::BadUserInput.to_value());
    }
}

fn log(error: &Error, path: &[async_graphql::PathSegment]) {
    if let Some(cause) = error.cause() {
        tracing::error!(code = ?error.code, ?path, cause = %cause, "a request failed");
    }
}
