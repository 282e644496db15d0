//! From "Verify the API is available" to "Authentication Header", and "Token Refresh".

use everruns::config::AuthMode;
use serde_json::{Value, json};

use super::{EMAIL, PASSWORD, Reader};
use crate::app::{PATIENCE, Sse};
use crate::shapes::{id, keys, time};

/// What a sign-in gave.
pub struct Login {
    pub access_token: String,
    pub refresh_token: String,
}

/// A key and its id.
pub struct Key {
    pub id: String,
    pub key: String,
}

const LOGIN_KEYS: [&str; 4] = ["access_token", "refresh_token", "token_type", "expires_in"];
const SCOPES: [&str; 4] = ["agents:read", "agents:write", "sessions:read", "sessions:write"];

pub async fn health(reader: &Reader) {
    let response = reader.app.http.get(reader.app.url("/health")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    let runner = if std::env::var("TEST_DATABASE_URL").is_ok() { "Postgres" } else { "InProcess" };
    let mode = format!("{:?}", reader.mode);
    let expected = format!(r#"{{"status":"ok","version":"0.1.0","runner_mode":"{runner}","auth_mode":"{mode}"}}"#);
    assert_eq!(response.text().await.unwrap(), expected);
}

pub async fn authentication_mode(reader: &Reader) {
    let answer = reader.curl_as(None, "GET", "/v1/auth/config", None).await;
    let (mode, password, signup) = match reader.mode {
        AuthMode::None => ("none", false, false),
        AuthMode::Admin => ("admin", true, false),
        AuthMode::Full => ("full", true, true),
    };
    let expected = json!({
        "mode": mode,
        "password_auth_enabled": password,
        "oauth_providers": [],
        "signup_enabled": signup,
    });
    assert_eq!((answer.status, &answer.body), (200, &expected));
    assert_eq!(keys(&answer.body), keys(&expected));
}

/// "Option A". In mode none there is nothing to sign in to.
pub async fn login(reader: &mut Reader) -> Option<Login> {
    let credentials = |email: &str, password: &str| json!({ "email": email, "password": password }).to_string();
    let right = credentials(EMAIL, PASSWORD);
    if !reader.signs_in() {
        for path in ["login", "register", "refresh"] {
            let body = reader.expect(404, "POST", &format!("/v1/auth/{path}"), Some(&right)).await;
            assert_eq!(body["code"], "NOT_FOUND");
        }
        reader.expect(404, "GET", "/v1/auth/api-keys", None).await;
        reader.expect(200, "GET", "/v1/auth/me", None).await;
        return None;
    }
    let mut refusals = Vec::new();
    for (email, password) in [(EMAIL, "a wrong password"), ("nobody@example.com", PASSWORD)] {
        let answer = reader.curl_as(None, "POST", "/v1/auth/login", Some(&credentials(email, password))).await;
        assert_eq!((answer.status, &answer.body["code"]), (401, &json!("UNAUTHENTICATED")));
        refusals.push(answer.body);
    }
    assert_eq!(refusals[0], refusals[1], "a refusal never tells whether the account exists");
    let answer = reader.curl_as(None, "POST", "/v1/auth/login", Some(&right)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let login = checked_login(&answer.body);
    let cookies: Vec<&str> =
        answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    for cookie in cookies {
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite="), "{cookie}");
    }
    reader.authorization = format!("Bearer {}", login.access_token);
    assert_eq!(reader.expect(200, "GET", "/v1/auth/me", None).await["email"], EMAIL);
    Some(login)
}

fn checked_login(body: &Value) -> Login {
    assert_eq!(keys(body), LOGIN_KEYS);
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(900)));
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    let login = Login { access_token: text("access_token"), refresh_token: text("refresh_token") };
    assert_eq!(login.access_token.split('.').count(), 3, "an access token is a JWT");
    assert_ne!(login.access_token, login.refresh_token);
    login
}

/// "Option B": nothing is configured here, so there is nothing to be sent to.
pub async fn oauth(reader: &Reader) {
    for provider in ["google", "github"] {
        let answer = reader.curl_as(None, "GET", &format!("/v1/auth/oauth/{provider}"), None).await;
        assert_eq!((answer.status, &answer.body["code"]), (404, &json!("NOT_FOUND")), "{provider}");
    }
}

/// "Step 3" and "Managing API Keys". From here on the reader uses the key.
pub async fn api_keys(reader: &mut Reader) -> Option<Key> {
    if !reader.signs_in() {
        return None;
    }
    let data = r#"{
    "name": "my-api-key",
    "scopes": ["agents:read", "agents:write", "sessions:read", "sessions:write"]
  }"#;
    let created = reader.expect(201, "POST", "/v1/auth/api-keys", Some(data)).await;
    assert_eq!(keys(&created), ["id", "name", "key", "key_prefix", "scopes", "expires_at", "created_at"]);
    assert_eq!((&created["name"], &created["scopes"]), (&json!("my-api-key"), &json!(SCOPES)));
    assert_eq!(created["expires_at"], Value::Null);
    time(&created["created_at"]);
    let key = created["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("evr_") && key.len() == "evr_".len() + 36, "{key}");
    assert!(key[4..].chars().all(|letter| letter.is_ascii_alphanumeric()), "{key}");
    assert!(key.starts_with(created["key_prefix"].as_str().unwrap()));
    let list = reader.expect(200, "GET", "/v1/auth/api-keys", None).await;
    let [listed] = list["data"].as_array().unwrap().as_slice() else { panic!("{list}") };
    let mut names = keys(listed);
    names.sort_unstable();
    assert_eq!(names, ["created_at", "expires_at", "id", "key_prefix", "last_used_at", "name", "scopes"]);
    assert_eq!((&listed["id"], &listed["last_used_at"]), (&created["id"], &Value::Null));
    let unknown_scope = r#"{"name": "x", "scopes": ["agents:all"]}"#;
    assert_eq!(reader.expect(400, "POST", "/v1/auth/api-keys", Some(unknown_scope)).await["code"], "BAD_USER_INPUT");
    let ending = reader.expect(201, "POST", "/v1/auth/api-keys", Some(r#"{"name": "x", "expires_in_days": 1}"#)).await;
    assert_eq!(ending["scopes"], json!(SCOPES));
    time(&ending["expires_at"]);
    reader.expect(204, "DELETE", &format!("/v1/auth/api-keys/{}", id(&ending["id"])), None).await;
    reader.authorization = key.clone();
    // A key cannot manage keys.
    for (method, path) in
        [("GET", "/v1/auth/api-keys".to_owned()), ("DELETE", format!("/v1/auth/api-keys/{}", id(&created["id"])))]
    {
        assert_eq!(reader.expect(403, method, &path, None).await["code"], "FORBIDDEN");
    }
    assert_eq!(reader.expect(403, "POST", "/v1/auth/api-keys", Some(data)).await["code"], "FORBIDDEN");
    Some(Key { id: id(&created["id"]), key })
}

/// "Authentication Header": every form is taken, and what is no credential is not.
pub async fn authorization_header(reader: &Reader, login: Option<&Login>, key: Option<&Key>) {
    let (Some(login), Some(Key { key, .. })) = (login, key) else { return };
    let good =
        [key.clone(), format!("ApiKey {key}"), format!("Bearer {key}"), format!("Bearer {}", login.access_token)];
    for authorization in good {
        assert_eq!(reader.curl_as(Some(&authorization), "GET", "/v1/agents", None).await.status, 200);
    }
    let mut other = key.clone();
    let last = if other.pop() == Some('0') { '1' } else { '0' };
    other.push(last);
    let bad = [
        String::new(),
        super::PLACEHOLDER.to_owned(),
        other,
        login.access_token.clone(),
        login.refresh_token.clone(),
        format!("Bearer {}", login.refresh_token),
        format!("Bearer {}x", login.access_token),
        "Basic YTpi".to_owned(),
    ];
    for authorization in bad {
        let answer = reader.curl_as(Some(&authorization), "GET", "/v1/agents", None).await;
        assert_eq!((answer.status, &answer.body["code"]), (401, &json!("UNAUTHENTICATED")), "{authorization}");
    }
}

/// "Token Refresh": the next pair works, and one token is good for one login only.
pub async fn refresh(reader: &Reader, login: Login) -> Login {
    let data = json!({ "refresh_token": login.refresh_token }).to_string();
    let answer = reader.curl_as(None, "POST", "/v1/auth/refresh", Some(&data)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let next = checked_login(&answer.body);
    assert_ne!(next.refresh_token, login.refresh_token);
    let authorization = format!("Bearer {}", next.access_token);
    assert_eq!(reader.curl_as(Some(&authorization), "GET", "/v1/auth/me", None).await.body["email"], EMAIL);
    for bad in [
        r#"{"refresh_token": "your-refresh-token"}"#.to_owned(),
        json!({ "refresh_token": login.access_token }).to_string(),
    ] {
        let answer = reader.curl_as(None, "POST", "/v1/auth/refresh", Some(&bad)).await;
        assert_eq!((answer.status, &answer.body["code"]), (401, &json!("UNAUTHENTICATED")));
    }
    next
}

/// "Delete an API key": refused at once, and the stream that it opened ends.
pub async fn delete_key(reader: &Reader, login: &Login, key: &Key, session: &str) {
    let request = reader.app.http.get(reader.app.url(&format!("{session}/events"))).header("Authorization", &key.key);
    let mut stream = Sse::of(request.header("Accept", "text/event-stream")).await;
    let authorization = format!("Bearer {}", login.access_token);
    let path = format!("/v1/auth/api-keys/{}", key.id);
    assert_eq!(reader.curl_as(Some(&authorization), "DELETE", &path, None).await.status, 204);
    assert_eq!(reader.expect(401, "GET", "/v1/agents", None).await["code"], "UNAUTHENTICATED");
    assert_eq!(reader.curl_as(Some(&authorization), "DELETE", &path, None).await.status, 404);
    let end = async { while stream.next().await.is_some() {} };
    tokio::time::timeout(PATIENCE, end).await.expect("the stream of a deleted key ends");
}

/// A login that has ended is refused at once, its refresh token too.
pub async fn logout(reader: &Reader, login: &Login) {
    let authorization = format!("Bearer {}", login.access_token);
    let answer = reader.curl_as(Some(&authorization), "POST", "/v1/auth/logout", None).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert_eq!(reader.curl_as(Some(&authorization), "GET", "/v1/agents", None).await.status, 401);
    let data = json!({ "refresh_token": login.refresh_token }).to_string();
    assert_eq!(reader.curl_as(None, "POST", "/v1/auth/refresh", Some(&data)).await.status, 401);
}
