//! Signing in and out.

use serde_json::{Value, json};

use super::{assert_known, assert_unknown, code};
use crate::app::{ADMIN, PASSWORD, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn a_login_answers_what_the_tutorial_says_and_no_more() {
    let app = TestApp::start_admin().await;
    let answer = app.post("/v1/auth/login", json!({ "email": ADMIN.0, "password": ADMIN.1 })).await;
    assert_eq!(answer.status, 200);
    let names: Vec<&String> = answer.body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["access_token", "refresh_token", "token_type", "expires_in"]);
    assert_eq!((&answer.body["token_type"], &answer.body["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert!(answer.body["access_token"].as_str().unwrap().starts_with("eyJ"));
    assert_eq!(answer.body["refresh_token"].as_str().unwrap().len(), "evrr_".len() + 43);
    let query = "mutation($input: LoginInput!) { login(input: $input) { user { email }
        tokens { accessToken refreshToken tokenType expiresIn } } }";
    // In any case, with blanks around it.
    let input = json!({ "email": " ADMIN@Example.com ", "password": ADMIN.1 });
    let found = app.ask(query, json!({ "input": input })).await["login"].take();
    assert_eq!(found["user"]["email"], ADMIN.0);
    let token = found["tokens"]["accessToken"].as_str().unwrap();
    assert_known(&app.with(&format!("Bearer {token}"))).await;
    assert_eq!((&found["tokens"]["tokenType"], &found["tokens"]["expiresIn"]), (&json!("Bearer"), &json!(900)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_address_and_a_wrong_password_are_the_same() {
    let app = TestApp::start_admin().await;
    let mut bodies: Vec<Value> = Vec::new();
    for (email, password) in [
        (ADMIN.0, "wrong password"),
        (ADMIN.0, ""),
        ("nobody@example.com", ADMIN.1),
        ("no address", ADMIN.1),
        ("nul\0@example.com", ADMIN.1),
        ("", ""),
    ] {
        let answer = app.post("/v1/auth/login", json!({ "email": email, "password": password })).await;
        assert_eq!(answer.status, 401, "{email}: {}", answer.body);
        assert!(answer.headers.get("set-cookie").is_none());
        bodies.push(answer.body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_ends_its_login_and_no_other() {
    let app = TestApp::start_admin().await;
    let (first, second) = (app.login(ADMIN).await, app.login(ADMIN).await);
    let (leaving, staying) = (app.signed_in(&first), app.signed_in(&second));
    let answer = leaving.post("/v1/auth/logout", json!({})).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert_unknown(&leaving).await;
    assert_known(&staying).await;
    let refreshed = app.post("/v1/auth/refresh", json!({ "refresh_token": first["refresh_token"] })).await;
    assert_eq!(refreshed.status, 401);
    assert_eq!(leaving.post("/v1/auth/logout", json!({})).await.status, 401);
    // Without any body, as curl sends it.
    let answer = crate::app::answer(staying.http.post(staying.url("/v1/auth/logout"))).await;
    assert_eq!(answer.status, 204);
    assert_unknown(&staying).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_everywhere_ends_every_login_of_the_user_only() {
    let app = TestApp::start_full().await;
    let (ada, bob) = (app.register("ada@example.com").await, app.register("bob@example.com").await);
    let again = app.login(("ada@example.com", PASSWORD)).await;
    let out = "mutation { logout(input: { everywhere: true }) { userId } }";
    app.signed_in(&ada).ask(out, json!({})).await;
    assert_unknown(&app.signed_in(&ada)).await;
    assert_unknown(&app.signed_in(&again)).await;
    assert_known(&app.signed_in(&bob)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_signs_out_without_a_login() {
    let app = TestApp::start_admin().await;
    assert_eq!(app.post("/v1/auth/logout", json!({})).await.status, 401);
    let (_, key) = app.signed_in(&app.login(ADMIN).await).key(json!(null)).await;
    assert_eq!(key.post("/v1/auth/logout", json!({})).await.status, 403);
    assert_eq!(code(&key, "mutation { logout(input: {}) { userId } }").await.as_deref(), Some("FORBIDDEN"));
    assert_known(&key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_sees_itself_and_no_other() {
    let app = TestApp::start_full().await;
    let (ada, bob) = (app.register("ada@example.com").await, app.register("bob@example.com").await);
    let (ada, bob) = (app.signed_in(&ada), app.signed_in(&bob));
    let me = "{ viewer { user { id email name createdAt } organization { id name } scopes } }";
    let found = ada.ask(me, json!({})).await["viewer"].take();
    let rest = ada.get("/v1/auth/me").await.body;
    assert_eq!((&rest["id"], &rest["email"]), (&found["user"]["id"], &json!("ada@example.com")));
    assert_eq!((&rest["scopes"], &rest["created_at"]), (&found["scopes"], &found["user"]["createdAt"]));
    assert_eq!((&found["organization"]["name"], rest.get("name")), (&json!("ada"), None));
    let node = "query($id: ID!) { node(id: $id) { __typename ... on User { email } } }";
    let id = json!({ "id": found["user"]["id"] });
    let own = ada.ask(node, id.clone()).await;
    assert_eq!(own["node"], json!({ "__typename": "User", "email": "ada@example.com" }));
    assert_eq!(bob.ask(node, id).await["node"], Value::Null);
    let organization = json!({ "id": found["organization"]["id"] });
    assert_eq!(bob.ask("query($id: ID!) { node(id: $id) { id } }", organization).await["node"], Value::Null);
}
