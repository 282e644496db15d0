//! How this server knows its callers: its mode, the key of its tokens, and who has streams open.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::Context;
use http::HeaderMap;
use moka::sync::Cache;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use super::oauth::{self, Oauth};
use super::passwords::{self, Passwords};
use super::presented::{Presented, presented};
use super::streams::{OpenStreams, Stay};
use super::tokens::{self, SIGNING_KEY_BYTES_MIN, Signer};
use super::{Credential, Login, RefreshToken, Scopes, Tokens, User, Viewer, normal_email};
use crate::clock::Timestamp;
use crate::config::{AuthMode, AuthSettings};
use crate::db::ids::Id;
use crate::db::{Store, commit, key_file, read};
use crate::error::{Error, Result};

/// How exactly `lastUsedAt` of a key is kept: a key that is always in use is written once in this time.
const LAST_USED_GRAIN: Duration = Duration::from_secs(60);
/// Keys whose last use is remembered here; one that fell out is written a little more often.
const LAST_USED_KEYS_MAX: u64 = 10_000;
/// Name of the key file that is made where no secret is given.
const KEY_FILE: &str = "auth.key";

/// Everything that tells callers apart. A copy is the same.
#[derive(Clone)]
pub struct Accounts(Arc<State>);

struct State {
    settings: AuthSettings,
    store: Store,
    /// None in mode none.
    signer: Option<Signer>,
    /// None in mode none.
    oauth: Option<Oauth>,
    passwords: Passwords,
    streams: OpenStreams,
    /// In mode admin the one who may come in.
    only_user: Option<Id>,
    /// Keys whose use was noted not long ago.
    touched: Cache<Id, ()>,
}

/// How callers of this server are known.
pub fn accounts<'c>(ctx: &Context<'c>) -> &'c Accounts {
    ctx.data_unchecked()
}

impl Accounts {
    /// Reads or makes the key of tokens, and makes the first user in `organization_id` where the settings name one. Errors: settings that do not
    /// fit each other.
    pub async fn open(
        settings: &AuthSettings,
        database_url: &SecretString,
        store: Store,
        organization_id: Id,
    ) -> Result<Self> {
        let passwords = Passwords::default();
        let (mut signer, mut oauth, mut first) = (None, None, None);
        if settings.mode != AuthMode::None {
            let key = signing_key(settings, database_url)?;
            signer = Some(Signer::new(&key));
            oauth = Some(Oauth::new(settings, &key, oauth::client()?)?);
            first = first_user(settings, &store, &passwords, organization_id).await?;
        }
        Ok(Self(Arc::new(State {
            settings: settings.clone(),
            signer,
            oauth,
            passwords,
            streams: OpenStreams::new(&store),
            store,
            only_user: first.filter(|_| settings.mode == AuthMode::Admin),
            touched: Cache::builder().max_capacity(LAST_USED_KEYS_MAX).time_to_live(LAST_USED_GRAIN).build(),
        })))
    }

    /// What the server was told.
    pub fn settings(&self) -> &AuthSettings {
        &self.0.settings
    }

    /// Whether everybody is the owner.
    pub fn is_open(&self) -> bool {
        self.0.settings.mode == AuthMode::None
    }

    /// Whether browsers reach this server over TLS, so that its cookies shall stay there.
    pub fn has_tls(&self) -> bool {
        self.0.settings.base_url.starts_with("https://")
    }

    /// Sign-in elsewhere. Errors: NOT_FOUND in mode none, which has no accounts.
    pub fn oauth(&self) -> Result<&Oauth> {
        self.0.oauth.as_ref().ok_or_else(oauth::not_set_up)
    }

    /// How long a login lasts without a refresh.
    pub fn login_lifetime(&self) -> Duration {
        Duration::from_secs(self.0.settings.refresh_token_lifetime_s.into())
    }

    /// Whose request this is, by the headers that came with it. Errors: UNAUTHENTICATED.
    pub async fn viewer(&self, headers: Option<&HeaderMap>) -> Result<Viewer> {
        let shown = headers.and_then(presented).and_then(Result::ok);
        let found = match shown {
            None => None,
            Some(Presented::AccessToken(token)) => self.viewer_of_token(&token).await?,
            Some(Presented::ApiKey(key)) => self.viewer_of_key(&key).await?,
        };
        found.filter(|viewer| self.admits(viewer.user_id)).ok_or_else(Error::unauthenticated)
    }

    /// The same for a stream, which is over when its credential is. Errors: UNAUTHENTICATED.
    pub async fn enter(&self, headers: Option<&HeaderMap>) -> Result<(Viewer, Stay)> {
        loop {
            let seen = self.0.streams.revocations();
            let viewer = self.viewer(headers).await?;
            if let Some(stay) = self.0.streams.enter(viewer, seen) {
                return Ok((viewer, stay));
            }
        }
    }

    /// Ends the streams of a login or an API key; call it after the commit that revokes it.
    pub fn end_streams(&self, credential_id: Id) {
        self.0.streams.end(credential_id);
    }

    /// The user with this password. An unknown address and a wrong password take the same work and get the same answer, UNAUTHENTICATED.
    pub async fn user_by_password(&self, email: &str, password: SecretString) -> Result<User> {
        let found = match normal_email(email) {
            Some(email) => read!(&self.0.store, auth::user_by_email(&email))?,
            None => None,
        };
        let (user, hash) = found.filter(|(user, _)| self.admits(user.id)).unzip();
        let is_right = self.0.passwords.is_right(password, hash.flatten()).await?;
        user.filter(|_| is_right).ok_or_else(Error::unauthenticated)
    }

    /// The hash of a new password.
    pub async fn hash(&self, password: SecretString) -> Result<String> {
        self.0.passwords.hash(password).await
    }

    /// A new login of the user, yet to be stored.
    pub fn login(&self, user: &User) -> Result<(Login, RefreshToken, Tokens)> {
        let now = Timestamp::now();
        let login = Login::new(user, now, self.login_lifetime());
        let (refresh_token, hash) = tokens::refresh_token();
        let token = login.token(hash, now);
        let tokens = self.tokens(&login, refresh_token, now)?;
        Ok((login, token, tokens))
    }

    /// What a login is told, with this refresh token. Errors: UNAUTHENTICATED where its user may not come in.
    pub fn tokens(&self, login: &Login, refresh_token: SecretString, now: Timestamp) -> Result<Tokens> {
        let signer =
            self.0.signer.as_ref().filter(|_| self.admits(login.user_id)).ok_or_else(Error::unauthenticated)?;
        let lifetime_s = self.0.settings.access_token_lifetime_s;
        let access_token = signer.sign(login, now, Duration::from_secs(lifetime_s.into()))?;
        Ok(Tokens { access_token, refresh_token, expires_in: lifetime_s.try_into().unwrap_or(i32::MAX) })
    }

    fn admits(&self, user_id: Id) -> bool {
        self.0.only_user.is_none_or(|only| only == user_id)
    }

    async fn viewer_of_token(&self, token: &SecretString) -> Result<Option<Viewer>> {
        let Some(token) = self.0.signer.as_ref().and_then(|signer| signer.read(token.expose_secret())) else {
            return Ok(None);
        };
        let is_live = read!(&self.0.store, auth::is_live(token, Timestamp::now()))?;
        Ok(is_live.then_some(Viewer {
            organization_id: token.organization_id,
            user_id: token.user_id,
            scopes: Scopes::ALL,
            credential: Credential::Login { id: token.login_id, expires_at: token.expires_at },
        }))
    }

    async fn viewer_of_key(&self, key: &SecretString) -> Result<Option<Viewer>> {
        let Some(hash) = tokens::key_hash(key.expose_secret()) else { return Ok(None) };
        let now = Timestamp::now();
        let Some(key) = read!(&self.0.store, auth::key_by_hash(hash, now))? else { return Ok(None) };
        let viewer = Viewer {
            organization_id: key.organization_id,
            user_id: key.user_id,
            scopes: key.scope_set(),
            credential: Credential::ApiKey { id: key.id, expires_at: key.expires_at },
        };
        if key.last_used_at.is_none_or(|used_at| used_at.after(LAST_USED_GRAIN) <= now) {
            self.touch(viewer.organization_id, key.id, now);
        }
        Ok(Some(viewer))
    }

    /// Notes the use of a key, out of the request's way. It is for people to read, and may be lost.
    fn touch(&self, organization_id: Id, id: Id, now: Timestamp) {
        if !self.0.touched.entry(id).or_insert(()).is_fresh() {
            return;
        }
        let store = self.0.store.clone();
        tokio::spawn(async move {
            if let Err(error) = commit!(&store, auth::touch_key(organization_id, id, now)) {
                tracing::warn!(?error, "the last use of an API key could not be noted");
            }
        });
    }
}

/// The key of access tokens: what the settings say, or a file beside the database.
fn signing_key(settings: &AuthSettings, database_url: &SecretString) -> Result<SecretSlice<u8>> {
    if let Some(secret) = &settings.jwt_secret {
        let bytes = secret.expose_secret().as_bytes();
        if bytes.len() < SIGNING_KEY_BYTES_MIN {
            let message = format!("AUTH_JWT_SECRET must have at least {SIGNING_KEY_BYTES_MIN} characters");
            return Err(Error::bad_input("AUTH_JWT_SECRET", message));
        }
        return Ok(bytes.to_vec().into());
    }
    key_file::read_or_make(database_url, KEY_FILE, SIGNING_KEY_BYTES_MIN)?.ok_or_else(|| {
        let message =
            "AUTH_JWT_SECRET must be set with PostgreSQL in mode admin and full: every replica needs the same";
        Error::bad_input("AUTH_JWT_SECRET", message)
    })
}

/// The id of the user whom the settings name, who is made or given the password of the settings.
async fn first_user(
    settings: &AuthSettings,
    store: &Store,
    passwords: &Passwords,
    organization_id: Id,
) -> Result<Option<Id>> {
    let (email, password) = match (&settings.admin_email, &settings.admin_password) {
        (Some(email), Some(password)) => (email, password),
        (None, None) if settings.mode == AuthMode::Full => return Ok(None),
        _ => {
            let message = "AUTH_ADMIN_EMAIL and AUTH_ADMIN_PASSWORD must be set, both of them, in mode admin; \
                in mode full both or neither";
            return Err(Error::bad_input("AUTH_ADMIN_EMAIL", message));
        }
    };
    let email = normal_email(email)
        .ok_or_else(|| Error::bad_input("AUTH_ADMIN_EMAIL", "AUTH_ADMIN_EMAIL must be an e-mail address"))?;
    passwords::check("AUTH_ADMIN_PASSWORD", password)?;
    let found = read!(store, auth::user_by_email(&email))?;
    let Some((user, kept)) = found else {
        let user = User::new(organization_id, email, None);
        let hash = passwords.hash(password.clone()).await?;
        return commit!(store, auth::create_first_user(user, hash)).map(Some);
    };
    if user.organization_id != organization_id {
        let message = "AUTH_ADMIN_EMAIL belongs to an account that signed up in mode full; name another";
        return Err(Error::bad_input("AUTH_ADMIN_EMAIL", message));
    }
    // The same password leaves its logins alone.
    if !passwords.is_right(password.clone(), kept).await? {
        let hash = passwords.hash(password.clone()).await?;
        commit!(store, auth::update_password(organization_id, user.id, hash))?;
    }
    Ok(Some(user.id))
}
