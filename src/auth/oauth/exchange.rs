//! The code for a token: asks the provider's token endpoint.

use std::future::Future;
use std::pin::Pin;

use oauth2::basic::BasicErrorResponse;
use oauth2::{
    AsyncHttpClient, AuthorizationCode, HttpRequest, HttpResponse, PkceCodeVerifier, RequestTokenError,
    TokenResponse as _,
};
use secrecy::SecretString;

use super::provider::Provider;
use crate::auth::OauthProvider;
use crate::error::{Error, Result};
use crate::outbound;

/// Bytes of an answer of a provider.
pub(super) const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a provider's word for what is wrong, as the log takes it.
const WORD_BYTES_MAX: usize = 64;
/// The words for a code that was made up, used before or is too old: the standard's and GitHub's.
const CODE_IS_SPENT: [&str; 2] = ["invalid_grant", "bad_verification_code"];

/// The server's own client, as the library wants it.
struct Caller<'a>(&'a outbound::Client);

impl<'c> AsyncHttpClient<'c> for Caller<'_> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(outbound::exchange(self.0, request, ANSWER_BYTES_MAX))
    }
}

/// The access token for a code. Errors: BAD_USER_INPUT at `input.code` where the provider does not know the code, UNAVAILABLE for the rest.
pub(super) async fn access_token(
    client: &outbound::Client,
    provider: &Provider,
    code: &str,
    code_verifier: String,
) -> Result<SecretString> {
    let exchange = provider
        .client
        .exchange_code(AuthorizationCode::new(code.to_owned()))
        .set_pkce_verifier(PkceCodeVerifier::new(code_verifier));
    match exchange.request_async(&Caller(client)).await {
        Ok(token) => Ok(token.access_token().secret().as_str().into()),
        Err(RequestTokenError::ServerResponse(answer)) => Err(refused(provider.which, &answer)),
        // GitHub says what is wrong with status 200.
        Err(RequestTokenError::Parse(error, body)) => Err(match serde_json::from_slice(&body) {
            Ok(answer) => refused(provider.which, &answer),
            // The text of such an error may quote the token.
            Err(_) => failed(provider.which, &format!("its token endpoint's answer is wrong at {}", error.path())),
        }),
        Err(RequestTokenError::Request(error)) => {
            let cause = error.cause().map(ToString::to_string).unwrap_or_default();
            Err(failed(provider.which, &format!("its token endpoint: {cause}")))
        }
        Err(RequestTokenError::Other(cause)) => Err(failed(provider.which, &format!("its token endpoint: {cause}"))),
    }
}

/// The provider cannot be asked, or answers what it should not. The cause is for the log.
pub(super) fn failed(provider: OauthProvider, cause: &str) -> Error {
    let mut error = Error::unavailable(format!("sign-in with {}: {cause}", provider.as_str()));
    error.message = "the sign-in provider does not answer as it should, try again later".into();
    error
}

/// A provider's word for what is wrong, fit for the log.
pub(super) fn word(text: &str) -> &str {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain && text.len() <= WORD_BYTES_MAX { text } else { "an unknown error" }
}

fn refused(provider: OauthProvider, answer: &BasicErrorResponse) -> Error {
    let error = answer.error().as_ref();
    if CODE_IS_SPENT.contains(&error) {
        return Error::bad_input("input.code", "the provider does not take this code: begin again");
    }
    failed(provider, &format!("its token endpoint answered {}", word(error)))
}
