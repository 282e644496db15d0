//! An executor that answers what a test wrote, after holding the request against the schema.

use std::sync::{Arc, Mutex};

use apollo_compiler::{
    ExecutableDocument, Schema, request::coerce_variable_values, response::JsonMap, validation::Valid,
};
use async_graphql::{Executor, Name, Request, Response, ServerError, Value, Variables, value};
use axum::{
    Router,
    body::{Body, to_bytes},
    http,
};
use futures_util::stream::{self, BoxStream};
use tower::ServiceExt;

pub const SCHEMA: &str = include_str!("../../schema.graphql");

pub const DOCUMENTS: [(&str, &str); 10] = [
    ("health", include_str!("../operations/health.graphql")),
    ("auth", include_str!("../operations/auth.graphql")),
    ("agents", include_str!("../operations/agents.graphql")),
    ("sessions", include_str!("../operations/sessions.graphql")),
    ("messages", include_str!("../operations/messages.graphql")),
    ("events", include_str!("../operations/events.graphql")),
    ("files", include_str!("../operations/files.graphql")),
    ("capabilities", include_str!("../operations/capabilities.graphql")),
    ("llm_providers", include_str!("../operations/llm_providers.graphql")),
    ("llm_models", include_str!("../operations/llm_models.graphql")),
];

pub fn schema() -> Valid<Schema> {
    Schema::parse_and_validate(SCHEMA, "schema.graphql").unwrap()
}

#[derive(Clone)]
pub struct Stub {
    answer: Arc<dyn Fn() -> Response + Send + Sync>,
    stream: Arc<Mutex<Option<BoxStream<'static, Response>>>>,
    pub asked: Arc<Mutex<Vec<(String, Variables)>>>,
}

impl Stub {
    /// Answers every request with this data.
    pub fn data(data: Value) -> Self {
        let data = enums(data);
        Self::new(move || Response::new(data.clone()))
    }

    /// Answers every request with this error.
    pub fn error(code: &str, field: Option<&str>) -> Self {
        let (code, field) = (code.to_owned(), field.map(str::to_owned));
        Self::new(move || refusal(&code, field.as_deref()))
    }

    /// Answers one subscription with this stream.
    pub fn stream(stream: BoxStream<'static, Response>) -> Self {
        let stub = Self::data(Value::Null);
        *stub.stream.lock().unwrap() = Some(stream);
        stub
    }

    fn new(answer: impl Fn() -> Response + Send + Sync + 'static) -> Self {
        Self { answer: Arc::new(answer), stream: Arc::default(), asked: Arc::default() }
    }

    pub fn router(&self) -> Router {
        everruns_rest::router(self.clone()).0
    }

    /// The operation that was asked last, with its variables as JSON.
    pub fn last(&self) -> (String, serde_json::Value) {
        let (name, variables) = self.asked.lock().unwrap().last().cloned().unwrap();
        (name, serde_json::to_value(variables).unwrap())
    }

    fn take(&self, mut request: Request) {
        assert_eq!(request.query, "", "the gateway refuses a text");
        let name = request.operation_name.clone().unwrap();
        let document = request.parsed_query().unwrap();
        let own: Vec<_> = document.operations.iter().map(|(name, _)| name.unwrap().to_string()).collect();
        assert_eq!(own, std::slice::from_ref(&name));
        fits_the_schema(&name, &request.variables);
        self.asked.lock().unwrap().push((name, request.variables));
    }
}

impl Executor for Stub {
    async fn execute(&self, request: Request) -> Response {
        self.take(request);
        (self.answer)()
    }

    fn execute_stream(
        &self,
        request: Request,
        _session: Option<Arc<async_graphql::Data>>,
    ) -> BoxStream<'static, Response> {
        self.take(request);
        self.stream.lock().unwrap().take().unwrap_or_else(|| {
            let answer = (self.answer)();
            Box::pin(stream::once(async { answer }))
        })
    }
}

fn fits_the_schema(operation: &str, variables: &Variables) {
    let schema = schema();
    let (file, text) = DOCUMENTS.iter().find(|(_, text)| text.contains(&format!(" {operation}"))).unwrap();
    let document = ExecutableDocument::parse_and_validate(&schema, *text, *file).unwrap();
    let definition = document.operations.get(Some(operation)).unwrap();
    let given: JsonMap = serde_json::from_value(serde_json::to_value(variables).unwrap()).unwrap();
    for (name, _) in &given {
        let declared = definition.variables.iter().any(|variable| variable.name == name.as_str());
        assert!(declared, "{operation} has no ${}", name.as_str());
    }
    coerce_variable_values(&schema, definition, &given).unwrap();
}

/// Data as a schema answers it: `value!` has no way to write an enum, so here `"$ACTIVE"` is one.
pub fn enums(data: Value) -> Value {
    match data {
        Value::String(text) => {
            text.strip_prefix('$').map(|name| Value::Enum(Name::new(name))).unwrap_or(Value::String(text))
        }
        Value::List(items) => Value::List(items.into_iter().map(enums).collect()),
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(key, value)| (key, enums(value))).collect()),
        other => other,
    }
}

pub fn refusal(code: &str, field: Option<&str>) -> Response {
    let mut error = ServerError::new("no", None);
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("code", code);
    if let Some(field) = field {
        extensions.set("field", field);
    }
    Response::from_errors(vec![error])
}

pub fn agent() -> Value {
    value!({
        "id": "a1", "name": "Ada", "description": null, "system_prompt": "Be kind.", "tags": ["x"],
        "status": "$ACTIVE", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    })
}

/// One call; the status and the body as text.
pub async fn call(router: Router, method: &str, path: &str, json: Option<&str>) -> (u16, String) {
    let mut request = http::Request::builder().method(method).uri(path);
    if json.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = json.map_or_else(Body::empty, |text| Body::from(text.to_owned()));
    send(router, request.body(body).unwrap()).await
}

pub async fn send(router: Router, request: http::Request<Body>) -> (u16, String) {
    let response = router.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

pub fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
