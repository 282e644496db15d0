//! How users, logins and API keys are kept. What finds the viewer looks by a hash or a login's id; all else names the organization.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::backend::Conn;
use super::idempotency;
use crate::auth::api_key::KEYS_PER_USER_MAX;
use crate::auth::{AccessToken, ApiKey, Identity, Login, OauthProvider, RefreshToken, Refreshed, User};
use crate::clock::Timestamp;
use crate::db::ids::Id;
use crate::db::tables::{api_keys, logins, refresh_tokens, user_identities, users};
use crate::error::{Error, Result};
use crate::idempotency::Once;
use crate::page::Page;

/// Stores a new user; tells whether the e-mail address was free.
pub async fn create_user(conn: &mut Conn, user: &User, password_hash: Option<String>) -> Result<bool> {
    let row = (user, users::password_hash.eq(password_hash));
    Ok(diesel::insert_into(users::table).values(row).on_conflict_do_nothing().execute(conn).await? == 1)
}

/// Stores the user whom the settings name; another replica may have done so at the same moment.
pub async fn create_first_user(conn: &mut Conn, user: User, password_hash: String) -> Result<Id> {
    create_user(conn, &user, Some(password_hash)).await?;
    let stored = user_by_email(conn, &user.email).await?;
    stored.map(|(user, _)| user.id).ok_or_else(|| Error::internal("the first user is not there"))
}

/// The user with this id.
pub async fn get_user(conn: &mut Conn, organization_id: Id, id: Id) -> Result<Option<User>> {
    let found = users::table.find((organization_id, id)).select(User::as_select());
    Ok(found.get_result(conn).await.optional()?)
}

/// The user with this e-mail address, and the hash of its password where it has one.
pub async fn user_by_email(conn: &mut Conn, email: &str) -> Result<Option<(User, Option<String>)>> {
    let found = users::table.filter(users::email.eq(email)).select((User::as_select(), users::password_hash));
    Ok(found.get_result(conn).await.optional()?)
}

/// Gives the user another password and ends its logins. API keys live on: a key has an owner, not a password.
pub async fn update_password(conn: &mut Conn, organization_id: Id, id: Id, password_hash: String) -> Result<()> {
    let now = Timestamp::now();
    let change = (users::password_hash.eq(password_hash), users::updated_at.eq(now));
    diesel::update(users::table.find((organization_id, id))).set(change).execute(conn).await?;
    revoke_logins(conn, organization_id, id, None).await?;
    Ok(())
}

/// The user whom a provider knows by this subject.
pub async fn user_by_identity(conn: &mut Conn, provider: OauthProvider, subject: &str) -> Result<Option<User>> {
    let known = user_identities::table
        .filter(user_identities::provider.eq(provider.as_str()))
        .filter(user_identities::subject.eq(subject))
        .select((user_identities::organization_id, user_identities::user_id));
    match known.get_result::<(Id, Id)>(conn).await.optional()? {
        Some((organization_id, id)) => get_user(conn, organization_id, id).await,
        None => Ok(None),
    }
}

/// Remembers who the user is at a provider.
pub async fn create_identity(conn: &mut Conn, user: &User, identity: &Identity) -> Result<()> {
    let row = (
        user_identities::organization_id.eq(user.organization_id),
        user_identities::provider.eq(identity.provider.as_str()),
        user_identities::subject.eq(&identity.subject),
        user_identities::user_id.eq(user.id),
        user_identities::created_at.eq(Timestamp::now()),
    );
    let created = diesel::insert_into(user_identities::table).values(row).execute(conn).await;
    created.map_err(Error::of_unique_row)?;
    Ok(())
}

/// Stores a new login with its first refresh token, and forgets those of its user that are over.
pub async fn create_login(conn: &mut Conn, login: Login, token: RefreshToken) -> Result<()> {
    let theirs = logins::table
        .filter(logins::organization_id.eq(login.organization_id))
        .filter(logins::user_id.eq(login.user_id));
    let over = logins::expires_at.le(login.created_at).or(logins::revoked_at.is_not_null());
    diesel::delete(theirs.filter(over)).execute(conn).await?;
    diesel::insert_into(logins::table).values(login).execute(conn).await?;
    diesel::insert_into(refresh_tokens::table).values(token).execute(conn).await?;
    Ok(())
}

/// Takes a refresh token for a successor with another hash, which moves the login's end to `expires_at`. One that was used before ends its
/// login. Errors are none of these outcomes: whatever was found out is committed.
pub async fn refresh(
    conn: &mut Conn,
    token_hash: Vec<u8>,
    successor_hash: Vec<u8>,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<Refreshed> {
    // Counting comes first: of two callers at the same moment the second waits here for the first.
    let used = diesel::update(refresh_tokens::table.filter(refresh_tokens::token_hash.eq(token_hash)))
        .set(refresh_tokens::uses.eq(refresh_tokens::uses + 1))
        .returning(RefreshToken::as_returning());
    let Some(token) = used.get_result(conn).await.optional()? else { return Ok(Refreshed::Unknown) };
    let key = (token.organization_id, token.login_id);
    let live = logins::table.find(key).filter(logins::revoked_at.is_null()).filter(logins::expires_at.gt(now));
    let Some(login) = live.select(Login::as_select()).get_result(conn).await.optional()? else {
        return Ok(Refreshed::Unknown);
    };
    if token.expires_at <= now {
        return Ok(Refreshed::Unknown);
    }
    if !token.is_used_well(now) {
        revoke_logins(conn, login.organization_id, login.user_id, Some(login.id)).await?;
        return Ok(Refreshed::Reused(login));
    }
    if token.used_at.is_none() {
        let first = refresh_tokens::table.find((key.0, key.1, &token.token_hash));
        diesel::update(first).set(refresh_tokens::used_at.eq(now)).execute(conn).await?;
    }
    let family = refresh_tokens::table
        .filter(refresh_tokens::organization_id.eq(key.0))
        .filter(refresh_tokens::login_id.eq(key.1));
    diesel::delete(family.filter(refresh_tokens::expires_at.le(now))).execute(conn).await?;
    // A logout at the same moment wins.
    let moved = diesel::update(logins::table.find(key).filter(logins::revoked_at.is_null()));
    if moved.set(logins::expires_at.eq(expires_at)).execute(conn).await? == 0 {
        return Ok(Refreshed::Unknown);
    }
    let login = Login { expires_at, ..login };
    let successor = login.token(successor_hash, now);
    diesel::insert_into(refresh_tokens::table).values(successor).execute(conn).await?;
    Ok(Refreshed::GoesOn(login))
}

/// Ends a user's logins, or only this one of them, and with each its access and refresh tokens. Answers which those were.
pub async fn revoke_logins(conn: &mut Conn, organization_id: Id, user_id: Id, only: Option<Id>) -> Result<Vec<Id>> {
    let now = Timestamp::now();
    let theirs = logins::organization_id.eq(organization_id).and(logins::user_id.eq(user_id));
    let mut live = diesel::update(logins::table)
        .set(logins::revoked_at.eq(now))
        .filter(theirs.and(logins::revoked_at.is_null()))
        .into_boxed();
    if let Some(id) = only {
        live = live.filter(logins::id.eq(id));
    }
    Ok(live.returning(logins::id).get_results(conn).await?)
}

/// Whether the login that an access token names is live, and its user there.
pub async fn is_live(conn: &mut Conn, token: AccessToken, now: Timestamp) -> Result<bool> {
    let user = users::organization_id.eq(logins::organization_id).and(users::id.eq(logins::user_id));
    let live = logins::table
        .inner_join(users::table.on(user))
        .filter(logins::organization_id.eq(token.organization_id))
        .filter(logins::id.eq(token.login_id))
        .filter(logins::user_id.eq(token.user_id))
        .filter(logins::revoked_at.is_null())
        .filter(logins::expires_at.gt(now));
    Ok(live.select(logins::id).get_result::<Id>(conn).await.optional()?.is_some())
}

/// The live API key with this hash.
pub async fn key_by_hash(conn: &mut Conn, key_hash: Vec<u8>, now: Timestamp) -> Result<Option<ApiKey>> {
    let live = api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now));
    let found = api_keys::table.filter(api_keys::key_hash.eq(key_hash)).filter(live);
    Ok(found.select(ApiKey::as_select()).get_result(conn).await.optional()?)
}

/// Which of these logins are live.
pub async fn live_logins(conn: &mut Conn, organizations: &[Id], ids: &[Id], now: Timestamp) -> Result<Vec<Id>> {
    let live = logins::table
        .filter(logins::organization_id.eq_any(organizations))
        .filter(logins::id.eq_any(ids))
        .filter(logins::revoked_at.is_null())
        .filter(logins::expires_at.gt(now));
    Ok(live.select(logins::id).load(conn).await?)
}

/// Which of these API keys are there.
pub async fn present_keys(conn: &mut Conn, organizations: &[Id], ids: &[Id]) -> Result<Vec<Id>> {
    let present =
        api_keys::table.filter(api_keys::organization_id.eq_any(organizations)).filter(api_keys::id.eq_any(ids));
    Ok(present.select(api_keys::id).load(conn).await?)
}

/// Stores a new API key. Errors: CONFLICT where its owner has as many as it may have, or where it was made before: nobody can show it again.
pub async fn create_key(conn: &mut Conn, key: ApiKey, key_hash: Vec<u8>, once: Option<Once>) -> Result<ApiKey> {
    if idempotency::begin(conn, key.organization_id, once, key.id).await?.is_some() {
        let text =
            "an earlier request made this API key, which is shown once: delete it and make another under another key";
        return Err(Error::conflict(text));
    }
    if count_keys(conn, key.organization_id, key.user_id).await? >= KEYS_PER_USER_MAX {
        return Err(Error::conflict(format!("a user has at most {KEYS_PER_USER_MAX} API keys; delete one first")));
    }
    diesel::insert_into(api_keys::table).values((&key, api_keys::key_hash.eq(key_hash))).execute(conn).await?;
    Ok(key)
}

/// A user's API key.
pub async fn get_key(conn: &mut Conn, organization_id: Id, user_id: Id, id: Id) -> Result<Option<ApiKey>> {
    let found = api_keys::table.find((organization_id, id)).filter(api_keys::user_id.eq(user_id));
    Ok(found.select(ApiKey::as_select()).get_result(conn).await.optional()?)
}

/// A page of a user's API keys, newest first.
pub async fn list_keys(conn: &mut Conn, organization_id: Id, user_id: Id, page: &Page<Id>) -> Result<Vec<ApiKey>> {
    let theirs =
        api_keys::table.filter(api_keys::organization_id.eq(organization_id)).filter(api_keys::user_id.eq(user_id));
    let mut query = theirs.order(api_keys::id.desc()).limit(page.limit()).select(ApiKey::as_select()).into_boxed();
    if let Some(after) = page.after {
        query = query.filter(api_keys::id.lt(after));
    }
    Ok(query.load(conn).await?)
}

/// How many API keys a user has, those that are over included.
pub async fn count_keys(conn: &mut Conn, organization_id: Id, user_id: Id) -> Result<i64> {
    let theirs =
        api_keys::table.filter(api_keys::organization_id.eq(organization_id)).filter(api_keys::user_id.eq(user_id));
    Ok(theirs.count().get_result(conn).await?)
}

/// Deletes a user's API key; tells whether it was there.
pub async fn delete_key(conn: &mut Conn, organization_id: Id, user_id: Id, id: Id) -> Result<bool> {
    let theirs = api_keys::table.find((organization_id, id)).filter(api_keys::user_id.eq(user_id));
    Ok(diesel::delete(theirs).execute(conn).await? == 1)
}

/// Notes when an API key was used.
pub async fn touch_key(conn: &mut Conn, organization_id: Id, id: Id, now: Timestamp) -> Result<()> {
    let key = api_keys::table.find((organization_id, id));
    diesel::update(key).set(api_keys::last_used_at.eq(now)).execute(conn).await?;
    Ok(())
}
