//! The one door to the schema: every request, from HTTP, WebSocket or REST, is given its viewer here, runs here, and has its errors coded and
//! logged here, once.
//!
//! Only parsed documents come in: a request that still carries text has not passed the guard (`edge/guard`) and is refused. Who asks stands in the
//! request's data as the headers that came with it, where any credential did.

mod root;

use std::any::TypeId;
use std::collections::HashSet;
use std::future;
use std::pin::pin;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use async_graphql::{Data, Executor, Name, Request, Response, ServerError};
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};

use http::HeaderMap;

use self::root::Root;
use crate::auth::{Access, Accounts, Credential, DEFAULT_OWNER, Scopes, Stay, Viewer};
use crate::config::Switch;
use crate::db::ids::Id;
use crate::db::{Loads, Lookups, STREAM_PATIENCE, Store};
use crate::error::{Error, ErrorCode};
use crate::graphql::Canonical;
use crate::library_errors;
use crate::organizations::DEFAULT_ORGANIZATION;

/// Whose rows a request meets that nobody was found for: no organization has this id.
const NOBODYS: Id = Id::fixed(0);

/// Mode none: everybody acts as the default organization's owner.
const OWNER: Viewer = Viewer {
    organization_id: DEFAULT_ORGANIZATION,
    user_id: DEFAULT_OWNER,
    scopes: Scopes::ALL,
    credential: Credential::None,
};

/// Runs requests on the schema.
#[derive(Clone)]
pub struct Gateway {
    schema: Canonical,
    store: Store,
    accounts: Accounts,
    introspection: Option<Switch>,
}

impl Gateway {
    /// The door to this schema, which tells of itself as `introspection` says.
    pub fn new(schema: Canonical, store: Store, accounts: Accounts, introspection: Option<Switch>) -> Self {
        Self { schema, store, accounts, introspection }
    }

    /// Finds out who asks, where the request is not open to everybody.
    async fn admit(&self, mut request: Request) -> Result<(Request, Loads), Error> {
        if self.accounts.is_open() {
            return self.admit_owner(request);
        }
        let root = Root::of(&mut request);
        let found = if root.is_open && !self.asks_who_introspects(root) {
            Err(Error::unauthenticated())
        } else {
            self.accounts.viewer(headers(&request)).await
        };
        self.prepare(request, root, found)
    }

    /// Mode none, where nothing is looked at.
    fn admit_owner(&self, mut request: Request) -> Result<(Request, Loads), Error> {
        let root = match self.introspection {
            Some(Switch::Off) => Root::of(&mut request),
            Some(Switch::On) | None => Root { is_open: false, introspects: false },
        };
        self.prepare(request, root, Ok(OWNER))
    }

    /// Gives the request what its resolvers need: who asks, and the loader of this request, whose loads shall run beside it.
    fn prepare(
        &self,
        mut request: Request,
        root: Root,
        found: Result<Viewer, Error>,
    ) -> Result<(Request, Loads), Error> {
        if !request.query.is_empty() {
            return Err(Error::internal("a request came past the guard"));
        }
        if root.introspects && self.introspection == Some(Switch::Off) {
            return Err(Error::forbidden("introspection is switched off on this server"));
        }
        if let (true, Err(error)) = (self.asks_who_introspects(root), &found) {
            let mut error = error.clone();
            if error.code == ErrorCode::Unauthenticated {
                error.message = "introspection is for signed-in callers".into();
            }
            return Err(error);
        }
        let organization_id = found.as_ref().map_or(NOBODYS, |viewer| viewer.organization_id);
        // An event that cannot be shown for the moment is shown late, rather than left out.
        let patience = if has(&mut request, OperationType::Subscription) { STREAM_PATIENCE } else { Duration::ZERO };
        let (loader, loads) = Lookups::loader(self.store.clone(), organization_id, patience);
        Ok((request.data(Access(found)).data(loader), loads))
    }

    fn asks_who_introspects(&self, root: Root) -> bool {
        root.introspects && self.introspection.is_none()
    }

    /// The answers to a request whose viewer is found.
    fn stream(
        &self,
        admitted: Result<(Request, Loads), Error>,
        session: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        match admitted {
            Ok((request, mut loads)) => {
                let answers = self.schema.execute_stream_with_session_data(request, session.unwrap_or_default());
                let mut answers = answers.boxed();
                stream::poll_fn(move |cx| loads.poll_with(cx, |cx| answers.poll_next_unpin(cx))).map(finish).boxed()
            }
            Err(error) => stream::once(async { finish(refusal(error)) }).boxed(),
        }
    }

    /// The same, to be ended with the viewer's credential.
    async fn stream_while_signed_in(
        self,
        mut request: Request,
        session: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        let root = Root::of(&mut request);
        match self.accounts.enter(headers(&request)).await {
            Ok((viewer, stay)) => until_ended(self.stream(self.prepare(request, root, Ok(viewer)), session), stay),
            Err(error) => self.stream(self.prepare(request, root, Err(error)), session),
        }
    }
}

impl Executor for Gateway {
    async fn execute(&self, request: Request) -> Response {
        let (mut request, loads) = match self.admit(request).await {
            Ok(admitted) => admitted,
            Err(error) => return finish(refusal(error)),
        };
        let changes = has(&mut request, OperationType::Mutation);
        let answer = run(self.schema.clone(), request, loads);
        if !changes {
            return finish(answer.await);
        }
        // A caller that leaves does not stop a change in the middle: what it stored would wait without the signal that follows.
        finish(tokio::spawn(answer).await.unwrap_or_else(|error| refusal(Error::internal(error))))
    }

    fn execute_stream(&self, request: Request, session: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        if self.accounts.is_open() {
            return self.stream(self.admit_owner(request), session);
        }
        stream::once(self.clone().stream_while_signed_in(request, session)).flatten().boxed()
    }
}

/// The headers that came with the request, where a credential did.
fn headers(request: &Request) -> Option<&HeaderMap> {
    request.data.get(&TypeId::of::<HeaderMap>())?.downcast_ref()
}

/// Ends a stream when its viewer's credential does, with an error that says so.
fn until_ended(answers: BoxStream<'static, Response>, stay: Stay) -> BoxStream<'static, Response> {
    let ended = Box::pin(stay.ended());
    let running = Some((answers, ended, stay));
    stream::unfold(running, async |running| {
        let (mut answers, mut ended, stay) = running?;
        tokio::select! {
            biased;
            () = &mut ended => Some((finish(refusal(Error::unauthenticated())), None)),
            answer = answers.next() => answer.map(|answer| (answer, Some((answers, ended, stay)))),
        }
    })
    .boxed()
}

/// Runs a request with its loads beside it.
async fn run(schema: Canonical, request: Request, mut loads: Loads) -> Response {
    let mut answer = pin!(schema.execute(request));
    future::poll_fn(|cx| loads.poll_with(cx, |cx| answer.as_mut().poll(cx))).await
}

/// Whether the request asks for an operation of this kind.
fn has(request: &mut Request, kind: OperationType) -> bool {
    let name = request.operation_name.clone();
    let asked = |found: Option<&Name>| name.is_none() || found.map(Name::as_str) == name.as_deref();
    let document = request.parsed_query();
    document.is_ok_and(|document| {
        document.operations.iter().any(|(found, operation)| asked(found) && operation.node.ty == kind)
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
