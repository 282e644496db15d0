//! How a sign-in elsewhere is asked for.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use http::HeaderMap;
use http::header::SET_COOKIE;

use super::{COOKIE, Callback};
use crate::auth::graphql::sign_in;
use crate::auth::{OauthProvider, Tokens, User, accounts, cookies};
use crate::clock::Timestamp;
use crate::db::{commit, store};

/// Changes that sign a person in by another's word.
#[derive(Default)]
pub struct OauthMutation;

#[Object]
impl OauthMutation {
    /// Begins a sign-in at a provider: send the browser to `authorizeUrl`. The answer sets a cookie, which the browser must still have when it comes
    /// back, within 10 minutes. Needs no credentials. A provider that is not set up, or another mode than full: NOT_FOUND.
    async fn start_oauth(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where to sign in.")] input: StartOauthInput,
    ) -> Result<StartOauthPayload> {
        let start = accounts(ctx).oauth()?.start(input.provider, Timestamp::now())?;
        ctx.append_http_header(SET_COOKIE, start.set_cookie);
        Ok(StartOauthPayload { authorize_url: start.authorize_url })
    }

    /// Ends a sign-in that this browser began: signs in whom the provider knows, or makes their account where the server takes sign-ups. The cookie of
    /// `startOauth` must come with the request; it is taken back. Browsers are handed the tokens as cookies too. Needs no credentials. A state that does
    /// not belong to the cookie or is older than 10 minutes, or a code that the provider does not take: BAD_USER_INPUT. An account without a verified
    /// e-mail address, or of a domain that is not allowed, and a person who said no: FORBIDDEN. A provider that is not set up: NOT_FOUND.
    async fn finish_oauth(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What the browser came back with.")] input: FinishOauthInput,
    ) -> Result<FinishOauthPayload> {
        let accounts = accounts(ctx);
        let oauth = accounts.oauth()?;
        let callback = Callback {
            cookie: ctx.data_opt::<HeaderMap>().and_then(|headers| cookies::read(headers, COOKIE)),
            state: &input.state,
            code: input.code.as_deref(),
            error: input.error.as_deref(),
        };
        ctx.append_http_header(SET_COOKIE, oauth.cleared_cookie()?);
        let identity = oauth.finish(input.provider, callback, Timestamp::now()).await?;
        let may_sign_up = !accounts.settings().disable_signup;
        let user = commit!(store(ctx), organizations::sign_in_elsewhere(identity, may_sign_up))?;
        Ok(FinishOauthPayload { tokens: sign_in(ctx, &user).await?, user })
    }
}

/// Where to sign in.
#[derive(InputObject)]
pub struct StartOauthInput {
    /// The provider.
    pub provider: OauthProvider,
}

/// What `startOauth` answers.
#[derive(SimpleObject)]
pub struct StartOauthPayload {
    /// Where to send the browser.
    authorize_url: String,
}

/// What a browser comes back with from a provider: the parameters of the redirect.
#[derive(InputObject)]
pub struct FinishOauthInput {
    /// The provider.
    pub provider: OauthProvider,
    /// The provider's code, where it let the person in.
    pub code: Option<String>,
    /// The state that the provider passed on.
    pub state: String,
    /// The provider's word for why it did not let the person in.
    pub error: Option<String>,
}

/// What `finishOauth` answers.
#[derive(SimpleObject)]
pub struct FinishOauthPayload {
    /// The login's first tokens.
    tokens: Tokens,
    /// Who signed in.
    user: User,
}
