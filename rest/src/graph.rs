//! The only way out: an operation with its variables goes to the executor, and a body or an error comes back.

use std::{convert::Infallible, sync::Arc};

use async_graphql::{Executor, Name, Request, Response, Value, Variables, to_value};
use axum::{
    extract::{FromRequestParts, Request as HttpRequest, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response as HttpResponse},
};
use futures_util::{FutureExt, future::BoxFuture, stream::BoxStream};
use serde::Serialize;

use crate::{
    error::Error,
    operations::{Document, KEY_VARIABLE, Operation},
    print::{self, Body},
};

/// The executor behind an object-safe view: `Executor` is not one, and the routes' handlers cannot be generic.
#[derive(Clone)]
pub(crate) struct Executors(Arc<dyn View>);

/// The executor, as the caller of one request meets it.
pub(crate) struct Graph {
    executor: Executors,
    credentials: Option<HeaderMap>,
    /// Goes with an operation that takes it.
    idempotency_key: Option<HeaderValue>,
}

/// Under which key the caller wants something made once.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

trait View: Send + Sync {
    fn execute(&self, request: Request) -> BoxFuture<'_, Response>;
    fn subscribe(&self, request: Request) -> BoxStream<'static, Response>;
}

impl<E: Executor> View for E {
    fn execute(&self, request: Request) -> BoxFuture<'_, Response> {
        Executor::execute(self, request).boxed()
    }

    fn subscribe(&self, request: Request) -> BoxStream<'static, Response> {
        self.execute_stream(request, None)
    }
}

/// A printed body, and the headers that resolvers set.
pub(crate) struct Printed {
    body: Vec<u8>,
    headers: HeaderMap,
}

impl Printed {
    /// A text of the body, by its name.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        body.get(name)?.as_str().map(str::to_owned)
    }

    /// The headers alone, for an answer without a body.
    pub(crate) fn into_headers(self) -> HeaderMap {
        self.headers
    }
}

impl IntoResponse for Printed {
    fn into_response(self) -> axum::response::Response {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        (self.headers, [(header::CONTENT_TYPE, JSON)], self.body).into_response()
    }
}

/// The headers that say who asks, `Authorization` and `Cookie`; nothing where there are none.
pub fn credentials(headers: &HeaderMap) -> Option<HeaderMap> {
    let mut found = HeaderMap::new();
    for name in [header::AUTHORIZATION, header::COOKIE] {
        for value in headers.get_all(&name) {
            found.append(&name, value.clone());
        }
    }
    (!found.is_empty()).then_some(found)
}

impl FromRequestParts<Executors> for Graph {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, executor: &Executors) -> Result<Self, Infallible> {
        let mut keys = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let idempotency_key = match (keys.next(), keys.next()) {
            // Which of two is meant nobody knows: the schema is asked with what is none.
            (Some(_), Some(_)) => Some(HeaderValue::from_static("")),
            (key, _) => key.cloned(),
        };
        Ok(Self { executor: executor.clone(), credentials: credentials(&parts.headers), idempotency_key })
    }
}

/// Tells who has no valid credentials so, whatever else is wrong with the request: what it should look like is for those who may ask.
pub(crate) async fn credentials_first(
    State(executor): State<Executors>,
    request: HttpRequest,
    next: Next,
) -> HttpResponse {
    let graph = Graph { executor, credentials: credentials(request.headers()), idempotency_key: None };
    let response = next.run(request).await;
    let unread = [StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE, StatusCode::UNSUPPORTED_MEDIA_TYPE];
    if !unread.contains(&response.status()) {
        return response;
    }
    match graph.ask(Operation::WhoAsks, ()).await {
        Err(error) if error.is_unauthenticated() => error.into_response(),
        _ => response,
    }
}

impl Executors {
    pub(crate) fn new(executor: impl Executor) -> Self {
        Self(Arc::new(executor))
    }
}

impl Graph {
    /// Runs a query or mutation and prints its answer. What is `given`, one struct or a tuple of them (path, query,
    /// body), is the variables.
    pub(crate) async fn ask(&self, operation: Operation, given: impl Serialize) -> Result<Printed, Error> {
        let document = operation.document();
        let mut answer = self.executor.0.execute(self.request(document, given)?).await;
        let headers = std::mem::take(&mut answer.http_headers);
        let data = data(document, answer)?;
        match print::body(document, &data)? {
            Body::Printed(body) => Ok(Printed { body, headers }),
            Body::Missing(what) => Err(Error::missing(&what, document.id_name)),
        }
    }

    /// Starts a subscription. Dropping the stream ends it.
    pub(crate) fn watch(
        &self,
        operation: Operation,
        given: impl Serialize,
    ) -> Result<BoxStream<'static, Response>, Error> {
        Ok(self.executor.0.subscribe(self.request(operation.document(), given)?))
    }

    /// The text of the query stays empty: the executor is given the parsed document.
    fn request(&self, document: &Document, given: impl Serialize) -> Result<Request, Error> {
        let mut variables = variables(given)?;
        if document.takes_key {
            // What is no text becomes one that no key may be. Null where there is none: an argument with a variable that is not given is not checked
            // as a whole, and what is wrong in it loses its field.
            let key = self.idempotency_key.as_ref().map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned());
            variables.insert(Name::new(KEY_VARIABLE), key.map_or(Value::Null, Value::String));
        }
        let mut request = Request::new("").operation_name(document.name).variables(variables);
        request.set_parsed_query(document.executable.clone());
        Ok(match &self.credentials {
            Some(credentials) => request.data(credentials.clone()),
            None => request,
        })
    }
}

/// The data of an answer, or the first of its errors.
pub(crate) fn data(document: &Document, response: Response) -> Result<Value, Error> {
    match response.errors.into_iter().next() {
        None => Ok(response.data),
        Some(error) => Err(Error::answered(error, document.id_name)),
    }
}

fn variables(given: impl Serialize) -> Result<Variables, Error> {
    let structs = match to_value(given).map_err(Error::internal)? {
        Value::List(structs) => structs,
        one => vec![one],
    };
    let mut variables = Variables::default();
    for fields in structs {
        if let Value::Object(fields) = fields {
            variables.extend(fields);
        }
    }
    Ok(variables)
}
