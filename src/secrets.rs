//! Secrets at rest: sealed with a key of their own, which the server's key seals, and bound to the row that they stand in.
//!
//! A sealed value is, in bytes: version (1), length of the key's id (1), the id, then twice a nonce (24) with what it seals: the value's own key
//! (32 + 16), and the text (its length + 16). Both are XChaCha20-Poly1305; their associated data is everything before the first nonce and the
//! [`Place`]. So a value that is copied to another row does not open, nor one whose key's name was changed.

use std::borrow::Cow;
use std::fmt;

use async_graphql::registry::Registry;
use async_graphql::{InputType, InputValueError, InputValueResult, Value};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret as _, SecretBox, SecretSlice, SecretString};

use crate::config::SecretSettings;
use crate::error::{Error, Result};

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Characters of a key's id.
const KEY_ID_CHARACTERS_MAX: usize = 64;
/// The id of the key that the server made for itself.
const OWN_KEY_ID: &str = "own";

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// The server's keys: one that seals, and those that sealed before.
pub struct Secrets {
    current: Key,
    previous: Vec<Key>,
}

struct Key {
    id: String,
    bytes: SecretBox<[u8; KEY_BYTES]>,
}

/// Where a sealed value stands: it opens there alone.
#[derive(Clone, Debug)]
pub struct Place(String);

/// A secret that a caller gives: a string in the schema, which nothing shows again.
#[derive(Clone, Debug)]
pub struct SecretInput(SecretString);

/// A sealed value does not open: it is another row's, was changed, or the server no longer has its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CannotOpen;

impl Place {
    /// The column of the row with this id.
    pub fn new(organization_id: impl fmt::Display, id: impl fmt::Display, column: &'static str) -> Self {
        Self(format!("{organization_id}/{id}/{column}"))
    }
}

impl Secrets {
    /// The keys that the settings name. `own` is the key that the server made for itself, where there is one: it seals where no other is named, and
    /// opens what it sealed.
    pub fn new(settings: &SecretSettings, own: Option<SecretSlice<u8>>) -> Result<Self> {
        let own = own.map(|bytes| Key::new(OWN_KEY_ID, bytes.expose_secret(), "the server's own key")).transpose()?;
        let named = settings.secrets_encryption_key.as_ref().filter(|key| !key.expose_secret().trim().is_empty());
        let named = named.map(|key| Key::parse(key.expose_secret(), "SECRETS_ENCRYPTION_KEY")).transpose()?;
        let list = settings.secrets_encryption_key_previous.as_ref().map_or("", |list| list.expose_secret());
        let list = list.split(',').map(str::trim).filter(|key| !key.is_empty());
        let mut previous: Vec<Key> =
            list.map(|key| Key::parse(key, "SECRETS_ENCRYPTION_KEY_PREVIOUS")).collect::<Result<_>>()?;
        let current = match (named, own) {
            (Some(named), own) => {
                previous.extend(own);
                named
            }
            (None, Some(own)) => own,
            (None, None) => {
                let text = "SECRETS_ENCRYPTION_KEY is not set: with PostgreSQL the server needs it to keep providers' keys. \
                            Set it to KEY_ID:BASE64 of 32 random bytes, the same for all replicas";
                return Err(Error::unavailable(text));
            }
        };
        if previous.iter().any(|key| key.id == current.id && key.bytes.expose_secret() != current.bytes.expose_secret())
        {
            return Err(Error::unavailable(format!("SECRETS_ENCRYPTION_KEY: the id {} names two keys", current.id)));
        }
        Ok(Self { current, previous })
    }

    /// Seals `text` for this place. The same text is sealed differently each time.
    pub fn seal(&self, place: &Place, text: &SecretString) -> Result<Vec<u8>> {
        let own: SecretBox<[u8; KEY_BYTES]> = SecretBox::init_with(rand::random);
        let mut sealed = vec![VERSION, u8::try_from(self.current.id.len()).map_err(Error::internal)?];
        sealed.extend_from_slice(self.current.id.as_bytes());
        let bound = [&sealed, place.0.as_bytes()].concat();
        for (key, what) in [(&self.current.bytes, &own.expose_secret()[..]), (&own, text.expose_secret().as_bytes())] {
            let nonce: [u8; NONCE_BYTES] = rand::random();
            let payload = Payload { msg: what, aad: &bound };
            let part = cipher(key).encrypt(&XNonce::from(nonce), payload);
            sealed.extend_from_slice(&nonce);
            sealed.extend(part.map_err(|_| Error::internal("a secret could not be sealed"))?);
        }
        Ok(sealed)
    }

    /// Opens what was sealed for this place.
    pub fn open(&self, place: &Place, sealed: &[u8]) -> Result<SecretString, CannotOpen> {
        let (&[version, length], rest) = sealed.split_first_chunk::<2>().ok_or(CannotOpen)?;
        let (id, parts) = rest.split_at_checked(length.into()).ok_or(CannotOpen)?;
        let bound = [&sealed[..2], id, place.0.as_bytes()].concat();
        let (own, text) = parts.split_at_checked(NONCE_BYTES + KEY_BYTES + TAG_BYTES).ok_or(CannotOpen)?;
        if version != VERSION {
            return Err(CannotOpen);
        }
        let opened = |key: &SecretBox<[u8; KEY_BYTES]>, part: &[u8]| {
            let (nonce, sealed) = part.split_first_chunk::<NONCE_BYTES>()?;
            cipher(key).decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &bound }).ok()
        };
        let keys = std::iter::once(&self.current).chain(&self.previous).filter(|key| key.id.as_bytes() == id);
        let own = keys.filter_map(|key| opened(&key.bytes, own)).find_map(|own| <[u8; KEY_BYTES]>::try_from(own).ok());
        let own = SecretBox::new(Box::new(own.ok_or(CannotOpen)?));
        let text = opened(&own, text).ok_or(CannotOpen)?;
        String::from_utf8(text).map(SecretString::from).map_err(|_| CannotOpen)
    }
}

impl Key {
    /// Reads KEY_ID:BASE64. No error holds what was read.
    fn parse(text: &str, setting: &'static str) -> Result<Self> {
        let fault = || Error::unavailable(format!("{setting} must be KEY_ID:BASE64, the base64 of {KEY_BYTES} bytes"));
        let (id, base64) = text.trim().split_once(':').ok_or_else(fault)?;
        let is_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if id.is_empty() || id.len() > KEY_ID_CHARACTERS_MAX || !id.chars().all(is_id) {
            return Err(fault());
        }
        let bytes = SecretSlice::from(BASE64_STANDARD.decode(base64).map_err(|_| fault())?);
        Self::new(id, bytes.expose_secret(), setting)
    }

    fn new(id: &str, bytes: &[u8], whence: &'static str) -> Result<Self> {
        let bytes = <[u8; KEY_BYTES]>::try_from(bytes)
            .map_err(|_| Error::unavailable(format!("{whence} has another length than {KEY_BYTES} bytes")))?;
        Ok(Self { id: id.to_owned(), bytes: SecretBox::new(Box::new(bytes)) })
    }
}

fn cipher(key: &SecretBox<[u8; KEY_BYTES]>) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.expose_secret().into())
}

impl fmt::Debug for Secrets {
    /// Names the keys, and shows none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let previous: Vec<&str> = self.previous.iter().map(|key| key.id.as_str()).collect();
        f.debug_struct("Secrets").field("current", &self.current.id).field("previous", &previous).finish()
    }
}

impl fmt::Display for CannotOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sealed value does not open: another key sealed it, or it was moved or changed")
    }
}

impl std::error::Error for CannotOpen {}

impl From<SecretInput> for SecretString {
    fn from(input: SecretInput) -> Self {
        input.0
    }
}

impl SecretInput {
    /// The secret.
    pub fn as_secret(&self) -> &SecretString {
        &self.0
    }
}

// A plain string for callers: GraphQL has no type for what must not be seen.
impl InputType for SecretInput {
    type RawValueType = Self;

    fn type_name() -> Cow<'static, str> {
        <String as InputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <String as InputType>::create_type_info(registry)
    }

    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        match value {
            Some(Value::String(text)) => Ok(Self(text.into())),
            // Without the value: it may be the secret in another shape.
            _ => Err(InputValueError::custom("a string is expected")),
        }
    }

    fn to_value(&self) -> Value {
        Value::Null
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
}
