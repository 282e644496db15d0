//! What a key stands for: one change, known by the mutation and the whole of its input.

use std::time::Duration;

use async_graphql::{Context, InputType, Value};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderName;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::secrets::SecretInput;

/// How long a key stands for what was made under it.
pub const KEPT: Duration = Duration::from_hours(24);
/// Characters of a key.
const KEY_CHARACTERS_MAX: usize = 255;
/// Keeps a key's hash apart from every other hash of the same text.
const KEY_DOMAIN: &[u8] = b"everruns idempotency key\0";
/// The input's name of the key, which is no part of what is compared.
const KEY_FIELD: &str = "idempotencyKey";
/// Says in an answer that it is a repeated one.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A change that shall be made once.
#[derive(Clone, Debug)]
pub struct Once {
    /// Which mutation makes it.
    pub mutation: &'static str,
    /// Names the key.
    pub key_hash: Vec<u8>,
    /// Names the mutation and its input to whoever has the key.
    pub input_hash: Vec<u8>,
}

/// What a mutation made, now or when the same request came before.
#[derive(Clone, Debug)]
pub struct Made<T> {
    /// The row as it is now.
    pub row: T,
    /// Whether an earlier request made it.
    pub replayed: bool,
}

impl Once {
    /// The change that a mutation shall make of `input` under this key; nothing where there is no key. Errors: BAD_USER_INPUT.
    pub fn of(mutation: &'static str, input: &impl InputType, key: Option<&str>) -> Result<Option<Self>> {
        Self::with_secret(mutation, input, None, key)
    }

    /// The same of an input with a secret in it, which as a value is null: another secret is another input all the same.
    pub fn with_secret(
        mutation: &'static str,
        input: &impl InputType,
        secret: Option<&SecretInput>,
        key: Option<&str>,
    ) -> Result<Option<Self>> {
        let Some(key) = key else { return Ok(None) };
        if key.is_empty() || key.len() > KEY_CHARACTERS_MAX || !key.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            let text = format!("an idempotency key must have 1 to {KEY_CHARACTERS_MAX} printable ASCII characters");
            return Err(Error::bad_input("input.idempotencyKey", text));
        }
        let mut digest = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_err(Error::internal)?;
        add_text(&mut digest, b'm', mutation);
        if let Value::Object(fields) = input.to_value() {
            let fields = fields.into_iter().filter(|(name, _)| name != KEY_FIELD).collect();
            add(&mut digest, &Value::Object(fields));
        }
        if let Some(secret) = secret {
            add_text(&mut digest, b'k', secret.as_secret().expose_secret());
        }
        let key_hash = Sha256::new().chain_update(KEY_DOMAIN).chain_update(key).finalize().to_vec();
        Ok(Some(Self { mutation, key_hash, input_hash: digest.finalize().into_bytes().to_vec() }))
    }
}

impl<T> Made<T> {
    /// What this request made.
    pub fn now(row: T) -> Self {
        Self { row, replayed: false }
    }

    /// What an earlier request made; `noun` is not there any more where there is none.
    pub fn before(row: Option<T>, noun: &'static str) -> Result<Self> {
        Ok(Self { row: row.ok_or_else(|| Error::not_found(noun))?, replayed: true })
    }
}

/// Says in a header of the answer that it is a repeated one, where it is.
pub fn tell(ctx: &Context<'_>, replayed: bool) {
    if replayed {
        ctx.insert_http_header(REPLAYED, "true");
    }
}

/// Adds a value, so that two values add the same only where they are the same. The order of an object's fields is none of the value.
fn add(digest: &mut Hmac<Sha256>, value: &Value) {
    match value {
        Value::Null => digest.update(b"n"),
        Value::Boolean(value) => digest.update(if *value { b"t" } else { b"f" }),
        Value::Number(number) => add_text(digest, b'#', &number.to_string()),
        Value::String(text) => add_text(digest, b's', text),
        Value::Enum(name) => add_text(digest, b'e', name),
        Value::Binary(bytes) => add_bytes(digest, b'b', bytes),
        Value::List(items) => {
            add_length(digest, b'l', items.len());
            items.iter().for_each(|item| add(digest, item));
        }
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            add_length(digest, b'o', sorted.len());
            for (name, value) in sorted {
                add_text(digest, b's', name);
                add(digest, value);
            }
        }
    }
}

fn add_text(digest: &mut Hmac<Sha256>, kind: u8, text: &str) {
    add_bytes(digest, kind, text.as_bytes());
}

fn add_bytes(digest: &mut Hmac<Sha256>, kind: u8, bytes: &[u8]) {
    add_length(digest, kind, bytes.len());
    digest.update(bytes);
}

fn add_length(digest: &mut Hmac<Sha256>, kind: u8, length: usize) {
    digest.update(&[kind]);
    digest.update(&(length as u64).to_be_bytes());
}
