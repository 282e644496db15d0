//! What a caller shows to say who it is, read from the headers that every face hands over.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use secrecy::SecretString;

use super::{cookies, tokens};

/// A credential that was shown; whether it is good is another question.
pub(super) enum Presented {
    /// An API key.
    ApiKey(SecretString),
    /// An access token.
    AccessToken(SecretString),
}

/// What the headers show: nothing, a credential, or something that is none (`Err`). An `Authorization` header wins over a cookie.
///
/// Keys come as `evr_…`, `ApiKey evr_…` or `Bearer evr_…`, tokens as `Bearer …`; the case of the first word does not matter.
pub(super) fn presented(headers: &HeaderMap) -> Option<Result<Presented, ()>> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    match (given.next(), given.next()) {
        (None, _) => {
            let cookie = cookies::read(headers, cookies::ACCESS).filter(|token| !token.is_empty())?;
            Some(Ok(Presented::AccessToken(cookie.into())))
        }
        (Some(value), None) => Some(value.to_str().map_err(drop).and_then(|text| read(text).ok_or(()))),
        // Two might be read differently by whoever stands before us.
        (Some(_), Some(_)) => Some(Err(())),
    }
}

fn read(text: &str) -> Option<Presented> {
    let mut words = text.split_ascii_whitespace();
    let (first, second) = (words.next()?, words.next());
    if words.next().is_some() {
        return None;
    }
    match second {
        None if tokens::looks_like_key(first) => Some(Presented::ApiKey(first.into())),
        Some(key) if tokens::looks_like_key(key) && is_scheme(first, &["ApiKey", "Bearer"]) => {
            Some(Presented::ApiKey(key.into()))
        }
        Some(token) if is_scheme(first, &["Bearer"]) => Some(Presented::AccessToken(token.into())),
        _ => None,
    }
}

fn is_scheme(word: &str, schemes: &[&str]) -> bool {
    schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case(word))
}
