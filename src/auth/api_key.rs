//! What an API key is: a long-lived credential of a program, with the scopes that its owner gave it.

use std::time::Duration;

use async_graphql::{ComplexObject, InputObject, SimpleObject};
use diesel::{Insertable, Queryable, Selectable};
use secrecy::{ExposeSecret as _, SecretString};

use super::tokens::{self, KEY_PREFIX_CHARACTERS};
use super::{Scope, Scopes, Viewer};
use crate::clock::Timestamp;
use crate::db::ids::{Id, Noun};
use crate::db::tables::api_keys;
use crate::db::types::Tags;
use crate::error::{Error, Result};
use crate::validate;

/// Keys that a user may have.
pub(super) const KEYS_PER_USER_MAX: i64 = 100;
/// The longest that a key may last, in days.
const LIFETIME_DAYS_MAX: i32 = 3650;
const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// A credential of a program. The key itself is shown once, when it is made.
#[derive(Queryable, Selectable, Insertable, SimpleObject, Clone, Debug)]
#[diesel(table_name = api_keys)]
#[graphql(complex)]
pub struct ApiKey {
    /// Its owner's organization.
    #[graphql(skip)]
    pub organization_id: Id,
    /// The key's id.
    pub id: Id,
    /// Whose it is.
    #[graphql(skip)]
    pub user_id: Id,
    /// What its owner calls it.
    pub name: String,
    /// The key's first 12 characters, to know it by.
    pub key_prefix: String,
    /// The words of its scopes.
    #[graphql(skip)]
    pub scopes: Tags,
    /// When it ends; null where it does not.
    pub expires_at: Option<Timestamp>,
    /// When it was used last, to the minute; null where it never was.
    pub last_used_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A new API key.
#[derive(InputObject, Clone, Debug)]
pub struct CreateApiKeyInput {
    /// What to call it: 1 to 255 characters.
    pub name: String,
    /// What it may do; all four where none are given.
    pub scopes: Option<Vec<Scope>>,
    /// After how many days it ends, 1 to 3650; never where this is not given.
    pub expires_in_days: Option<i32>,
    /// A key of the caller's choice, 1 to 255 printable ASCII characters, so that this is not done twice: for 24 hours the same key with the same
    /// input is CONFLICT, since an API key is shown once, and with another input IDEMPOTENCY_KEY_REUSED. Who lost the answer deletes the API key
    /// and makes another under another key.
    pub idempotency_key: Option<String>,
}

#[ComplexObject]
impl ApiKey {
    /// What it may do.
    async fn scopes(&self) -> Vec<Scope> {
        self.scope_set().iter().collect()
    }
}

impl ApiKey {
    /// A key for the viewer, what it is shown once, and the hash that is kept of that.
    pub fn new(viewer: Viewer, input: CreateApiKeyInput) -> Result<(Self, SecretString, Vec<u8>)> {
        validate::name("input.name", &input.name)?;
        let scopes: Scopes = match input.scopes {
            None => Scopes::ALL,
            Some(scopes) if scopes.is_empty() => {
                return Err(Error::bad_input("input.scopes", "scopes must not be empty"));
            }
            Some(scopes) => scopes.into_iter().collect(),
        };
        let created_at = Timestamp::now();
        let (key, hash) = tokens::api_key();
        let new = Self {
            organization_id: viewer.organization_id,
            id: Id::new(Noun::ApiKey),
            user_id: viewer.user_id,
            name: input.name,
            key_prefix: key.expose_secret()[..KEY_PREFIX_CHARACTERS].to_owned(),
            scopes: Tags(scopes.iter().map(|scope| scope.as_str().to_owned()).collect()),
            expires_at: input.expires_in_days.map(lifetime).transpose()?.map(|lifetime| created_at.after(lifetime)),
            last_used_at: None,
            created_at,
        };
        Ok((new, key, hash))
    }

    /// What it may do.
    pub fn scope_set(&self) -> Scopes {
        self.scopes.0.iter().filter_map(|word| Scope::parse(word)).collect()
    }
}

fn lifetime(days: i32) -> Result<Duration> {
    match u64::try_from(days) {
        Ok(whole) if (1..=LIFETIME_DAYS_MAX).contains(&days) => Ok(Duration::from_secs(whole * SECONDS_PER_DAY)),
        _ => {
            let message = format!("expires in days must be 1 to {LIFETIME_DAYS_MAX}");
            Err(Error::bad_input("input.expiresInDays", message))
        }
    }
}
