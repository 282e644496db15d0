//! The flow: to the provider and back.

use std::time::Duration;

use http::HeaderValue;
use oauth2::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier};
use secrecy::SecretSlice;

use super::attempt::{ATTEMPT_AGE_MAX, Attempt, AttemptKey, COOKIE};
use super::exchange::{access_token, failed, word};
use super::profile::profile;
use super::provider::{Provider, configured};
use crate::auth::{Identity, OauthProvider};
use crate::clock::Timestamp;
use crate::config::AuthSettings;
use crate::error::{Error, Result};
use crate::outbound;
use crate::validate;

/// Bytes of a code that a provider gives.
const CODE_BYTES_MAX: usize = 4096;
/// How long a provider may take for one answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Sign-in elsewhere, as the settings have it.
pub struct Oauth {
    providers: Vec<Provider>,
    key: AttemptKey,
    client: outbound::Client,
    /// Whether browsers reach the server by TLS only.
    secure: bool,
}

/// How an attempt to sign in begins.
pub struct Start {
    /// Where to send the browser.
    pub authorize_url: String,
    /// What the browser must keep until it comes back: a `Set-Cookie` header.
    pub set_cookie: HeaderValue,
}

/// How a browser comes back from the provider.
#[derive(Clone, Copy, Debug)]
pub struct Callback<'a> {
    /// The cookie named [`COOKIE`], where the request has one.
    pub cookie: Option<&'a str>,
    /// The state that the provider passed on.
    pub state: &'a str,
    /// The provider's code, where it let the person in.
    pub code: Option<&'a str>,
    /// The provider's word for why it did not.
    pub error: Option<&'a str>,
}

/// The client that asks providers.
pub fn client() -> Result<outbound::Client> {
    outbound::operator_client(CALL_TIMEOUT).map_err(|error| Error::internal(outbound::cause(error)))
}

/// What a provider is that the settings do not name.
pub fn not_set_up() -> Error {
    Error::not_found("oauth provider")
}

impl Oauth {
    /// `secret` is the one that signs access tokens; `client` asks the providers. Errors: a setting that is no URL, by its variable.
    pub fn new(settings: &AuthSettings, secret: &SecretSlice<u8>, client: outbound::Client) -> Result<Self> {
        Ok(Self {
            providers: configured(settings)?,
            key: AttemptKey::derive(secret),
            client,
            secure: settings.base_url.trim_start().to_ascii_lowercase().starts_with("https:"),
        })
    }

    /// The providers that can be signed in with.
    pub fn providers(&self) -> impl Iterator<Item = OauthProvider> {
        self.providers.iter().map(|provider| provider.which)
    }

    /// Begins an attempt. Errors: NOT_FOUND where the provider is not set up.
    pub fn start(&self, provider: OauthProvider, now: Timestamp) -> Result<Start> {
        let provider = self.find(provider)?;
        let attempt = Attempt::new(provider.which, now);
        let verifier = PkceCodeVerifier::new(attempt.code_verifier(&self.key));
        let state = attempt.state(&self.key);
        let request = provider.client.authorize_url(|| CsrfToken::new(state));
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        let (url, _) = request.add_scopes(provider.scopes.iter().cloned()).set_pkce_challenge(challenge).url();
        let set_cookie = self.set_cookie(&attempt.cookie(&self.key), ATTEMPT_AGE_MAX.as_secs())?;
        Ok(Start { authorize_url: url.into(), set_cookie })
    }

    /// Ends an attempt: who signed in. Errors: NOT_FOUND where the provider is not set up, BAD_USER_INPUT for a wrong state or code, FORBIDDEN where
    /// the person or the provider said no or the account may not sign in, UNAVAILABLE where the provider fails.
    pub async fn finish(&self, provider: OauthProvider, callback: Callback<'_>, now: Timestamp) -> Result<Identity> {
        let provider = self.find(provider)?;
        let attempt = Attempt::resume(&self.key, provider.which, callback.cookie, callback.state, now)?;
        if let Some(error) = callback.error {
            return Err(turned_away(provider.which, error));
        }
        let code = callback.code.filter(|code| !code.is_empty());
        let code = code.ok_or_else(|| Error::bad_input("input.code", "code is required"))?;
        validate::bytes("input.code", code, CODE_BYTES_MAX)?;
        let token = access_token(&self.client, provider, code, attempt.code_verifier(&self.key)).await?;
        profile(&self.client, provider, &token).await
    }

    /// Takes the attempt's cookie back: a `Set-Cookie` header.
    pub fn cleared_cookie(&self) -> Result<HeaderValue> {
        self.set_cookie("", 0)
    }

    fn find(&self, which: OauthProvider) -> Result<&Provider> {
        self.providers.iter().find(|provider| provider.which == which).ok_or_else(not_set_up)
    }

    fn set_cookie(&self, value: &str, age_s: u64) -> Result<HeaderValue> {
        // Lax: the browser comes back from another site, by a link.
        let secure = if self.secure { "; Secure" } else { "" };
        let cookie = format!("{COOKIE}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::from_str(&cookie).map_err(Error::internal)
    }
}

/// The provider sent the browser back without a code.
fn turned_away(provider: OauthProvider, error: &str) -> Error {
    match error {
        "access_denied" => Error::forbidden("the sign-in was refused at the provider"),
        other => failed(provider, &format!("it came back with {}", word(other))),
    }
}
