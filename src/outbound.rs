//! The way out: every HTTP client of the server is made here, and no other file names the library.

use std::error::Error as _;
use std::time::Duration;

use reqwest::ClientBuilder;
use reqwest::redirect::{Action, Attempt, Policy};

pub use reqwest::{Client, Error, RequestBuilder, Response};

/// How long a TCP connection and its TLS may take to stand.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an unused connection is kept warm for the next call.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// Redirects that one call follows, all on the origin that it asked first.
pub const REDIRECTS_MAX: usize = 5;

/// The clients for model calls, by whose word the address is taken.
#[derive(Clone)]
pub struct ModelClients {
    /// Goes where the operator said.
    pub operator: Client,
    /// Goes where a user of the server said.
    pub tenant: Client,
}

/// The clients for model calls.
pub fn model_clients() -> Result<ModelClients, Error> {
    Ok(ModelClients { operator: model_client()?, tenant: model_client()? })
}

/// A client for model calls. It has no total timeout, because an answer may stream for minutes: its caller bounds the
/// silence between bytes. A redirect to another origin is not followed but handed back, so no key leaves its server.
///
/// On a machine without certificates (a bare container) it trusts nobody, so that servers without TLS still answer.
fn model_client() -> Result<Client, Error> {
    install_tls();
    model_client_builder().build().or_else(|error| {
        tracing::warn!(cause = ?cause(error), "no certificates found: no https server can be reached");
        model_client_builder().tls_certs_only([]).build()
    })
}

/// What went wrong, with everything beneath it and without the URL, which may hold credentials. For logs only.
pub fn cause(error: Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

fn model_client_builder() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("everruns/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .redirect(Policy::custom(stay_on_origin))
}

/// The client is built without a TLS provider, so that ring is the only one in the binary.
fn install_tls() {
    // A provider that already stands is fine: it is this one, installed by an earlier client.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn stay_on_origin(attempt: Attempt<'_>) -> Action {
    let same_origin = attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
    if same_origin && attempt.previous().len() <= REDIRECTS_MAX { attempt.follow() } else { attempt.stop() }
}
