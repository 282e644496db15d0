//! Where users of the server may send it: an address that somebody names must not lead into the operator's own network.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use super::Url;
use super::address::{Place, place};

/// Where addresses that users name may lead.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Hosts that are allowed wherever they lead.
    pub allowed: AllowedHosts,
    /// Whether this machine and private networks are allowed, where every user is the operator. Link-local addresses are not.
    pub private_networks: bool,
}

/// Hosts with a private address that users may send the server to.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts(Arc<[AllowedHost]>);

#[derive(Clone, Debug)]
struct AllowedHost {
    host: Host,
    /// Absent: every port.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// In lower case.
    Name(String),
    Address(IpAddr),
}

/// Why the server does not go there. The text is for users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No `http` or `https` URL.
    NoUrl,
    /// The address is not the public internet's, and nobody allowed it.
    Address,
    /// The operator allowed the host for other ports.
    Port,
}

impl Reach {
    /// Whether the server goes to this URL. To be asked before every request, those that follow a redirect too: an address that stands in the URL
    /// itself meets no resolver. A name is judged by `admits` when it is resolved.
    pub fn check(&self, url: &str) -> Result<(), Refused> {
        let url = Url::parse(url).map_err(|_| Refused::NoUrl)?;
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(Refused::NoUrl);
        };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::NoUrl);
        }
        let host = Host::of(host);
        let mut listed = self.allowed.entries(&host).peekable();
        // The resolver does not know the port, so what is listed is held to its ports here.
        if listed.peek().is_some() {
            let fits = listed.any(|entry| entry.port.is_none_or(|allowed| allowed == port));
            return if fits { Ok(()) } else { Err(Refused::Port) };
        }
        match &host {
            Host::Address(address) if !self.may_reach(*address) => Err(Refused::Address),
            // RFC 6761: it is this machine, whatever a resolver says.
            Host::Name(name) if !self.private_networks && (name == "localhost" || name.ends_with(".localhost")) => {
                Err(Refused::Address)
            }
            _ => Ok(()),
        }
    }

    /// Whether the server goes to this address, which the resolver found for this name.
    pub(super) fn admits(&self, name: &str, address: IpAddr) -> bool {
        // An address that is listed with a port is meant to be named as such.
        let every_port = |host: &Host| self.allowed.entries(host).any(|entry| entry.port.is_none());
        self.may_reach(address)
            || self.allowed.entries(&Host::of(name)).next().is_some()
            || every_port(&Host::Address(address))
    }

    fn may_reach(&self, address: IpAddr) -> bool {
        match place(address) {
            Place::Public => true,
            Place::Private => self.private_networks,
            Place::Reserved => false,
        }
    }
}

impl AllowedHosts {
    fn entries(&self, host: &Host) -> impl Iterator<Item = &AllowedHost> {
        self.0.iter().filter(move |entry| entry.host == *host)
    }
}

impl FromStr for AllowedHosts {
    type Err = String;

    /// Reads a comma list of names and addresses, each with or without a port; an empty one has no host.
    fn from_str(list: &str) -> Result<Self, String> {
        let hosts = list.split(',').map(str::trim).filter(|host| !host.is_empty());
        hosts.map(allowed_host).collect::<Result<_, _>>().map(Self)
    }
}

fn allowed_host(text: &str) -> Result<AllowedHost, String> {
    if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse() {
        return Ok(AllowedHost { host: Host::Address(address), port: None });
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(AllowedHost { host: Host::Address(address.ip()), port: Some(address.port()) });
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => (name, Some(port.parse().map_err(|_| no_host(text))?)),
        None => (text, None),
    };
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    if is_name { Ok(AllowedHost { host: Host::of(name), port }) } else { Err(no_host(text)) }
}

fn no_host(text: &str) -> String {
    format!("`{text}` is no host; write names or addresses, as models.internal, localhost:11434 or 10.0.0.5")
}

impl Host {
    /// The host as it stands in a URL.
    fn of(text: &str) -> Self {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        bare.parse().map_or_else(|_| Self::Name(bare.trim_end_matches('.').to_ascii_lowercase()), Self::Address)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoUrl => "an http or https URL is expected",
            Self::Address => {
                "its address is private or reserved: only the operator can allow it, by OUTBOUND_ALLOWED_HOSTS"
            }
            Self::Port => "its host is allowed for other ports only, by OUTBOUND_ALLOWED_HOSTS",
        })
    }
}

impl std::error::Error for Refused {}
