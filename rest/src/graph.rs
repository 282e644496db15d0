//! The only way out: an operation with its variables goes to the executor, and a body or an error comes back.

use std::sync::Arc;

use async_graphql::{Executor, Request, Response, Value, Variables, to_value};
use axum::{
    http::{HeaderValue, header},
    response::IntoResponse,
};
use futures_util::{FutureExt, future::BoxFuture, stream::BoxStream};
use serde::Serialize;

use crate::{
    error::Error,
    operations::{Document, Operation},
    print::{self, Body},
};

/// The executor behind an object-safe view: `Executor` is not one, and the routes' handlers cannot be generic.
#[derive(Clone)]
pub(crate) struct Graph(Arc<dyn View>);

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

/// A printed body.
pub(crate) struct Printed(Vec<u8>);

impl IntoResponse for Printed {
    fn into_response(self) -> axum::response::Response {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        ([(header::CONTENT_TYPE, JSON)], self.0).into_response()
    }
}

impl Graph {
    pub(crate) fn new(executor: impl Executor) -> Self {
        Self(Arc::new(executor))
    }

    /// Runs a query or mutation and prints its answer. What is `given`, one struct or a tuple of them (path, query,
    /// body), is the variables.
    pub(crate) async fn ask(&self, operation: Operation, given: impl Serialize) -> Result<Printed, Error> {
        let document = operation.document();
        let request = request(document, given)?;
        let data = data(document, self.0.execute(request).await)?;
        match print::body(document, &data)? {
            Body::Printed(bytes) => Ok(Printed(bytes)),
            Body::Missing(what) => Err(Error::missing(&what, document.id_name)),
        }
    }

    /// Starts a subscription. Dropping the stream ends it.
    pub(crate) fn watch(
        &self,
        operation: Operation,
        given: impl Serialize,
    ) -> Result<BoxStream<'static, Response>, Error> {
        Ok(self.0.subscribe(request(operation.document(), given)?))
    }
}

/// The data of an answer, or the first of its errors.
pub(crate) fn data(document: &Document, response: Response) -> Result<Value, Error> {
    match response.errors.into_iter().next() {
        None => Ok(response.data),
        Some(error) => Err(Error::answered(error, document.id_name)),
    }
}

/// The text of the query stays empty: the executor is given the parsed document.
fn request(document: &Document, given: impl Serialize) -> Result<Request, Error> {
    let mut request = Request::new("").operation_name(document.name).variables(variables(given)?);
    request.set_parsed_query(document.executable.clone());
    Ok(request)
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
