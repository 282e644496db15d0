//! What kind of place an address is: the whole internet's, a private network's, or nobody's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who can be reached at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Anybody's server.
    Public,
    /// This machine or a private network (RFC 1918, RFC 4193).
    Private,
    /// Link-local (where clouds keep their secrets), shared (RFC 6598), multicast, documentation and whatever else is no server's address.
    Reserved,
}

/// What kind of place `address` is. An IPv6 address that carries an IPv4 one is that one's place.
pub(super) fn place(address: IpAddr) -> Place {
    match address {
        IpAddr::V4(address) => place_v4(address),
        IpAddr::V6(address) => carried_v4(address).map_or_else(|| place_v6(address), place_v4),
    }
}

/// After the IPv4 Special-Purpose Address Registry (RFC 6890).
fn place_v4(address: Ipv4Addr) -> Place {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (10 | 127, ..) | (192, 168, _) | (172, 16..=31, _) => Place::Private,
        // This network, shared, link-local, IETF protocols, documentation, 6to4 relays, benchmarks.
        (0, ..) | (100, 64..=127, _) | (169, 254, _) | (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _) => {
            Place::Reserved
        }
        (198, 51, 100) | (203, 0, 113) | (224.., ..) => Place::Reserved,
        _ => Place::Public,
    }
}

/// After the IPv6 Special-Purpose Address Registry: global unicast is 2000::/3, less what is set apart in it.
fn place_v6(address: Ipv6Addr) -> Place {
    let [first, second, ..] = address.segments();
    match (first, second) {
        _ if address == Ipv6Addr::LOCALHOST => Place::Private,
        (0xfc00..=0xfdff, _) => Place::Private,
        // IETF protocols (Teredo among them), and documentation, twice.
        (0x2001, 0..=0x01ff | 0x0db8) | (0x3fff, 0..=0x0fff) => Place::Reserved,
        (0x2000..=0x3fff, _) => Place::Public,
        _ => Place::Reserved,
    }
}

/// The IPv4 address in an IPv4-mapped, IPv4-compatible, NAT64 or 6to4 one.
fn carried_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            of(high, low)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, place};

    fn all(place_expected: Place, addresses: &[&str]) {
        for text in addresses {
            let address = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(place(address), place_expected, "{text}");
        }
    }

    #[test]
    fn servers_of_the_internet_are_public() {
        all(Place::Public, &["1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "192.0.1.1"]);
        all(Place::Public, &["2606:4700::1111", "2001:4860:4860::8888", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"]);
        all(Place::Public, &["2002:101:101::1", "223.255.255.255"]);
    }

    #[test]
    fn this_machine_and_private_networks_are_private_in_every_spelling() {
        all(
            Place::Private,
            &["127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
        );
        all(Place::Private, &["::1", "fd00::1", "fc00::1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::10.0.0.1"]);
        all(Place::Private, &["2002:7f00:1::", "2002:c0a8:101::1"]);
    }

    #[test]
    fn everything_else_is_no_server() {
        all(Place::Reserved, &["0.0.0.0", "0.1.2.3", "100.64.0.1", "169.254.169.254", "192.0.0.8", "192.0.2.1"]);
        all(
            Place::Reserved,
            &["198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"],
        );
        all(Place::Reserved, &["::", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1", "2001::1", "3fff::1", "100::1"]);
        all(
            Place::Reserved,
            &["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1.1.1.1", "2002:a9fe:a9fe::"],
        );
    }
}
