//! What a user is: somebody who signs in, in one organization.

use async_graphql::{ComplexObject, SimpleObject};
use diesel::{Insertable, Queryable, Selectable};

use super::DEFAULT_OWNER;
use crate::clock::Timestamp;
use crate::db::ids::{Id, Noun};
use crate::db::tables::users;
use crate::error::{Error, Result};
use crate::validate;

/// Characters of an e-mail address.
const EMAIL_CHARACTERS_MAX: usize = 254;

/// Who signs in.
#[derive(Queryable, Selectable, Insertable, SimpleObject, Clone, Debug)]
#[diesel(table_name = users)]
#[graphql(complex)]
pub struct User {
    /// The organization in which the user acts.
    #[graphql(skip)]
    pub organization_id: Id,
    /// The user's id.
    pub id: Id,
    /// In lower case; empty for the owner of mode none.
    #[graphql(skip)]
    pub email: String,
    /// What people call the user.
    pub name: Option<String>,
    /// When the user was made.
    pub created_at: Timestamp,
    /// When the user was changed last.
    #[graphql(skip)]
    pub updated_at: Timestamp,
}

#[ComplexObject]
impl User {
    /// The e-mail address that the user signs in with, in lower case; null for the owner of mode none.
    async fn email(&self) -> Option<&str> {
        Some(self.email.as_str()).filter(|email| !email.is_empty())
    }
}

impl User {
    /// A new user of the organization.
    pub fn new(organization_id: Id, email: String, name: Option<String>) -> Self {
        let now = Timestamp::now();
        Self { organization_id, id: Id::new(Noun::User), email, name, created_at: now, updated_at: now }
    }

    /// The owner of everything in mode none, who has no row.
    pub fn default_owner(organization_id: Id, created_at: Timestamp) -> Self {
        let name = Some("Owner".to_owned());
        Self { organization_id, id: DEFAULT_OWNER, email: String::new(), name, created_at, updated_at: created_at }
    }
}

/// An e-mail address as it is kept: trimmed, in lower case. Nothing where it cannot be one; whether it is one only its owner can show.
pub fn normal_email(text: &str) -> Option<String> {
    let email = text.trim().to_lowercase();
    let (local, domain) = email.rsplit_once('@')?;
    let plain = !email.contains(|character: char| character.is_whitespace() || character.is_control());
    let fits = email.chars().count() <= EMAIL_CHARACTERS_MAX;
    (plain && fits && !local.is_empty() && !domain.is_empty()).then_some(email)
}

/// The same, of an input's `email`.
pub(super) fn checked_email(field: &'static str, text: &str) -> Result<String> {
    validate::characters(field, text, EMAIL_CHARACTERS_MAX)?;
    normal_email(text).ok_or_else(|| Error::bad_input(field, "email must be an e-mail address"))
}
