//! What an organization is.

use async_graphql::SimpleObject;
use diesel::{Insertable, Queryable, Selectable};

use crate::auth::User;
use crate::clock::Timestamp;
use crate::db::ids::{Id, Noun};
use crate::db::tables::organizations;

/// The organization of everybody in mode none. Its last four bits say organization, as every id's say its noun.
pub const DEFAULT_ORGANIZATION: Id = Id::fixed(0x0000_0000_0000_7000_8000_0000_0000_0010);

/// Who owns agents, sessions and everything in them.
#[derive(Queryable, Selectable, Insertable, SimpleObject, Clone, Debug)]
#[diesel(table_name = organizations)]
pub struct Organization {
    /// The organization's id.
    pub id: Id,
    /// What people call it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Organization {
    /// One for somebody who signs up, and its first user. Without a name it is called by the address's first part.
    pub fn for_new_user(email: String, name: Option<String>) -> (Self, User) {
        let local = || email.split('@').next().unwrap_or_default().to_owned();
        let organization = Self {
            id: Id::new(Noun::Organization),
            name: name.clone().unwrap_or_else(local),
            created_at: Timestamp::now(),
        };
        let user = User::new(organization.id, email, name);
        (organization, user)
    }
}
