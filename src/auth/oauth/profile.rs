//! Who signed in, as the provider knows them: an address counts only where the provider has verified it.

use http::header::{ACCEPT, AUTHORIZATION, USER_AGENT};
use http::{HeaderValue, Request, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::exchange::{ANSWER_BYTES_MAX, failed};
use super::provider::{ProfileSource, Provider};
use crate::auth::{Identity, OauthProvider, normal_email};
use crate::error::{Error, Result};
use crate::outbound;
use crate::validate::NAME_CHARACTERS_MAX;

/// Bytes of a provider's id of an account.
const SUBJECT_BYTES_MAX: usize = 255;

#[derive(Deserialize)]
struct GoogleUser {
    sub: String,
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
    name: Option<String>,
    /// The domain of an organization at Google; nothing for an account of a person's own.
    hd: Option<String>,
}

#[derive(Deserialize)]
struct GithubUser {
    id: u64,
    login: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct GithubEmail {
    email: String,
    primary: bool,
    verified: bool,
}

/// Who this token is for. Errors: FORBIDDEN where the account may not sign in, UNAVAILABLE where the provider fails.
pub(super) async fn profile(client: &outbound::Client, provider: &Provider, token: &SecretString) -> Result<Identity> {
    let question = Question { client, which: provider.which, token };
    match &provider.source {
        ProfileSource::Google { userinfo_url, allowed_domains } => {
            let user: GoogleUser = question.ask(userinfo_url).await?;
            if user.sub.is_empty() || user.sub.len() > SUBJECT_BYTES_MAX || user.sub.contains('\0') {
                return Err(question.failed("its profile has no usable sub"));
            }
            google_profile(user, allowed_domains)
        }
        ProfileSource::Github { user_url, emails_url } => {
            github_profile(question.ask(user_url).await?, question.ask(emails_url).await?)
        }
    }
}

/// What is asked in the name of the person who signed in.
struct Question<'a> {
    client: &'a outbound::Client,
    which: OauthProvider,
    token: &'a SecretString,
}

impl Question<'_> {
    async fn ask<T: DeserializeOwned>(&self, url: &str) -> Result<T> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", self.token.expose_secret()))
            .map_err(|_| self.failed("its token is no text for a header"))?;
        bearer.set_sensitive(true);
        let accept = match self.which {
            OauthProvider::Google => "application/json",
            OauthProvider::Github => "application/vnd.github+json",
        };
        let request = Request::get(url)
            .header(AUTHORIZATION, bearer)
            .header(ACCEPT, accept)
            // GitHub refuses whoever does not say a name.
            .header(USER_AGENT, concat!("everruns/", env!("CARGO_PKG_VERSION")))
            .body(Vec::new())
            .map_err(Error::internal)?;
        let answer = outbound::exchange(self.client, request, ANSWER_BYTES_MAX).await.map_err(|error| {
            self.failed(&format!("its profile: {}", error.cause().map(ToString::to_string).unwrap_or_default()))
        })?;
        if answer.status() != StatusCode::OK {
            return Err(self.failed(&format!("its profile has status {}", answer.status().as_u16())));
        }
        // The text of such an error may quote the profile, so the log gets only its kind and place.
        serde_json::from_slice(answer.body()).map_err(|error| {
            let (kind, line, column) = (error.classify(), error.line(), error.column());
            self.failed(&format!("its profile is wrong ({kind:?}, line {line}, column {column})"))
        })
    }

    fn failed(&self, cause: &str) -> Error {
        failed(self.which, cause)
    }
}

fn google_profile(user: GoogleUser, allowed_domains: &[String]) -> Result<Identity> {
    let email = user.email.filter(|_| user.email_verified).and_then(|email| normal_email(&email));
    let email = email.ok_or_else(unverified)?;
    let of_email = email.rsplit_once('@').map(|(_, domain)| domain);
    // Where Google names the organization, both must be of it: an address may outlive its owner's place there.
    let is_of = |domain: &String| {
        of_email == Some(domain) && user.hd.as_ref().is_none_or(|hosted| hosted.eq_ignore_ascii_case(domain))
    };
    if !allowed_domains.is_empty() && !allowed_domains.iter().any(is_of) {
        return Err(Error::forbidden("accounts of this e-mail domain may not sign in here"));
    }
    let name = name(user.name);
    Ok(Identity { provider: OauthProvider::Google, subject: user.sub, email, name })
}

fn github_profile(user: GithubUser, emails: Vec<GithubEmail>) -> Result<Identity> {
    let mut verified: Vec<_> = emails.into_iter().filter(|email| email.verified).collect();
    // The primary one first, the others in GitHub's order.
    verified.sort_by_key(|email| !email.primary);
    let email = verified.iter().find_map(|email| normal_email(&email.email)).ok_or_else(unverified)?;
    let name = name(user.name).or_else(|| name(Some(user.login)));
    Ok(Identity { provider: OauthProvider::Github, subject: user.id.to_string(), email, name })
}

/// A name that the server would also take from a person; nothing where none is given.
fn name(given: Option<String>) -> Option<String> {
    let plain =
        given?.chars().filter(|character| !character.is_control()).take(NAME_CHARACTERS_MAX).collect::<String>();
    Some(plain.trim().to_owned()).filter(|name| !name.is_empty())
}

fn unverified() -> Error {
    Error::forbidden("the account has no verified e-mail address at the provider")
}
