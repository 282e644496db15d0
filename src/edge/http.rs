//! GraphQL over HTTP: POST with a JSON body, GET for queries, and the upgrade of a GET to a WebSocket.

use async_graphql::parser::types::OperationType;
use async_graphql::{Executor, Request, Response as GraphqlResponse, ServerError, Value as GraphqlValue};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE, RETRY_AFTER, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::envelope::{Printed, is_request_error, of_first, read_request, refusal};
use super::{guard, websocket};
use crate::error::ErrorCode;

/// The largest body of a POST, in bytes.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

const JSON: &str = "application/json";
const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";

/// The media type of an answer. It decides the status too: an old client reads a refusal out of a 200, a new one out of a 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    Json,
    GraphqlResponse,
}

/// The members of a request as they stand in a URL; `variables` and `extensions` are JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

/// POST: runs a query or a mutation.
pub(super) async fn post<E: Executor>(
    State(executor): State<E>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let media = Media::wanted(&headers);
    if !is_json(&headers) {
        let error = refusal(ErrorCode::BadUserInput, format!("The body must be {JSON}"));
        return media.refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, error);
    }
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let error = refusal(ErrorCode::PayloadTooLarge, format!("The body is larger than {BODY_BYTES_MAX} bytes"));
            return media.refuse(StatusCode::PAYLOAD_TOO_LARGE, error);
        }
        Err(_) => {
            let error = refusal(ErrorCode::BadUserInput, "The body could not be read to its end");
            return media.refuse(StatusCode::BAD_REQUEST, error);
        }
    };
    match read_body(&body) {
        Ok(request) => run(&executor, signed(request, &headers), Method::POST, media).await,
        Err(error) => media.refuse(StatusCode::BAD_REQUEST, error),
    }
}

/// GET: runs a query, or opens a WebSocket where the client asks for one.
pub(super) async fn get<E: Executor>(
    State(executor): State<E>,
    headers: HeaderMap,
    parameters: Result<Query<Parameters>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if headers.contains_key(UPGRADE) {
        return websocket::open(State(executor), headers, upgrade).await;
    }
    let media = Media::wanted(&headers);
    let parameters = match parameters {
        Ok(Query(parameters)) => parameters,
        Err(rejection) => {
            return media.refuse(StatusCode::BAD_REQUEST, refusal(ErrorCode::BadUserInput, rejection.body_text()));
        }
    };
    match read_parameters(parameters) {
        Ok(request) => run(&executor, signed(request, &headers), Method::GET, media).await,
        Err(error) => media.refuse(StatusCode::BAD_REQUEST, error),
    }
}

/// Any other method.
pub(super) async fn refuse_method(headers: HeaderMap) -> Response {
    refuse_with_allow(Media::wanted(&headers), "GET, POST", "Only GET and POST are answered here")
}

async fn run<E: Executor>(executor: &E, request: Request, method: Method, media: Media) -> Response {
    let mut request = match guard::admit(request) {
        Ok(request) => request,
        Err(error) => return media.print(GraphqlResponse::from_errors(vec![error])),
    };
    match guard::operation_type(&mut request) {
        Some(OperationType::Mutation) if method == Method::GET => {
            refuse_with_allow(media, "POST", "A mutation cannot be sent by GET; use POST")
        }
        Some(OperationType::Subscription) if method == Method::GET => {
            refuse_with_allow(media, "POST", websocket::SUBSCRIPTIONS_GO_HERE)
        }
        Some(OperationType::Subscription) => {
            let error = refusal(ErrorCode::BadUserInput, websocket::SUBSCRIPTIONS_GO_HERE);
            media.print(GraphqlResponse::from_errors(vec![error]))
        }
        _ => media.print(executor.execute(request).await),
    }
}

/// Gives the request what its headers say of who asks, if anything.
pub(super) fn signed(request: Request, headers: &HeaderMap) -> Request {
    match everruns_rest::credentials(headers) {
        Some(credentials) => request.data(credentials),
        None => request,
    }
}

fn read_body(body: &[u8]) -> Result<Request, ServerError> {
    let json = serde_json::from_slice(body)
        .map_err(|error| refusal(ErrorCode::BadUserInput, format!("The body is not JSON: {error}")))?;
    read_request(json)
}

fn read_parameters(parameters: Parameters) -> Result<Request, ServerError> {
    let mut members = Map::new();
    members.extend(parameters.query.map(|query| ("query".to_owned(), Value::String(query))));
    members.extend(parameters.operation_name.map(|name| ("operationName".to_owned(), Value::String(name))));
    for (name, text) in [("variables", parameters.variables), ("extensions", parameters.extensions)] {
        // A member that is no JSON stays a text, which read_request then refuses by its name.
        members.extend(text.map(|text| (name.to_owned(), serde_json::from_str(&text).unwrap_or(Value::String(text)))));
    }
    read_request(Value::Object(members))
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers.get(CONTENT_TYPE).map(HeaderValue::to_str) else { return false };
    value.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(JSON))
}

fn refuse_with_allow(media: Media, allow: &'static str, message: &str) -> Response {
    let mut response = media.refuse(StatusCode::METHOD_NOT_ALLOWED, refusal(ErrorCode::BadUserInput, message));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

impl Media {
    /// What `Accept` prefers. Who does not name the newer type gets plain JSON.
    fn wanted(headers: &HeaderMap) -> Self {
        let ranges =
            headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        let (mut json, mut graphql_response) = (0.0, 0.0);
        for range in ranges {
            let mut parts = range.split(';').map(str::trim);
            let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
            match essence.as_str() {
                JSON => json = weight,
                GRAPHQL_RESPONSE => graphql_response = weight,
                _ => {}
            }
        }
        if graphql_response > 0.0 && graphql_response >= json { Self::GraphqlResponse } else { Self::Json }
    }

    /// A refusal of the HTTP request itself, whose status is the same for both media types.
    fn refuse(self, status: StatusCode, error: ServerError) -> Response {
        self.print_with(status, GraphqlResponse::from_errors(vec![error]))
    }

    fn print(self, response: GraphqlResponse) -> Response {
        self.print_with(self.status(&response), response)
    }

    fn print_with(self, status: StatusCode, mut response: GraphqlResponse) -> Response {
        let mut headers = std::mem::take(&mut response.http_headers);
        if status == StatusCode::SERVICE_UNAVAILABLE
            && let Some(GraphqlValue::Number(seconds)) = of_first(&response, "retryAfter")
            && let Some(seconds) = seconds.as_u64()
        {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        let content_type = match self {
            Self::Json => JSON,
            Self::GraphqlResponse => GRAPHQL_RESPONSE,
        };
        (status, headers, [(CONTENT_TYPE, content_type)], Json(Printed::new(&response))).into_response()
    }

    fn status(self, response: &GraphqlResponse) -> StatusCode {
        if !is_request_error(response) {
            return StatusCode::OK;
        }
        let code = of_first(response, "code");
        let is = |expected: ErrorCode| code == Some(&expected.to_value());
        match self {
            _ if is(ErrorCode::PayloadTooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Json => StatusCode::OK,
            Self::GraphqlResponse if is(ErrorCode::InternalServerError) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::GraphqlResponse if is(ErrorCode::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
            Self::GraphqlResponse => StatusCode::BAD_REQUEST,
        }
    }
}
