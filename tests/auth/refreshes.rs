//! Families of refresh tokens.

use serde_json::{Value, json};

use super::{assert_known, assert_unknown};
use crate::app::{ADMIN, Answer, TestApp, answer};

const REFRESH: &str = "mutation($token: String) { refreshToken(input: { token: $token }) {
    tokens { access_token: accessToken refresh_token: refreshToken token_type: tokenType expires_in: expiresIn } } }";

async fn refresh(app: &TestApp, tokens: &Value) -> Answer {
    app.post("/v1/auth/refresh", json!({ "refresh_token": tokens["refresh_token"] })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_goes_on_with_the_login() {
    let app = TestApp::start_admin().await;
    let first = app.login(ADMIN).await;
    let second = refresh(&app, &first).await;
    assert_eq!(second.status, 200, "{}", second.body);
    let names: Vec<&String> = second.body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["access_token", "refresh_token", "token_type", "expires_in"]);
    assert_ne!(second.body["refresh_token"], first["refresh_token"]);
    let token = json!({ "token": second.body["refresh_token"] });
    let third = app.ask(REFRESH, token).await["refreshToken"]["tokens"].take();
    for tokens in [&first, &second.body, &third] {
        assert_known(&app.signed_in(tokens)).await;
    }
    app.signed_in(&first).post("/v1/auth/logout", json!({})).await;
    for tokens in [&first, &second.body, &third] {
        assert_unknown(&app.signed_in(tokens)).await;
    }
    assert_eq!(refresh(&app, &third).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_logs_nobody_out_but_a_third_use_ends_the_family() {
    let app = TestApp::start_admin().await;
    let (stolen, other) = (app.login(ADMIN).await, app.login(ADMIN).await);
    let (one, two) = (refresh(&app, &stolen).await, refresh(&app, &stolen).await);
    assert_eq!((one.status, two.status), (200, 200));
    assert_ne!(one.body["refresh_token"], two.body["refresh_token"]);
    assert_eq!(refresh(&app, &stolen).await.status, 401);
    for tokens in [&stolen, &one.body, &two.body] {
        assert_unknown(&app.signed_in(tokens)).await;
        assert_eq!(refresh(&app, tokens).await.status, 401);
    }
    assert_known(&app.signed_in(&other)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_uses_at_the_same_moment_both_go_on_and_three_end_the_family() {
    let app = TestApp::start_admin().await;
    let tokens = app.login(ADMIN).await;
    let (one, two) = tokio::join!(refresh(&app, &tokens), refresh(&app, &tokens));
    assert_eq!((one.status, two.status), (200, 200));
    assert_known(&app.signed_in(&one.body)).await;
    assert_known(&app.signed_in(&two.body)).await;
    let next = &one.body;
    let (a, b, c) = tokio::join!(refresh(&app, next), refresh(&app, next), refresh(&app, next));
    let mut statuses = [a.status, b.status, c.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 401]);
    assert_unknown(&app.signed_in(&two.body)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_token_itself_refreshes() {
    let app = TestApp::start_admin().await;
    let tokens = app.login(ADMIN).await;
    let text = tokens["refresh_token"].as_str().unwrap();
    let longer = app.post("/v1/auth/refresh", json!({ "refresh_token": format!("{text}x") })).await;
    assert_eq!(longer.status, 401);
    assert_eq!(answer(app.http.post(app.url("/v1/auth/refresh"))).await.status, 401);
    assert_eq!(refresh(&app, &tokens).await.status, 200, "no failure has used it up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_is_over_is_refused_and_its_login_is_forgotten() {
    let app = TestApp::start_full_with(|config| config.auth.refresh_token_lifetime_s = 1).await;
    let tokens = app.register("ada@example.com").await;
    let caller = app.signed_in(&tokens);
    // It ends by the clock, which nobody moves here: what still answers is asked again.
    while caller.get("/v1/agents").await.status != 401 {}
    assert_eq!(refresh(&app, &tokens).await.status, 401);
}
