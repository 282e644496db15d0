//! How users sign in and out.

pub mod api_keys;

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use http::HeaderMap;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use secrecy::{ExposeSecret as _, SecretString};

pub use api_keys::{ApiKeyConnection, ApiKeyMutation, api_key, api_key_page};

use super::user::checked_email;
use super::{
    Accounts, Credential, OauthProvider, Refreshed, Tokens, User, accounts, cookies, passwords, signed_in, tokens,
};
use crate::clock::Timestamp;
use crate::config::AuthMode;
use crate::db::ids::Id;
use crate::db::{commit, store};
use crate::error::Error;
use crate::organizations::Organization;
use crate::validate;

/// How callers may prove who they are.
#[derive(SimpleObject)]
pub struct AuthConfig {
    /// Who may ask at all.
    mode: AuthMode,
    /// Whether `login` takes a password.
    password_auth_enabled: bool,
    /// Who else vouches for users here.
    oauth_providers: Vec<OauthProvider>,
    /// Whether people may make an account by themselves.
    signup_enabled: bool,
}

impl AuthConfig {
    /// What the settings say.
    pub fn new(accounts: &Accounts) -> Self {
        let settings = accounts.settings();
        let is_full = settings.mode == AuthMode::Full;
        Self {
            mode: settings.mode,
            password_auth_enabled: settings.mode == AuthMode::Admin || (is_full && !settings.disable_password),
            oauth_providers: accounts.oauth().map(|oauth| oauth.providers().collect()).unwrap_or_default(),
            signup_enabled: is_full && !settings.disable_signup,
        }
    }
}

/// Changes of who is signed in.
#[derive(Default)]
pub struct AuthMutation;

#[Object]
impl AuthMutation {
    /// Signs a user in by password. An unknown address and a wrong password are the same UNAUTHENTICATED. Browsers are handed the tokens as cookies
    /// too. In mode none: NOT_FOUND.
    async fn login(&self, ctx: &Context<'_>, #[graphql(desc = "Who.")] input: LoginInput) -> Result<LoginPayload> {
        password_config(ctx)?;
        passwords::check_length("input.password", &input.password)?;
        let user = accounts(ctx).user_by_password(&input.email, input.password).await?;
        Ok(LoginPayload { tokens: sign_in(ctx, &user).await?, user })
    }

    /// Makes an account with an organization of its own, and signs it in. FORBIDDEN where the server takes no sign-ups. An address that has an
    /// account already is BAD_USER_INPUT, after the same work and in words that do not say why; that it is not taken can still be told from one that
    /// is, since this server sends no mail by which it could ask the address itself.
    async fn register(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new account.")] input: RegisterInput,
    ) -> Result<RegisterPayload> {
        if !password_config(ctx)?.signup_enabled {
            return Err(Error::forbidden("this server takes no sign-ups").into());
        }
        let email = checked_email("input.email", &input.email)?;
        passwords::check("input.password", &input.password)?;
        if let Some(name) = &input.name {
            validate::name("input.name", name)?;
        }
        let hash = accounts(ctx).hash(input.password).await?;
        let (organization, user) = Organization::for_new_user(email, input.name);
        let (login, token, tokens) = accounts(ctx).login(&user)?;
        let user = commit!(store(ctx), organizations::sign_up(organization, (user, hash), (login, token)))?;
        Ok(RegisterPayload { tokens: hand_over(ctx, tokens), user })
    }

    /// Exchanges a refresh token, or the cookie that holds one, for the next pair. A token is good once, and once more within 10 seconds, as an answer
    /// may be lost; whoever uses it later ends the login. UNAUTHENTICATED where it is not good.
    async fn refresh_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which token.")] input: RefreshTokenInput,
    ) -> Result<RefreshTokenPayload> {
        config(ctx)?;
        let accounts = accounts(ctx);
        let headers = ctx.data_opt::<HeaderMap>();
        let cookie = || headers.and_then(|headers| cookies::read(headers, cookies::REFRESH)).map(SecretString::from);
        let given = input.token.or_else(cookie);
        let hash = given.and_then(|token| tokens::refresh_hash(token.expose_secret()));
        let hash = hash.ok_or_else(Error::unauthenticated)?;
        let now = Timestamp::now();
        let (next, next_hash) = tokens::refresh_token();
        let expires_at = now.after(accounts.login_lifetime());
        match commit!(store(ctx), auth::refresh(hash, next_hash, now, expires_at))? {
            Refreshed::GoesOn(login) => {
                let tokens = hand_over(ctx, accounts.tokens(&login, next, now)?);
                Ok(RefreshTokenPayload { tokens })
            }
            Refreshed::Unknown => Err(Error::unauthenticated().into()),
            Refreshed::Reused(login) => {
                accounts.end_streams(login.id);
                Err(Error::unauthenticated().into())
            }
        }
    }

    /// Ends the caller's login, and with it its tokens and its open streams, at once. The cookies are taken back. FORBIDDEN with an API key.
    async fn logout(&self, ctx: &Context<'_>, #[graphql(desc = "How.")] input: LogoutInput) -> Result<LogoutPayload> {
        config(ctx)?;
        let viewer = signed_in(ctx)?;
        let Credential::Login { id, .. } = viewer.credential else {
            return Err(Error::forbidden("an API key has no login; delete the key instead").into());
        };
        let only = (!input.everywhere.unwrap_or(false)).then_some(id);
        let ended = commit!(store(ctx), auth::revoke_logins(viewer.organization_id, viewer.user_id, only))?;
        let accounts = accounts(ctx);
        ended.iter().for_each(|id| accounts.end_streams(*id));
        for cookie in cookies::cleared(accounts.has_tls()) {
            ctx.append_http_header(SET_COOKIE, cookie);
        }
        Ok(LogoutPayload { user_id: viewer.user_id })
    }
}

/// Who signs in.
#[derive(InputObject)]
pub struct LoginInput {
    /// The user's e-mail address, in any case.
    pub email: String,
    /// The user's password.
    pub password: SecretString,
}

/// A new account.
#[derive(InputObject)]
pub struct RegisterInput {
    /// The e-mail address to sign in with.
    pub email: String,
    /// 8 to 1024 bytes.
    pub password: SecretString,
    /// What to call the user and the organization: 1 to 255 characters.
    pub name: Option<String>,
}

/// Which refresh token to exchange.
#[derive(InputObject)]
pub struct RefreshTokenInput {
    /// The token; without it, the one of the cookie.
    pub token: Option<SecretString>,
}

/// Which login to end.
#[derive(InputObject)]
pub struct LogoutInput {
    /// Whether to end every other login of the user too; no where it is not given.
    pub everywhere: Option<bool>,
}

/// What `login` answers.
#[derive(SimpleObject)]
pub struct LoginPayload {
    /// The login's first tokens.
    tokens: Tokens,
    /// Who signed in.
    user: User,
}

/// What `register` answers.
#[derive(SimpleObject)]
pub struct RegisterPayload {
    /// The first login's tokens.
    tokens: Tokens,
    /// The new user.
    user: User,
}

/// What `refreshToken` answers.
#[derive(SimpleObject)]
pub struct RefreshTokenPayload {
    /// The login's next tokens.
    tokens: Tokens,
}

/// What `logout` answers.
#[derive(SimpleObject)]
pub struct LogoutPayload {
    /// Who signed out.
    user_id: Id,
}

/// Signs the user in: a new login, whose tokens a browser is handed as cookies too.
pub async fn sign_in(ctx: &Context<'_>, user: &User) -> Result<Tokens, Error> {
    let (login, token, tokens) = accounts(ctx).login(user)?;
    commit!(store(ctx), auth::create_login(login, token))?;
    Ok(hand_over(ctx, tokens))
}

fn hand_over(ctx: &Context<'_>, tokens: Tokens) -> Tokens {
    let accounts = accounts(ctx);
    // No cache between here and the caller keeps them.
    ctx.insert_http_header(CACHE_CONTROL, "no-store");
    for cookie in cookies::of_tokens(&tokens, accounts.login_lifetime(), accounts.has_tls()) {
        ctx.append_http_header(SET_COOKIE, cookie);
    }
    tokens
}

/// What callers may do here to sign in. Errors: NOT_FOUND in mode none, which has no accounts.
fn config(ctx: &Context<'_>) -> Result<AuthConfig, Error> {
    let accounts = accounts(ctx);
    if accounts.is_open() {
        return Err(Error::not_found("account (AUTH_MODE is none)"));
    }
    Ok(AuthConfig::new(accounts))
}

/// The same where passwords are taken. Errors: also FORBIDDEN.
fn password_config(ctx: &Context<'_>) -> Result<AuthConfig, Error> {
    let config = config(ctx)?;
    if config.password_auth_enabled { Ok(config) } else { Err(Error::forbidden("this server takes no passwords")) }
}
