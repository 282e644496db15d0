//! One attempt to sign in: what its browser keeps in a cookie, and the state and code verifier that follow from it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::Rng as _;
use secrecy::{ExposeSecret as _, SecretBox, SecretSlice};
use sha2::{Digest as _, Sha256};

use crate::auth::OauthProvider;
use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// The cookie that binds an attempt to its browser.
pub const COOKIE: &str = "everruns_oauth";
/// How long a person may take at the provider.
pub const ATTEMPT_AGE_MAX: Duration = Duration::from_secs(600);

/// Bytes of an attempt's random number.
const NONCE_BYTES: usize = 32;
/// Bytes of the number and of the time of issue, as they stand in the cookie.
const STAMP_BYTES: usize = NONCE_BYTES + size_of::<i64>();

/// What the keyed hashes are for. A hash for one purpose says nothing about those for another.
const FOR_KEY: &str = "everruns oauth key";
const FOR_COOKIE: &str = "cookie";
const FOR_STATE: &str = "state";
const FOR_VERIFIER: &str = "code verifier";

type Key = [u8; 32];

/// Makes and checks what attempts hand out.
pub(super) struct AttemptKey(SecretBox<Key>);

/// One attempt to sign in at a provider.
pub(super) struct Attempt {
    provider: OauthProvider,
    /// The random number and the time of issue, in microseconds since 1970.
    stamp: [u8; STAMP_BYTES],
}

impl AttemptKey {
    /// A key of its own, that follows from the secret which signs access tokens.
    pub(super) fn derive(secret: &SecretSlice<u8>) -> Self {
        // Hashed first, because a secret may have any length.
        let secret: Key = Sha256::digest(secret.expose_secret()).into();
        Self(SecretBox::new(Box::new(keyed(&secret).chain_update(FOR_KEY).finalize().into_bytes().into())))
    }

    /// The keyed hash of an attempt for one purpose.
    fn hash(&self, purpose: &str, attempt: &Attempt) -> Hmac<Sha256> {
        // The stamp has a fixed length and no purpose has a NUL, so no two inputs run together.
        keyed(self.0.expose_secret())
            .chain_update(purpose)
            .chain_update([0])
            .chain_update(attempt.stamp)
            .chain_update(attempt.provider.as_str())
    }

    fn text(&self, purpose: &str, attempt: &Attempt) -> String {
        BASE64.encode(self.hash(purpose, attempt).finalize().into_bytes())
    }

    /// Whether a text is the keyed hash; takes the same time wherever it differs.
    fn made(&self, text: &str, purpose: &str, attempt: &Attempt) -> bool {
        BASE64.decode(text).is_ok_and(|given| self.hash(purpose, attempt).verify_slice(&given).is_ok())
    }
}

impl Attempt {
    pub(super) fn new(provider: OauthProvider, now: Timestamp) -> Self {
        let mut stamp = [0; STAMP_BYTES];
        let (nonce, issued_at) = stamp.split_at_mut(NONCE_BYTES);
        rand::rng().fill_bytes(nonce);
        issued_at.copy_from_slice(&now.as_microseconds().to_be_bytes());
        Self { provider, stamp }
    }

    /// The attempt that a browser comes back from. Errors: BAD_USER_INPUT at `input.state` where the cookie is missing, is not ours, is of another
    /// provider or too old, or does not belong to the state.
    pub(super) fn resume(
        key: &AttemptKey,
        provider: OauthProvider,
        cookie: Option<&str>,
        state: &str,
        now: Timestamp,
    ) -> Result<Self> {
        let attempt = cookie.and_then(|cookie| Self::read(key, provider, cookie)).ok_or_else(foreign)?;
        if !key.made(state, FOR_STATE, &attempt) {
            return Err(foreign());
        }
        if attempt.age(now) > ATTEMPT_AGE_MAX {
            return Err(Error::bad_input("input.state", "the sign-in took too long: begin again"));
        }
        Ok(attempt)
    }

    /// What the browser keeps.
    pub(super) fn cookie(&self, key: &AttemptKey) -> String {
        format!("{}.{}", BASE64.encode(self.stamp), key.text(FOR_COOKIE, self))
    }

    /// What goes to the provider and comes back through the browser.
    pub(super) fn state(&self, key: &AttemptKey) -> String {
        key.text(FOR_STATE, self)
    }

    /// What the provider gets with the code: it proves that who began the attempt ends it.
    pub(super) fn code_verifier(&self, key: &AttemptKey) -> String {
        key.text(FOR_VERIFIER, self)
    }

    /// The attempt of a cookie, where the cookie is ours and of this provider.
    fn read(key: &AttemptKey, provider: OauthProvider, cookie: &str) -> Option<Self> {
        let (stamp, proof) = cookie.split_once('.')?;
        let attempt = Self { provider, stamp: BASE64.decode(stamp).ok()?.try_into().ok()? };
        key.made(proof, FOR_COOKIE, &attempt).then_some(attempt)
    }

    fn age(&self, now: Timestamp) -> Duration {
        let mut issued_at = [0; size_of::<i64>()];
        issued_at.copy_from_slice(&self.stamp[NONCE_BYTES..]);
        let age = now.as_microseconds().saturating_sub(i64::from_be_bytes(issued_at));
        // The clock of the replica that began it may be ahead of ours.
        Duration::from_micros(u64::try_from(age).unwrap_or(0))
    }
}

/// The same text whatever is wrong, so that nothing can be learned by trying.
fn foreign() -> Error {
    Error::bad_input("input.state", "the state does not belong to a sign-in that this browser began: begin again")
}

fn keyed(key: &Key) -> Hmac<Sha256> {
    // The hash takes a whole block of 64 bytes and fills a shorter key up with zeros.
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    Hmac::new(&block.into())
}
