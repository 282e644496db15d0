//! The one door to the schema: every request, from HTTP, WebSocket or REST, is given its viewer here, runs here, and has its errors coded and
//! logged here, once.
//!
//! Only parsed documents come in: a request that still carries text has not passed the guard (`edge/guard`) and is refused.

use std::collections::HashSet;
use std::future;
use std::pin::pin;
use std::ptr;
use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use async_graphql::{Data, Executor, Request, Response, ServerError};
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};

use crate::auth::{Access, Credential, DEFAULT_OWNER, Scopes, Viewer};
use crate::db::{Loads, Lookups, Store};
use crate::error::Error;
use crate::graphql::Canonical;
use crate::library_errors;
use crate::organizations::DEFAULT_ORGANIZATION;

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

    /// Gives the request what its resolvers need: who asks, and the loader of this request, whose loads shall run beside it.
    fn admit(&self, request: Request) -> Result<(Request, Loads), Error> {
        if !request.query.is_empty() {
            return Err(Error::internal("a request came past the guard"));
        }
        // Mode none: everybody acts as the default organization's owner.
        let viewer = Viewer {
            organization_id: DEFAULT_ORGANIZATION,
            user_id: DEFAULT_OWNER,
            scopes: Scopes::ALL,
            credential: Credential::None,
        };
        let (loader, loads) = Lookups::loader(self.store.clone(), viewer.organization_id);
        Ok((request.data(Access(Ok(viewer))).data(loader), loads))
    }
}

impl Executor for Gateway {
    async fn execute(&self, request: Request) -> Response {
        let (mut request, loads) = match self.admit(request) {
            Ok(admitted) => admitted,
            Err(error) => return finish(refusal(error)),
        };
        let changes = changes(&mut request);
        let answer = run(self.schema.clone(), request, loads);
        if !changes {
            return finish(answer.await);
        }
        // A caller that leaves does not stop a change in the middle: what it stored would wait without the signal that follows.
        finish(tokio::spawn(answer).await.unwrap_or_else(|error| refusal(Error::internal(error))))
    }

    fn execute_stream(&self, request: Request, session: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        match self.admit(request) {
            Ok((request, mut loads)) => {
                let answers = self.schema.execute_stream_with_session_data(request, session.unwrap_or_default());
                let mut answers = answers.boxed();
                stream::poll_fn(move |cx| loads.poll_with(cx, |cx| answers.poll_next_unpin(cx))).map(finish).boxed()
            }
            Err(error) => stream::once(async { finish(refusal(error)) }).boxed(),
        }
    }
}

/// Runs a request with its loads beside it.
async fn run(schema: Canonical, request: Request, mut loads: Loads) -> Response {
    let mut answer = pin!(schema.execute(request));
    future::poll_fn(|cx| loads.poll_with(cx, |cx| answer.as_mut().poll(cx))).await
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
    for error in response.errors.iter_mut().filter(|error| error.source::<Error>().is_none()) {
        library_errors::stamp(error);
    }
    log(&response);
    response
}

/// Logs each cause once: a load that failed fails every field that waited for it, with copies of one error.
fn log(response: &Response) {
    let mut logged = HashSet::new();
    for ServerError { source, path, .. } in &response.errors {
        let error = source.as_ref().and_then(|source| source.downcast_ref::<Error>());
        let Some((error, cause)) = error.and_then(|error| Some((error, error.cause()?))) else { continue };
        if logged.insert(ptr::from_ref(cause).cast::<()>()) {
            tracing::error!(code = ?error.code, ?path, cause = %cause, "a request failed");
        }
    }
}
