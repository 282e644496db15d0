//! Which pages may speak to the server, which a browser says by itself.
//!
//! A server that asks nobody for a password is open to its own pages only: `Host` must name this server, and a page must come from it. Without the
//! first check a web page anywhere could reach the server by a name of its own that resolves to a loopback address; without the second it could
//! send requests across origins, which a browser lets it do although it may not read the answers.
//!
//! A server that asks for credentials lets everybody speak, but a cookie counts only where a page of its own sent it: a browser adds it to what any
//! page sends.

use std::net::IpAddr;
use std::sync::Arc;

use async_graphql::{Response as GraphqlResponse, ServerError};
use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{COOKIE, HOST, HeaderName, ORIGIN, UPGRADE};
use http::uri::Authority;
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::json;

use super::EdgeSettings;
use super::envelope::{Printed, refusal};
use crate::error::ErrorCode;

/// What a browser says of where a request began, compared to where it goes.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// What a browser says of what it will do with the answer.
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Lets a request pass, without cookies that a foreign page sent, or answers 403.
pub(super) async fn check(State(settings): State<Arc<EdgeSettings>>, mut request: Request, next: Next) -> Response {
    if !settings.asks_nobody {
        if request.headers().contains_key(COOKIE) && is_foreign(&settings, &request) {
            request.headers_mut().remove(COOKIE);
        }
        return next.run(request).await;
    }
    match refused(&settings, &request) {
        Some(message) => refuse(request.uri().path(), message),
        None => next.run(request).await,
    }
}

/// Whether another site's page began the request. What is no browser says nothing of it, and has no cookies that it did not mean.
fn is_foreign(settings: &EdgeSettings, request: &Request) -> bool {
    let headers = request.headers();
    // A link that is followed here changes nothing, and its page is shown to nobody but the user: so a provider sends its users back.
    if request.method() == Method::GET && headers.get(SEC_FETCH_MODE).is_some_and(|mode| mode == "navigate") {
        return false;
    }
    if headers.get(SEC_FETCH_SITE).is_some_and(|site| site == "cross-site") {
        return true;
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let host = host_of(request);
    !origin.to_str().is_ok_and(|origin| {
        host.is_some_and(|host| is_own_origin(settings, origin, &host)) || is_base(&settings.base_url, origin)
    })
}

/// Whether the origin is the one at which browsers reach the server.
fn is_base(base_url: &str, origin: &str) -> bool {
    let (Ok(base), Ok(origin)) = (base_url.parse::<Uri>(), origin.parse::<Uri>()) else { return false };
    let same_scheme = base.scheme() == origin.scheme();
    let port = |of: &Uri| of.port_u16().or(if of.scheme_str() == Some("https") { Some(443) } else { Some(80) });
    let same_host = base.host().zip(origin.host()).is_some_and(|(base, origin)| base.eq_ignore_ascii_case(origin));
    same_scheme && same_host && port(&base) == port(&origin)
}

/// Why a request is refused, if it is.
fn refused(settings: &EdgeSettings, request: &Request) -> Option<&'static str> {
    let Some(host) = host_of(request) else { return Some("The Host header is missing or malformed") };
    if !is_own_host(settings, host.host()) {
        return Some("The Host header does not name this server");
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !changes && !request.headers().contains_key(UPGRADE) {
        return None;
    }
    match request.headers().get(ORIGIN) {
        None => None,
        Some(origin) if origin.to_str().is_ok_and(|origin| is_own_origin(settings, origin, &host)) => None,
        Some(_) => Some("The Origin header names another site; CORS_ALLOWED_ORIGINS lists those that may"),
    }
}

/// HTTP/2 has the host in its address, HTTP/1.1 in a header.
fn host_of(request: &Request) -> Option<Authority> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.clone());
    }
    single(request.headers(), &HOST)?.parse().ok()
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn is_own_host(settings: &EdgeSettings, host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    if host == "localhost" || host.ends_with(".localhost") {
        return true;
    }
    if settings.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(&host)) {
        return true;
    }
    let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() else { return false };
    let listens_on = settings.listen.ip();
    // An address in the Host header cannot have been made to point here by somebody's name server, so where the server listens on all
    // of its addresses, all are its own.
    address.to_canonical().is_loopback() || address == listens_on || listens_on.is_unspecified()
}

fn is_own_origin(settings: &EdgeSettings, origin: &str, host: &Authority) -> bool {
    if settings.allowed_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let Ok(origin) = origin.parse::<Uri>() else { return false };
    let default_port = match origin.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return false,
    };
    let Some(authority) = origin.authority() else { return false };
    let port = |of: &Authority| of.port_u16().unwrap_or(default_port);
    authority.host().eq_ignore_ascii_case(host.host()) && port(authority) == port(host)
}

/// GraphQL's routes get GraphQL's errors, all others those of REST.
fn refuse(path: &str, message: &'static str) -> Response {
    let status = StatusCode::FORBIDDEN;
    if path == "/graphql" || path.starts_with("/graphql/") {
        let error: ServerError = refusal(ErrorCode::Forbidden, message);
        return (status, Json(Printed::new(&GraphqlResponse::from_errors(vec![error])))).into_response();
    }
    let code = ErrorCode::Forbidden.to_value();
    (status, Json(json!({"error": message, "status": status.as_u16(), "code": code}))).into_response()
}
