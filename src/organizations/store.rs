//! How organizations are kept, and how one comes into being with its first user.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::auth;
use super::backend::Conn;
use crate::auth::{Identity, Login, RefreshToken, User};
use crate::db::ids::Id;
use crate::db::tables::organizations;
use crate::error::{Error, Result};
use crate::organizations::Organization;

/// Makes the organization unless it is there.
pub async fn create_if_missing(conn: &mut Conn, organization: Organization) -> Result<()> {
    diesel::insert_into(organizations::table).values(organization).on_conflict_do_nothing().execute(conn).await?;
    Ok(())
}

/// The organization with this id.
pub async fn get(conn: &mut Conn, id: Id) -> Result<Option<Organization>> {
    Ok(organizations::table.find(id).select(Organization::as_select()).get_result(conn).await.optional()?)
}

/// Stores a new organization, its first user, who signs in by password, and that user's first login. Errors: BAD_USER_INPUT where the address has an
/// account.
pub async fn sign_up(
    conn: &mut Conn,
    organization: Organization,
    (user, password_hash): (User, String),
    (login, token): (Login, RefreshToken),
) -> Result<User> {
    create_if_missing(conn, organization).await?;
    if auth::create_user(conn, &user, Some(password_hash)).await? {
        auth::create_login(conn, login, token).await?;
        return Ok(user);
    }
    Err(Error::bad_input("input.email", "this email cannot be registered"))
}

/// The user who came back from a provider: the one whom it knows already; else the one with its address, if that was proven to a provider before;
/// else, where people may sign up, a new one with an organization of its own.
///
/// A user with a password is not joined to an identity by the address alone: whoever chose the password never proved that the address is theirs, and
/// would share the account with its real owner from then on. Errors: FORBIDDEN.
pub async fn sign_in_elsewhere(conn: &mut Conn, identity: Identity, may_sign_up: bool) -> Result<User> {
    if let Some(user) = auth::user_by_identity(conn, identity.provider, &identity.subject).await? {
        return Ok(user);
    }
    let user = match auth::user_by_email(conn, &identity.email).await? {
        Some((user, None)) => user,
        Some((_, Some(_))) => return Err(Error::forbidden("the account of this email signs in by password")),
        None if may_sign_up => {
            let (organization, user) = Organization::for_new_user(identity.email.clone(), identity.name.clone());
            create_if_missing(conn, organization).await?;
            if !auth::create_user(conn, &user, None).await? {
                return Err(Error::conflict("this email is signing up at this moment, try again"));
            }
            user
        }
        None => return Err(Error::forbidden("this server takes no sign-ups")),
    };
    auth::create_identity(conn, &user, &identity).await?;
    Ok(user)
}
