//! The cookies of a sign-in: what a browser sends where a page cannot set a header, above all with an EventSource.

use std::time::Duration;

use http::HeaderMap;
use http::header::COOKIE;
use secrecy::ExposeSecret as _;

use super::Tokens;

/// Holds the access token.
pub(super) const ACCESS: &str = "everruns_access";
/// Holds the refresh token.
pub(super) const REFRESH: &str = "everruns_refresh";

/// The value of the cookie `name` that a request carries.
pub(super) fn read<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The `Set-Cookie` values that hand these tokens to a browser. The refresh token goes to no request that another site began.
pub(super) fn of_tokens(tokens: &Tokens, refresh_lifetime: Duration, secure: bool) -> [String; 2] {
    let access_lifetime = Duration::from_secs(u64::from(tokens.expires_in.unsigned_abs()));
    [
        cookie(ACCESS, tokens.access_token.expose_secret(), access_lifetime, "Lax", secure),
        cookie(REFRESH, tokens.refresh_token.expose_secret(), refresh_lifetime, "Strict", secure),
    ]
}

/// The `Set-Cookie` values that take them back.
pub(super) fn cleared(secure: bool) -> [String; 2] {
    [cookie(ACCESS, "", Duration::ZERO, "Lax", secure), cookie(REFRESH, "", Duration::ZERO, "Strict", secure)]
}

// Both go to every path: `/graphql` refreshes and logs out like `/v1/auth`.
fn cookie(name: &str, value: &str, lifetime: Duration, same_site: &str, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite={same_site}; Max-Age={}{secure}", lifetime.as_secs())
}
