//! GraphiQL at `/graphiql`, served from the binary: no request of the page leaves the machine.

use axum::Router;
use axum::extract::Path;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

/// A file of the page, as build.rs found it.
struct Asset {
    /// Its name under `/graphiql/`.
    name: &'static str,
    /// Where the page loads it from. The address changes with the file, so a browser may keep it for ever.
    address: &'static str,
    /// Its hash, by which the browser knows it.
    integrity: &'static str,
    /// Empty where the file is not embedded.
    body: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/graphiql_assets.rs"));

const PAGE: &str = include_str!("pages/graphiql.html");
const SCRIPT: &str = include_str!("pages/graphiql.js");

/// Where the page may load from and connect to: this server, and the CDN only where the files are not embedded. No other page may frame it.
const POLICY: &str = "default-src 'self'; script-src 'self' https://unpkg.com; style-src 'self' 'unsafe-inline' https://unpkg.com; \
     img-src 'self' data:; font-src 'self' data:; frame-ancestors 'none'";
const POLICY_EMBEDDED: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self' data:; frame-ancestors 'none'";

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// `/graphiql` and its files.
pub(super) fn router() -> Router {
    Router::new().route("/graphiql", get(page)).route("/graphiql/{name}", get(asset))
}

async fn page() -> Response {
    let mut html = PAGE.replace(
        "{{note}}",
        if EMBEDDED { "" } else { "GraphiQL is loaded from unpkg.com: this server was built without npm." },
    );
    for Asset { name, address, integrity, .. } in ASSETS {
        html = html.replace(&format!("{{{{{name}}}}}"), address);
        html = html.replace(&format!("{{{{{name} integrity}}}}"), integrity);
    }
    let policy = if EMBEDDED { POLICY_EMBEDDED } else { POLICY };
    ([(CONTENT_SECURITY_POLICY, policy), (CACHE_CONTROL, "no-cache")], Html(html)).into_response()
}

async fn asset(Path(name): Path<String>) -> Response {
    let (body, kept): (&'static [u8], _) = match ASSETS.iter().find(|asset| asset.name == name && EMBEDDED) {
        Some(asset) => (asset.body, FOR_EVER),
        None if name == "page.js" => (SCRIPT.as_bytes(), "no-cache"),
        None => return (StatusCode::NOT_FOUND, "GraphiQL's page has no such file").into_response(),
    };
    let content_type = if name.ends_with(".css") { STYLE } else { JAVASCRIPT };
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, kept), (X_CONTENT_TYPE_OPTIONS, "nosniff")], body).into_response()
}
