//! The way out: every HTTP client of the server is made here, and no other file names the library.

mod address;
mod reach;

use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response as Whole};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{ClientBuilder, Url};

pub use reach::{AllowedHosts, Reach, Refused};
pub use reqwest::{Client, Error, RequestBuilder, Response};

use crate::error::Error as Failure;

/// How long a TCP connection and its TLS may take to stand.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an unused connection is kept warm for the next call.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// Redirects that one call follows, all on the origin that it asked first.
pub const REDIRECTS_MAX: usize = 5;

/// The clients for model calls, by whose word the address is taken. A redirect to another origin is not followed but handed back, so no key leaves
/// its server. None has a total timeout, because an answer may stream for minutes: the caller bounds the silence between bytes.
#[derive(Clone)]
pub struct ModelClients {
    /// Goes where the operator said.
    pub operator: Client,
    /// Goes where a user of the server said: names that lead elsewhere than `reach` allows have no address for it.
    pub tenant: Client,
    /// What a URL must pass before the tenant's client is given it.
    pub reach: Reach,
}

/// The clients for model calls; `reach` is where users may send the server.
pub fn model_clients(reach: &Reach) -> Result<ModelClients, Error> {
    let operator = client(|| builder().redirect(Policy::custom(stay_on_origin)))?;
    let tenant = client(|| guarded(reach).redirect(Policy::custom(stay_on_origin)))?;
    Ok(ModelClients { operator, tenant, reach: reach.clone() })
}

/// The client for pages that a model asks for. It follows no redirect: its caller does, and asks [`Reach::check`] of every URL before it goes there.
pub fn web_client(allowed: &AllowedHosts) -> Result<Client, Error> {
    let reach = Reach { allowed: allowed.clone(), private_networks: false };
    client(|| guarded(&reach).redirect(Policy::none()))
}

/// Why `text` is no API root: an absolute URL over http or https, without credentials, query or fragment. `None` where it is one.
pub fn fault_of_root(text: &str) -> Option<&'static str> {
    let Ok(url) = Url::parse(text) else { return Some("must be a URL such as https://host/v1") };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Some("must begin with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("must not hold credentials");
    }
    // An empty query or fragment is one too: what is appended to the root would stand behind it.
    (url.query().is_some() || url.fragment().is_some()).then_some("must have neither a query nor a fragment")
}

/// Whether two URLs name the same scheme, host and port.
pub fn same_origin(one: &str, other: &str) -> bool {
    let origin = |text: &str| Url::parse(text).map(|url| url.origin()).ok();
    matches!((origin(one), origin(other)), (Some(one), Some(other)) if one == other)
}

/// Where `location`, as a redirect from `url` says it, leads; nothing where that is no URL.
pub fn join(url: &str, location: &str) -> Option<String> {
    Url::parse(url).ok()?.join(location).ok().map(String::from)
}

/// A client for short questions to addresses that the operator named: it follows no redirect, and each call, its answer included, ends within
/// `timeout`.
pub fn operator_client(timeout: Duration) -> Result<Client, Error> {
    client(|| builder().redirect(Policy::none()).timeout(timeout))
}

/// Sends a request and reads the whole answer, which may have at most `bytes_max` bytes. Errors: UNAVAILABLE; their cause does not hold the URL.
pub async fn exchange(client: &Client, request: Request<Vec<u8>>, bytes_max: usize) -> Result<Whole<Vec<u8>>, Failure> {
    let lost = |error| Failure::unavailable(cause(error));
    let mut response = client.execute(request.try_into().map_err(lost)?).await.map_err(lost)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if chunk.len() > bytes_max - body.len() {
            return Err(Failure::unavailable(format!("an answer of more than {bytes_max} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    let mut whole = Whole::new(body);
    *whole.status_mut() = response.status();
    *whole.headers_mut() = std::mem::take(response.headers_mut());
    Ok(whole)
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

/// Whether a name led only to addresses that [`Reach`] forbids.
pub fn is_refused(error: &Error) -> bool {
    let mut source = error.source();
    while let Some(inner) = source {
        if inner.is::<Refused>() {
            return true;
        }
        source = inner.source();
    }
    false
}

/// On a machine without certificates (a bare container) a client trusts nobody, so that servers without TLS still answer.
fn client(builder: impl Fn() -> ClientBuilder) -> Result<Client, Error> {
    install_tls();
    builder().build().or_else(|error| {
        tracing::warn!(cause = ?cause(error), "no certificates found: no https server can be reached");
        builder().tls_certs_only([]).build()
    })
}

fn builder() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("everruns/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
}

/// For addresses that users name. A proxy would resolve names by itself, so none is used.
fn guarded(reach: &Reach) -> ClientBuilder {
    builder().no_proxy().dns_resolver(Arc::new(GuardedResolver(reach.clone())))
}

/// Resolves names, and leaves out the addresses that may not be reached: what is connected to is what was checked.
struct GuardedResolver(Reach);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let admitted: Vec<SocketAddr> = found.filter(|found| reach.admits(name.as_str(), found.ip())).collect();
            if admitted.is_empty() {
                return Err(Refused::Address.into());
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
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
