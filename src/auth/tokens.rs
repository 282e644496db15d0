//! Secrets that callers carry: API keys and refresh tokens, of which only a hash is kept, and signed access tokens.

use std::time::Duration;

use async_graphql::Object;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rand::distr::{Alphanumeric, SampleString as _};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Login;
use crate::clock::Timestamp;
use crate::db::ids::Id;
use crate::error::{Error, Result};

/// What every API key begins with.
const API_KEY: &str = "evr_";
/// What every refresh token begins with.
const REFRESH_TOKEN: &str = "evrr_";
/// Random characters of an API key: 178 bits.
const KEY_CHARACTERS: usize = 30;
/// Characters of its checksum.
const CHECKSUM_CHARACTERS: usize = 6;
/// Characters of a key that its owner is shown again.
pub(super) const KEY_PREFIX_CHARACTERS: usize = 12;
/// Random characters of a refresh token: 256 bits.
const REFRESH_CHARACTERS: usize = 43;
/// The least bytes of the key that signs access tokens.
pub(super) const SIGNING_KEY_BYTES_MIN: usize = 32;

const BASE_62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const MICROSECONDS_PER_SECOND: i64 = 1_000_000;

/// A new API key, `evr_`, 30 random characters, 6 of checksum; and its hash.
pub(super) fn api_key() -> (SecretString, Vec<u8>) {
    let random = Alphanumeric.sample_string(&mut rand::rng(), KEY_CHARACTERS);
    with_hash(format!("{API_KEY}{random}{}", checksum(&random)))
}

/// A new refresh token and its hash.
pub(super) fn refresh_token() -> (SecretString, Vec<u8>) {
    with_hash(format!("{REFRESH_TOKEN}{}", Alphanumeric.sample_string(&mut rand::rng(), REFRESH_CHARACTERS)))
}

fn with_hash(secret: String) -> (SecretString, Vec<u8>) {
    let hash = hash(&secret);
    (secret.into(), hash)
}

/// Whether a credential means to be an API key.
pub(super) fn looks_like_key(text: &str) -> bool {
    text.starts_with(API_KEY)
}

/// The hash of an API key; nothing where its checksum says that it never was one, which spares the database the question.
pub(super) fn key_hash(key: &str) -> Option<Vec<u8>> {
    let body = key.strip_prefix(API_KEY)?;
    let well_formed = body.len() == KEY_CHARACTERS + CHECKSUM_CHARACTERS && body.is_ascii();
    let (random, given) = well_formed.then(|| body.split_at(KEY_CHARACTERS))?;
    (checksum(random) == given).then(|| hash(key))
}

/// The hash of a refresh token; nothing where it cannot be one.
pub(super) fn refresh_hash(token: &str) -> Option<Vec<u8>> {
    let random = token.strip_prefix(REFRESH_TOKEN)?;
    (random.len() == REFRESH_CHARACTERS).then(|| hash(token))
}

/// What is kept of a secret that is random enough to need no salt.
fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret).to_vec()
}

/// The first 32 bits of SHA-256, in base 62.
fn checksum(random: &str) -> String {
    let digest = Sha256::digest(random);
    let mut rest = digest.iter().take(4).fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
    let mut characters = [0_u8; CHECKSUM_CHARACTERS];
    for character in characters.iter_mut().rev() {
        *character = BASE_62[rest % BASE_62.len()];
        rest /= BASE_62.len();
    }
    characters.iter().copied().map(char::from).collect()
}

/// What a sign-in answers.
pub struct Tokens {
    /// Goes with each request.
    pub access_token: SecretString,
    /// Is exchanged for the next ones.
    pub refresh_token: SecretString,
    /// Seconds until the access token ends.
    pub expires_in: i32,
}

/// What a sign-in answers.
#[Object]
impl Tokens {
    /// Goes with each request, as `Authorization: Bearer …`.
    async fn access_token(&self) -> &str {
        self.access_token.expose_secret()
    }

    /// Is exchanged for the next pair by `refreshToken`, once.
    async fn refresh_token(&self) -> &str {
        self.refresh_token.expose_secret()
    }

    /// `Bearer`.
    async fn token_type(&self) -> &str {
        "Bearer"
    }

    /// Seconds until the access token ends.
    async fn expires_in(&self) -> i32 {
        self.expires_in
    }
}

/// What an access token says.
#[derive(Clone, Copy, Debug)]
pub struct AccessToken {
    /// Who signed in.
    pub user_id: Id,
    /// In which organization.
    pub organization_id: Id,
    /// By which login.
    pub login_id: Id,
    /// Until when the token is good.
    pub expires_at: Timestamp,
}

/// The claims of RFC 7519 that stand in one, and ours.
#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    org: String,
    login: String,
    exp: i64,
    iat: i64,
    typ: Kind,
}

/// So that no other token that this key may ever sign is taken for one.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Access,
}

/// Signs access tokens and knows them again.
pub(super) struct Signer {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl Signer {
    /// One with this key.
    pub(super) fn new(key: &SecretSlice<u8>) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        let key = key.expose_secret();
        Self { encoding: EncodingKey::from_secret(key), decoding: DecodingKey::from_secret(key), validation }
    }

    /// A token of this login.
    pub(super) fn sign(&self, login: &Login, now: Timestamp, lifetime: Duration) -> Result<SecretString> {
        let claims = Claims {
            sub: login.user_id.to_string(),
            org: login.organization_id.to_string(),
            login: login.id.to_string(),
            // Rounded up: a token is good for no less than it is said to be, but not longer than its login.
            exp: now.after(lifetime).min(login.expires_at).as_microseconds() / MICROSECONDS_PER_SECOND + 1,
            iat: now.as_microseconds() / MICROSECONDS_PER_SECOND,
            typ: Kind::Access,
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding);
        token.map(SecretString::from).map_err(Error::internal)
    }

    /// What the token says; nothing where we did not sign it, or it is over.
    pub(super) fn read(&self, token: &str) -> Option<AccessToken> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).ok()?.claims;
        let expires_at = Timestamp::from_microseconds(claims.exp.checked_mul(MICROSECONDS_PER_SECOND)?)?;
        // The library gives a token the whole second in which it ends; a stream would end before it.
        (expires_at > Timestamp::now()).then_some(())?;
        Some(AccessToken {
            user_id: Id::parse(&claims.sub)?,
            organization_id: Id::parse(&claims.org)?,
            login_id: Id::parse(&claims.login)?,
            expires_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_another_character_never_was_one() {
        let (key, hash) = api_key();
        let key = key.expose_secret();
        assert_eq!(key.len(), API_KEY.len() + KEY_CHARACTERS + CHECKSUM_CHARACTERS);
        assert_eq!(key_hash(key), Some(hash));
        for at in API_KEY.len()..key.len() {
            let other = if key.as_bytes()[at] == b'x' { "y" } else { "x" };
            let mut changed = key.to_owned();
            changed.replace_range(at..=at, other);
            assert!(key_hash(&changed).is_none(), "character {at}");
        }
        assert!(key_hash(&key[..key.len() - 1]).is_none() && key_hash("evr_").is_none() && key_hash("").is_none());
        let (token, hash) = refresh_token();
        assert_eq!(refresh_hash(token.expose_secret()), Some(hash));
        assert!(refresh_hash(key).is_none());
    }
}
