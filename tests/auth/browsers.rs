//! Cookies: what a browser sends by itself, and where it counts.

use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};
use serde_json::{Value, json};

use crate::app::{ADMIN, Answer, Sse, TestApp, answer};

const LOGIN: &str = "mutation($input: LoginInput!) { login(input: $input) { user { id } } }";

/// The cookies that an answer sets: name, value and the rest of each.
fn cookies(answer: &Answer) -> Vec<(String, String, String)> {
    let lines = answer.headers.get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap());
    lines
        .map(|line| {
            let (pair, rest) = line.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), value.to_owned(), rest.to_owned())
        })
        .collect()
}

/// What a browser sends back of them.
fn jar(answer: &Answer) -> String {
    let pairs: Vec<String> = cookies(answer).iter().map(|(name, value, _)| format!("{name}={value}")).collect();
    pairs.join("; ")
}

async fn login(app: &TestApp) -> Answer {
    app.post("/v1/auth/login", json!({ "email": ADMIN.0, "password": ADMIN.1 })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_hands_a_browser_its_tokens() {
    let app = TestApp::start_admin().await;
    let rest = login(&app).await;
    let graph = app.graphql(LOGIN, json!({ "input": { "email": ADMIN.0, "password": ADMIN.1 } })).await;
    for answer in [&rest, &graph] {
        let set = cookies(answer);
        let expected = [
            ("everruns_access", "Path=/; HttpOnly; SameSite=Lax; Max-Age=900"),
            ("everruns_refresh", "Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000"),
        ];
        let found: Vec<(&str, &str)> = set.iter().map(|(name, _, rest)| (name.as_str(), rest.as_str())).collect();
        assert_eq!(found, expected);
    }
    assert_eq!(cookies(&rest)[0].1, rest.body["access_token"].as_str().unwrap());
    assert_eq!(cookies(&rest)[1].1, rest.body["refresh_token"].as_str().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_cookies_stay_there() {
    let app = TestApp::start_full_with(|config| config.auth.base_url = "https://chat.example.com".into()).await;
    let body = json!({ "email": "ada@example.com", "password": crate::app::PASSWORD });
    let registered = app.post("/v1/auth/register", body).await;
    assert!(cookies(&registered).iter().all(|(.., rest)| rest.ends_with("; Secure")), "{:?}", registered.headers);
    // A proxy may name another host to us; the page still comes from where browsers reach the server.
    let me =
        |origin: &str| app.http.get(app.url("/v1/auth/me")).header(COOKIE, jar(&registered)).header(ORIGIN, origin);
    assert_eq!(answer(me("https://chat.example.com")).await.status, 200);
    assert_eq!(answer(me("http://chat.example.com")).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_source_watches_with_its_cookie() {
    let app = TestApp::start_admin().await;
    let signed_in = login(&app).await;
    let caller = app.signed_in(&signed_in.body);
    let (path, _) = caller.session().await;
    let request = app.http.get(app.url(&format!("{path}/events"))).header("accept", "text/event-stream");
    let request =
        request.header(COOKIE, format!("theme=dark; {}", jar(&signed_in))).header("sec-fetch-site", "same-origin");
    let mut stream = Sse::of(request).await;
    caller.say(&path, "Hello").await;
    stream.until("session.completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_counts_only_where_a_page_of_the_server_sent_it() {
    let app = TestApp::start_admin().await;
    let jar = jar(&login(&app).await);
    let port = app.url("").rsplit_once(':').unwrap().1.to_owned();
    let own = format!("http://127.0.0.1:{port}");
    let post = |headers: &[(&'static str, &str)]| {
        let mut request = app.http.post(app.url("/v1/agents")).header(COOKIE, &jar);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.json(&json!({ "name": "A", "system_prompt": "" })))
    };
    assert_eq!(post(&[]).await.status, 201);
    assert_eq!(post(&[("origin", own.as_str()), ("sec-fetch-site", "same-origin")]).await.status, 201);
    for headers in [
        &[("origin", "https://attacker.example")][..],
        &[("origin", "null")],
        &[("origin", "http://127.0.0.1:1")],
        &[("sec-fetch-site", "cross-site")],
        &[("origin", own.as_str()), ("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
    ] {
        assert_eq!(post(headers).await.status, 401, "{headers:?}");
    }
    let graph = app.http.post(app.url("/graphql")).header(COOKIE, &jar).header(ORIGIN, "https://attacker.example");
    let refused = answer(graph.json(&json!({ "query": "{ viewer { scopes } }" }))).await;
    assert_eq!(refused.body["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    // A link on another site leads here as well as any.
    let link = app.http.get(app.url("/v1/auth/me")).header(COOKIE, &jar);
    let link = link.header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "navigate");
    assert_eq!(answer(link).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_page_with_a_credential_of_its_own_is_let_in() {
    let app = TestApp::start_admin().await;
    let tokens = app.login(ADMIN).await;
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let request = app.http.post(app.url("/v1/agents")).header(ORIGIN, "https://other.example");
    let request = request.header("authorization", bearer).header("host", "another.example");
    assert_eq!(answer(request.json(&json!({ "name": "A", "system_prompt": "" }))).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_wins_over_a_cookie() {
    let app = TestApp::start_admin().await;
    let jar = jar(&login(&app).await);
    let me = |authorization: &str| {
        answer(app.http.get(app.url("/v1/auth/me")).header(COOKIE, &jar).header("authorization", authorization))
    };
    assert_eq!(me("Bearer nonsense").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_and_a_logout_take_the_cookies() {
    let app = TestApp::start_admin().await;
    let first = jar(&login(&app).await);
    let refresh = |jar: &str| answer(app.http.post(app.url("/v1/auth/refresh")).header(COOKIE, jar));
    let next = refresh(&first).await;
    assert_eq!(next.status, 200, "{}", next.body);
    let second = jar(&next);
    assert_ne!(first, second);
    let foreign =
        app.http.post(app.url("/v1/auth/refresh")).header(COOKIE, &second).header(ORIGIN, "https://a.example");
    assert_eq!(answer(foreign).await.status, 401);
    let graph = app.http.post(app.url("/graphql")).header(COOKIE, &second);
    let query = json!({ "query": "mutation { refreshToken(input: {}) { tokens { expiresIn } } }" });
    let third = answer(graph.json(&query)).await;
    assert_eq!(third.body["data"]["refreshToken"]["tokens"]["expiresIn"], 900, "{}", third.body);
    let third = jar(&third);
    let out = answer(app.http.post(app.url("/v1/auth/logout")).header(COOKIE, &third)).await;
    assert_eq!((out.status, &out.body), (204, &Value::String(String::new())));
    assert!(cookies(&out).iter().all(|(_, value, rest)| value.is_empty() && rest.contains("Max-Age=0")));
    assert_eq!(cookies(&out).len(), 2);
    assert_eq!(refresh(&third).await.status, 401);
    assert_eq!(answer(app.http.get(app.url("/v1/auth/me")).header(COOKIE, &third)).await.status, 401);
}
