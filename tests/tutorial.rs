//! The contract's tutorial from its first heading to its last, in each mode: every call as it prints it, with the statuses, bodies and headers
//! that were agreed; and the same story in GraphQL.

mod conversation;
mod graphql;
mod models;
mod sign_in;

use everruns::config::AuthMode;
use serde_json::{Value, json};

use crate::app::{Answer, TestApp};

const EMAIL: &str = "admin@example.com";
const PASSWORD: &str = "your-password";
/// What the tutorial prints in place of a key.
const PLACEHOLDER: &str = "evr_your-api-key";

/// Somebody who follows the tutorial.
pub struct Reader {
    pub app: TestApp,
    pub mode: AuthMode,
    /// What the `Authorization` header holds from now on.
    pub authorization: String,
}

impl Reader {
    async fn start(mode: AuthMode) -> Self {
        let app = TestApp::start_with(|config| {
            config.auth.mode = mode;
            config.auth.jwt_secret = Some("a secret of more than 32 characters".into());
            if mode != AuthMode::None {
                config.auth.admin_email = Some(EMAIL.into());
                config.auth.admin_password = Some(PASSWORD.into());
            }
        })
        .await;
        Self { app, mode, authorization: PLACEHOLDER.into() }
    }

    /// Calls as curl does: the body is the text that the tutorial passes with `-d`.
    pub async fn curl(&self, method: &str, path: &str, data: Option<&str>) -> Answer {
        self.curl_as(Some(&self.authorization), method, path, data).await
    }

    /// The same with another `Authorization` header, or without one.
    pub async fn curl_as(&self, authorization: Option<&str>, method: &str, path: &str, data: Option<&str>) -> Answer {
        let mut request = self.app.http.request(method.parse().unwrap(), self.app.url(path));
        if let Some(authorization) = authorization {
            request = request.header("Authorization", authorization);
        }
        if let Some(data) = data {
            request = request.header("Content-Type", "application/json").body(data.to_owned());
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        if status == 204 {
            assert_eq!(text, "", "{method} {path}");
        } else if !(300..400).contains(&status) {
            assert_eq!(headers["content-type"], "application/json", "{method} {path}");
        }
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        Answer { status, headers, body }
    }

    /// What comes back with this status; another fails the test.
    pub async fn expect(&self, status: u16, method: &str, path: &str, data: Option<&str>) -> Value {
        let answer = self.curl(method, path, data).await;
        assert_eq!(answer.status, status, "{method} {path} in mode {:?}: {}", self.mode, answer.body);
        answer.body
    }

    /// Whether this mode has accounts.
    fn signs_in(&self) -> bool {
        self.mode != AuthMode::None
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_tutorial_in_mode_none() {
    walk(AuthMode::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_tutorial_in_mode_admin() {
    walk(AuthMode::Admin).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_tutorial_in_mode_full() {
    walk(AuthMode::Full).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_tutorial_as_graphql_in_mode_none() {
    graphql::walk(Reader::start(AuthMode::None).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_tutorial_as_graphql_in_mode_admin() {
    graphql::walk(Reader::start(AuthMode::Admin).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_tutorial_as_graphql_in_mode_full() {
    graphql::walk(Reader::start(AuthMode::Full).await).await;
}

/// Heading by heading.
async fn walk(mode: AuthMode) {
    let mut reader = Reader::start(mode).await;
    sign_in::health(&reader).await;
    sign_in::authentication_mode(&reader).await;
    let login = sign_in::login(&mut reader).await;
    sign_in::oauth(&reader).await;
    let key = sign_in::api_keys(&mut reader).await;
    sign_in::authorization_header(&reader, login.as_ref(), key.as_ref()).await;
    let agent = conversation::agents(&reader).await;
    let session = conversation::sessions(&reader, &agent).await;
    conversation::messages(&reader, &session).await;
    conversation::events(&reader, &session).await;
    let provider = models::providers(&reader).await;
    models::models(&reader, &provider).await;
    models::capabilities(&reader, &agent).await;
    conversation::complete_example(&reader).await;
    conversation::archive(&reader, &agent).await;
    errors(&reader).await;
    if let (Some(login), Some(key)) = (login, key) {
        let login = sign_in::refresh(&reader, login).await;
        sign_in::delete_key(&reader, &login, &key, &session).await;
        sign_in::logout(&reader, &login).await;
    }
    reader.app.stop().await;
}

/// "Error Handling": one form, whatever is wrong.
async fn errors(reader: &Reader) {
    let unknown = "550e8400-e29b-41d4-a716-446655440000";
    let cases: [(u16, &str, &str, &str, Option<&str>); 8] = [
        (400, "BAD_USER_INPUT", "POST", "/v1/agents", Some(r#"{"name": "", "system_prompt": ""}"#)),
        (400, "BAD_USER_INPUT", "POST", "/v1/agents", Some("{")),
        (400, "BAD_USER_INPUT", "GET", "/v1/agents/no-id", None),
        (404, "NOT_FOUND", "GET", &format!("/v1/agents/{unknown}"), None),
        (404, "NOT_FOUND", "POST", &format!("/v1/agents/{unknown}/sessions"), Some("{}")),
        (404, "NOT_FOUND", "GET", &format!("/v1/agents/{unknown}/sessions/{unknown}/events"), None),
        (404, "NOT_FOUND", "GET", "/v1/nothing-here", None),
        (405, "BAD_USER_INPUT", "PUT", "/v1/agents", Some("{}")),
    ];
    for (status, code, method, path, data) in cases {
        let body = reader.expect(status, method, path, data).await;
        assert_eq!((&body["status"], &body["code"]), (&json!(status), &json!(code)), "{method} {path}");
        assert!(body["error"].as_str().is_some_and(|error| !error.is_empty()), "{body}");
        let extra =
            body.as_object().unwrap().keys().find(|key| !["error", "status", "code", "field"].contains(&key.as_str()));
        assert_eq!(extra, None, "{body}");
    }
    if reader.signs_in() {
        for path in ["/v1/agents", "/v1/capabilities", "/v1/llm-providers", "/v1/auth/me"] {
            let answer = reader.curl_as(None, "GET", path, None).await;
            assert_eq!((answer.status, &answer.body["code"]), (401, &json!("UNAUTHENTICATED")), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_the_authorization_header_is_ignored_in_mode_none() {
    let app = TestApp::start().await;
    for credentials in ["evr_your-api-key", "ApiKey evr_x", "Bearer evr_x", "Bearer a.b.c", "Basic YTpi", "", "é"] {
        let request = app.http.get(app.url("/v1/agents")).header("Authorization", credentials);
        assert_eq!(request.send().await.unwrap().status(), 200, "{credentials}");
        let request = app.http.post(app.url("/graphql")).header("Authorization", credentials);
        let response = request.json(&json!({ "query": "{ viewer { organization { name } } }" })).send().await.unwrap();
        let expected = json!({ "data": { "viewer": { "organization": { "name": "Default" } } } });
        assert_eq!(response.json::<Value>().await.unwrap(), expected, "{credentials}");
    }
}
