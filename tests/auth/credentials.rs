//! The ways in which a credential is written, and what one costs. What is none is in tests/bad_input/credentials.rs.

use serde_json::json;

use super::{assert_known, assert_unknown, code};
use crate::app::{ADMIN, Caller, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_and_a_token_are_taken_as_people_write_them() {
    let app = TestApp::start_admin().await;
    let tokens = app.login(ADMIN).await;
    let token = tokens["access_token"].as_str().unwrap();
    let made = app.signed_in(&tokens).post("/v1/auth/api-keys", json!({ "name": "mine" })).await;
    let key = made.body["key"].as_str().unwrap();
    for written in [
        key.to_owned(),
        format!("ApiKey {key}"),
        format!("apikey {key}"),
        format!("Bearer {key}"),
        format!("Bearer {token}"),
        format!("bearer  {token}"),
        format!("BEARER {token}"),
    ] {
        assert_known(&app.with(&written)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_is_open_and_all_else_is_not() {
    let app = TestApp::start_admin().await;
    for path in ["/health", "/v1/auth/config", "/api-doc/openapi.json", "/graphiql"] {
        assert_eq!(app.get(path).await.status, 200, "{path}");
        assert_eq!(app.with("Bearer nonsense").get(path).await.status, 200, "{path}");
    }
    for path in ["/v1/agents", "/v1/auth/me", "/v1/auth/api-keys"] {
        assert_eq!(app.get(path).await.status, 401, "{path}");
    }
    assert_eq!(code(&app, "{ __typename server { version } }").await, None);
    for query in ["{ viewer { scopes } }", r#"{ node(id: "01890000-0000-7000-8000-000000000001") { id } }"#] {
        assert_eq!(code(&app, query).await.as_deref(), Some("UNAUTHENTICATED"), "{query}");
    }
    // What is open does not open what stands beside it.
    let both = app.graphql("{ server { status } agents { nodes { id } } }", json!({})).await.body;
    assert_eq!(both["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
}

/// Statements that a GET takes, the least of several.
async fn statements(app: &TestApp, caller: &Caller, path: &str) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..5 {
        let before = app.counters.statements();
        assert_eq!(caller.get(path).await.status, 200);
        least = least.min(app.counters.statements() - before);
    }
    least
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_costs_one_statement_and_none_where_nobody_is_asked_for_it() {
    let app = TestApp::start_with(|config| {
        config.auth.mode = everruns::config::AuthMode::Full;
        config.auth.jwt_secret = Some("a secret of at least thirty-two characters".into());
        config.turn_lease_ms = 3 * 60 * 60 * 1000;
    })
    .await;
    let ada = app.signed_in(&app.register("ada@example.com").await);
    let (_, key) = ada.key(json!(null)).await;
    assert_eq!(statements(&app, &ada, "/v1/agents").await, 2);
    assert_eq!(statements(&app, &key, "/v1/agents").await, 2);
    assert_eq!(statements(&app, &ada, "/v1/auth/config").await, 0);
    // A key with a wrong checksum, or a token that we did not sign, asks the database nothing.
    for wrong in [format!("evr_{}", "a".repeat(36)), "Bearer eyJ.eyJ.x".to_owned()] {
        let before = app.counters.statements();
        assert_eq!(app.with(&wrong).get("/v1/agents").await.status, 401);
        assert_eq!(app.counters.statements(), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_over_when_it_says() {
    let app = TestApp::start_full_with(|config| config.auth.access_token_lifetime_s = 1).await;
    let tokens = app.register("ada@example.com").await;
    let caller = app.signed_in(&tokens);
    while caller.get("/v1/agents").await.status != 401 {}
    assert_unknown(&caller).await;
    let next = app.post("/v1/auth/refresh", json!({ "refresh_token": tokens["refresh_token"] })).await;
    assert_eq!((next.status, &next.body["expires_in"]), (200, &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_credentials_is_told_nothing_of_what_else_is_wrong() {
    let app = TestApp::start_full().await;
    let broken = |path: &str| app.http.post(app.url(path)).header("content-type", "application/json").body("{bad");
    for request in [
        broken("/v1/agents"),
        broken("/v1/auth/api-keys"),
        app.http.post(app.url("/v1/agents")).header("content-type", "text/plain").body("a"),
        app.http.get(app.url("/v1/agents/no-id")),
        app.http.get(app.url("/v1/agents?limit=0")),
    ] {
        let answer = crate::app::answer(request).await;
        assert_eq!((answer.status, &answer.body["code"]), (401, &json!("UNAUTHENTICATED")), "{}", answer.body);
    }
    // What everybody may ask is read as ever.
    assert_eq!(crate::app::answer(broken("/v1/auth/login")).await.status, 400);
}
