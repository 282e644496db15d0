//! GraphiQL at `/graphiql` and Swagger UI at `/swagger-ui/`, served from the binary: no request of a page leaves the machine.

use axum::Router;
use axum::extract::Request;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, StatusCode, Uri};

use crate::config::Switch;

/// A file of a page, as build.rs found it.
struct Asset {
    /// Its path on this server.
    path: &'static str,
    /// Where the page loads it from. The address changes with the file, so a browser may keep it for ever.
    address: &'static str,
    /// Its hash, by which the browser knows it; empty for a file of ours.
    integrity: &'static str,
    /// Empty where the file is not embedded.
    body: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/page_assets.rs"));

const GRAPHIQL: &str = include_str!("pages/graphiql.html");
const SWAGGER_UI: &str = include_str!("pages/swagger_ui.html");

/// What a page built without npm says of itself.
const FROM_CDN: &str = "This page is loaded from unpkg.com: the server was built without npm.";
const CDN: &str = " https://unpkg.com";

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";

/// The pages with their files. GraphiQL is only there where the settings want it.
pub(super) fn router(graphiql: Switch) -> Router {
    let swagger_ui = Router::new()
        .route("/swagger-ui", get(async || Redirect::permanent("/swagger-ui/")))
        .route("/swagger-ui/", get(async |headers: HeaderMap| page(SWAGGER_UI, &headers)))
        .route("/swagger-ui/{name}", get(asset));
    if graphiql == Switch::Off {
        return swagger_ui;
    }
    swagger_ui
        .route("/graphiql", get(async |headers: HeaderMap| page(GRAPHIQL, &headers)))
        .route("/graphiql/{name}", get(asset))
}

/// A page, the addresses of its files filled in.
fn page(template: &str, headers: &HeaderMap) -> Response {
    let mut html = template.replace("{{note}}", if EMBEDDED { "" } else { FROM_CDN });
    for Asset { path, address, integrity, .. } in ASSETS {
        html = html.replace(&format!("{{{{{path}}}}}"), address);
        html = html.replace(&format!("{{{{{path} integrity}}}}"), integrity);
    }
    let headers = [
        (CONTENT_SECURITY_POLICY, policy(headers)),
        (CACHE_CONTROL, ASK_AGAIN.to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, Html(html)).into_response()
}

/// Where a page may load from and connect to: this server, and the CDN only where the files are not embedded. It runs no script that stands in the
/// page, and no other page may frame it. Both libraries set styles from their scripts.
fn policy(headers: &HeaderMap) -> String {
    let cdn = if EMBEDDED { "" } else { CDN };
    format!(
        "default-src 'none'; script-src 'self'{cdn}; style-src 'self' 'unsafe-inline'{cdn}; img-src 'self' data:; font-src 'self' data:; \
         connect-src 'self'{}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        sockets(headers)
    )
}

/// WebSockets of this server, which not every browser counts among `'self'`.
fn sockets(headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    // A list of sources has its own signs, which an authority may contain.
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    if host.is_empty() || !host.chars().all(plain) { String::new() } else { format!(" ws://{host} wss://{host}") }
}

async fn asset(request: Request) -> Response {
    let asset = ASSETS.iter().find(|asset| asset.path == request.uri().path() && !asset.body.is_empty());
    let Some(Asset { path, address, body, .. }) = asset else {
        return (StatusCode::NOT_FOUND, "this page has no such file").into_response();
    };
    let content_type = if path.ends_with(".css") { STYLE } else { JAVASCRIPT };
    let kept = if is_version(request.uri(), address) { FOR_EVER } else { ASK_AGAIN };
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, kept), (X_CONTENT_TYPE_OPTIONS, "nosniff")], *body).into_response()
}

/// Whether the address names the file as it is now.
fn is_version(uri: &Uri, address: &str) -> bool {
    uri.path_and_query().is_some_and(|asked| asked.as_str() == address)
}
