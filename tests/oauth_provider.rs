//! A provider of sign-ins that a test writes: it plays Google and GitHub at once, and holds the code's exchange to PKCE.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use everruns::auth::OauthProvider;
use everruns::auth::oauth::{Oauth, Start};
use everruns::clock::Timestamp;
use everruns::config::{AuthMode, AuthSettings, GithubSettings, GoogleSettings};
use everruns::outbound;
use oauth2::url::{Url, form_urlencoded};
use secrecy::SecretSlice;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What the provider does; a test changes what its story needs.
#[derive(Clone)]
pub struct Script {
    /// The answer of the token endpoint to a code that fits; nothing: it never answers.
    pub token: Option<(u16, Value)>,
    pub google: Value,
    pub github: Value,
    pub github_emails: Value,
}

/// The running provider.
pub struct OauthServer {
    base: String,
    playing: Playing,
}

#[derive(Clone)]
struct Playing {
    script: Arc<Script>,
    /// Codes that were given out, with the challenge of each.
    codes: Arc<Mutex<HashMap<String, String>>>,
    /// The headers of the last question for a profile.
    asked: Arc<Mutex<HeaderMap>>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            token: Some((200, json!({ "access_token": "token-of-ada", "token_type": "Bearer", "expires_in": 60 }))),
            google: json!({ "sub": "1001", "email": "Ada@Example.com", "email_verified": true, "name": "Ada" }),
            github: json!({ "id": 2002, "login": "ada", "name": null }),
            github_emails: json!([
                { "email": "spare@example.org", "primary": false, "verified": true },
                { "email": "ada@example.org", "primary": true, "verified": true },
            ]),
        }
    }
}

impl OauthServer {
    pub async fn start(script: Script) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let playing = Playing { script: Arc::new(script), codes: Arc::default(), asked: Arc::default() };
        let routes = Router::new()
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .route("/user", get(user))
            .route("/user/emails", get(emails))
            .with_state(playing.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.expect("the provider runs") });
        Self { base, playing }
    }

    /// Settings that send sign-ins here.
    pub fn settings(&self) -> AuthSettings {
        let at = |path: &str| Some(format!("{}{path}", self.base));
        AuthSettings {
            mode: AuthMode::Full,
            base_url: "http://localhost:9000/".into(),
            google: GoogleSettings {
                google_client_id: Some("google-client".into()),
                google_client_secret: Some("google-secret".into()),
                google_authorize_url: at("/authorize"),
                google_token_url: at("/token"),
                google_userinfo_url: at("/userinfo"),
                ..GoogleSettings::default()
            },
            github: GithubSettings {
                github_client_id: Some("github-client".into()),
                github_client_secret: Some("github-secret".into()),
                github_authorize_url: at("/authorize"),
                github_token_url: at("/token"),
                github_user_url: at("/user"),
                github_emails_url: at("/user/emails"),
                ..GithubSettings::default()
            },
            ..AuthSettings::default()
        }
    }

    /// The person lets the server in: the code that the browser brings back.
    pub fn consent(&self, start: &Start) -> String {
        self.consent_at(&start.authorize_url)
    }

    /// The same, by the address where the browser was sent.
    pub fn consent_at(&self, authorize_url: &str) -> String {
        let mut codes = self.playing.codes.lock().expect("codes");
        let code = format!("code-{}", codes.len());
        codes.insert(code.clone(), parameter(authorize_url, "code_challenge"));
        code
    }

    /// A header of the last question for a profile.
    pub fn asked(&self, header: &str) -> String {
        let asked = self.playing.asked.lock().expect("headers");
        asked.get(header).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }
}

/// A server's half of the flow, with its own client.
pub fn oauth(settings: &AuthSettings) -> Oauth {
    let client = outbound::operator_client(crate::app::PATIENCE).expect("a client");
    Oauth::new(settings, &secret("a secret of at least thirty-two characters"), client).expect("good settings")
}

pub fn secret(text: &str) -> SecretSlice<u8> {
    text.as_bytes().to_vec().into()
}

/// A parameter of the address where the browser is sent.
pub fn parameter(url: &str, name: &str) -> String {
    let url = Url::parse(url).expect("a URL");
    url.query_pairs().find(|(key, _)| key == name).unwrap_or_else(|| panic!("no {name} in {url}")).1.into_owned()
}

/// The value of a `Set-Cookie` header.
pub fn cookie(start: &Start) -> String {
    let text = start.set_cookie.to_str().expect("a text");
    let (pair, _) = text.split_once(';').expect("attributes");
    pair.strip_prefix("everruns_oauth=").expect("the cookie's name").to_owned()
}

/// An attempt that begins now.
pub fn begin(oauth: &Oauth, provider: OauthProvider) -> Start {
    oauth.start(provider, Timestamp::now()).expect("a start")
}

/// Answers as the script says, to a code that was given out once, with its verifier and the client's secret.
async fn token(State(playing): State<Playing>, body: String) -> (StatusCode, Json<Value>) {
    let form: HashMap<_, _> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let digest = Sha256::digest(form["code_verifier"].as_bytes());
    let challenge = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest);
    let provider = form["client_id"].trim_end_matches("-client").to_owned();
    assert_eq!(form["client_secret"], format!("{provider}-secret"));
    assert_eq!(form["redirect_uri"], format!("http://localhost:9000/v1/auth/callback/{provider}"));
    let expected = playing.codes.lock().expect("codes").remove(&form["code"]);
    if expected != Some(challenge) {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" })));
    }
    let token = playing.script.token.clone();
    let Some((status, body)) = token else { std::future::pending().await };
    (StatusCode::from_u16(status).expect("a status"), Json(body))
}

async fn userinfo(State(playing): State<Playing>, headers: HeaderMap) -> (StatusCode, Json<Value>) {
    playing.profile(headers, |script| script.google)
}

async fn user(State(playing): State<Playing>, headers: HeaderMap) -> (StatusCode, Json<Value>) {
    playing.profile(headers, |script| script.github)
}

async fn emails(State(playing): State<Playing>, headers: HeaderMap) -> (StatusCode, Json<Value>) {
    playing.profile(headers, |script| script.github_emails)
}

impl Playing {
    fn profile(&self, headers: HeaderMap, pick: fn(Script) -> Value) -> (StatusCode, Json<Value>) {
        let known = headers.get("authorization").is_some_and(|value| value == "Bearer token-of-ada");
        *self.asked.lock().expect("headers") = headers;
        if !known {
            return (StatusCode::UNAUTHORIZED, Json(json!({})));
        }
        (StatusCode::OK, Json(pick(Script::clone(&self.script))))
    }
}
