//! Who can be signed in with: the providers that the settings name, with their addresses.

use oauth2::basic::BasicClient;
use oauth2::url::Url;
use oauth2::{AuthType, AuthUrl, ClientId, ClientSecret, EndpointNotSet, EndpointSet, RedirectUrl, Scope, TokenUrl};
use secrecy::{ExposeSecret as _, SecretString};

use crate::auth::OauthProvider;
use crate::config::{AuthMode, AuthSettings, GithubSettings, GoogleSettings};
use crate::error::{Error, Result};

const GOOGLE_AUTHORIZE_URL: &str = "https://accounts.google.com/o/oauth2/v2/auth";
const GOOGLE_TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
const GOOGLE_USERINFO_URL: &str = "https://openidconnect.googleapis.com/v1/userinfo";
const GITHUB_AUTHORIZE_URL: &str = "https://github.com/login/oauth/authorize";
const GITHUB_TOKEN_URL: &str = "https://github.com/login/oauth/access_token";
const GITHUB_USER_URL: &str = "https://api.github.com/user";
const GITHUB_EMAILS_URL: &str = "https://api.github.com/user/emails";

/// A provider that is set up.
pub(super) struct Provider {
    pub(super) which: OauthProvider,
    pub(super) client: CodeClient,
    pub(super) scopes: Vec<Scope>,
    pub(super) source: ProfileSource,
}

/// What the library needs for the flow.
pub(super) type CodeClient = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// Where it is read who signed in.
pub(super) enum ProfileSource {
    Google {
        userinfo_url: String,
        /// In lower case; empty, where every domain may sign in.
        allowed_domains: Vec<String>,
    },
    Github {
        user_url: String,
        emails_url: String,
    },
}

/// The providers that can be signed in with: in mode full, those with a client id. Errors: a setting that is no URL.
pub(super) fn configured(settings: &AuthSettings) -> Result<Vec<Provider>> {
    if settings.mode != AuthMode::Full {
        return Ok(Vec::new());
    }
    let google = google(&settings.google, &settings.base_url)?;
    Ok(google.into_iter().chain(github(&settings.github, &settings.base_url)?).collect())
}

fn google(settings: &GoogleSettings, base_url: &str) -> Result<Option<Provider>> {
    let Some(client_id) = given(&settings.google_client_id) else { return Ok(None) };
    let redirect_uri = callback(base_url, OauthProvider::Google);
    let client = code_client(client_id, settings.google_client_secret.as_ref())
        .set_redirect_uri(RedirectUrl::from_url(url(
            "AUTH_GOOGLE_REDIRECT_URI",
            &settings.google_redirect_uri,
            &redirect_uri,
        )?))
        .set_auth_uri(AuthUrl::from_url(url(
            "AUTH_GOOGLE_AUTHORIZE_URL",
            &settings.google_authorize_url,
            GOOGLE_AUTHORIZE_URL,
        )?))
        .set_token_uri(TokenUrl::from_url(url("AUTH_GOOGLE_TOKEN_URL", &settings.google_token_url, GOOGLE_TOKEN_URL)?));
    let userinfo_url = url("AUTH_GOOGLE_USERINFO_URL", &settings.google_userinfo_url, GOOGLE_USERINFO_URL)?;
    let domains = settings.google_allowed_domains.iter().map(|domain| domain.trim().to_lowercase());
    Ok(Some(Provider {
        which: OauthProvider::Google,
        client,
        scopes: scopes(["openid", "email", "profile"]),
        source: ProfileSource::Google {
            userinfo_url: userinfo_url.into(),
            allowed_domains: domains.filter(|domain| !domain.is_empty()).collect(),
        },
    }))
}

fn github(settings: &GithubSettings, base_url: &str) -> Result<Option<Provider>> {
    let Some(client_id) = given(&settings.github_client_id) else { return Ok(None) };
    let redirect_uri = callback(base_url, OauthProvider::Github);
    let client = code_client(client_id, settings.github_client_secret.as_ref())
        .set_redirect_uri(RedirectUrl::from_url(url(
            "AUTH_GITHUB_REDIRECT_URI",
            &settings.github_redirect_uri,
            &redirect_uri,
        )?))
        .set_auth_uri(AuthUrl::from_url(url(
            "AUTH_GITHUB_AUTHORIZE_URL",
            &settings.github_authorize_url,
            GITHUB_AUTHORIZE_URL,
        )?))
        .set_token_uri(TokenUrl::from_url(url("AUTH_GITHUB_TOKEN_URL", &settings.github_token_url, GITHUB_TOKEN_URL)?));
    let user_url = url("AUTH_GITHUB_USER_URL", &settings.github_user_url, GITHUB_USER_URL)?;
    let emails_url = url("AUTH_GITHUB_EMAILS_URL", &settings.github_emails_url, GITHUB_EMAILS_URL)?;
    Ok(Some(Provider {
        which: OauthProvider::Github,
        client,
        scopes: scopes(["read:user", "user:email"]),
        source: ProfileSource::Github { user_url: user_url.into(), emails_url: emails_url.into() },
    }))
}

fn code_client(client_id: &str, client_secret: Option<&SecretString>) -> BasicClient {
    // In the body: the one way to show the secret that both providers document.
    let client = BasicClient::new(ClientId::new(client_id.to_owned())).set_auth_type(AuthType::RequestBody);
    match client_secret.map(SecretString::expose_secret).filter(|secret| !secret.is_empty()) {
        Some(secret) => client.set_client_secret(ClientSecret::new(secret.to_owned())),
        None => client,
    }
}

/// An address that the operator may set, and its default, which at most depends on AUTH_BASE_URL. Errors name the variable that is wrong.
fn url(variable: &'static str, setting: &Option<String>, default: &str) -> Result<Url> {
    let (variable, text) = given(setting).map_or(("AUTH_BASE_URL", default), |text| (variable, text));
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or_else(|| Error::bad_input(variable, format!("{variable} must be an http or https URL")))
}

fn callback(base_url: &str, provider: OauthProvider) -> String {
    format!("{}/v1/auth/callback/{}", base_url.trim_end_matches('/'), provider.as_str())
}

fn scopes<const N: usize>(words: [&str; N]) -> Vec<Scope> {
    words.into_iter().map(|word| Scope::new(word.to_owned())).collect()
}

/// A variable that is set to nothing is not set.
fn given(setting: &Option<String>) -> Option<&str> {
    setting.as_deref().map(str::trim).filter(|text| !text.is_empty())
}
