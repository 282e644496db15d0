//! Making an account.

use serde_json::json;

use super::{assert_known, refusal, refused};
use crate::app::{PASSWORD, TestApp};

const REGISTER: &str =
    "mutation($input: RegisterInput!) { register(input: $input) { user { name email } tokens { tokenType } } }";

#[tokio::test(flavor = "multi_thread")]
async fn each_sign_up_gets_an_organization_of_its_own() {
    let app = TestApp::start_full().await;
    let ada = app.signed_in(&app.register(" Ada@Example.com").await);
    assert_known(&ada).await;
    let input = json!({ "email": "bob@example.com", "password": PASSWORD, "name": "Bob" });
    let bob = app.ask(REGISTER, json!({ "input": input })).await["register"].take();
    assert_eq!(bob["user"], json!({ "name": "Bob", "email": "bob@example.com" }));
    let bob = app.signed_in(&app.login(("bob@example.com", PASSWORD)).await);
    let organizations = (ada.get("/v1/auth/me").await.body, bob.get("/v1/auth/me").await.body);
    assert_eq!(organizations.0["email"], "ada@example.com");
    assert_ne!(organizations.0["organization_id"], organizations.1["organization_id"]);
    let (path, _) = ada.session().await;
    assert_eq!(bob.get(&path).await.status, 404);
    assert_eq!(bob.get("/v1/agents").await.body["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_has_an_account_is_refused_in_words_that_do_not_say_so() {
    let app = TestApp::start_full().await;
    app.register("ada@example.com").await;
    let again = json!({ "email": "ADA@example.com", "password": "another password", "name": "Ada" });
    let answer = app.post("/v1/auth/register", again.clone()).await;
    assert_eq!(refusal(&answer), (400, Some("BAD_USER_INPUT"), Some("email")));
    assert_eq!(answer.body["error"], "this email cannot be registered");
    assert!(answer.headers.get("set-cookie").is_none());
    let error = app.refused(REGISTER, json!({ "input": again })).await;
    assert_eq!(refused(&error), (Some("BAD_USER_INPUT"), Some("input.email")));
    // Nothing of it was kept: the account is the first one's.
    app.login(("ada@example.com", PASSWORD)).await;
    let login = json!({ "email": "ada@example.com", "password": "another password" });
    assert_eq!(app.post("/v1/auth/login", login).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_the_same_moment_make_one_account() {
    let app = TestApp::start_full().await;
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    let (first, second) =
        tokio::join!(app.post("/v1/auth/register", body.clone()), app.post("/v1/auth/register", body.clone()));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 400], "{} {}", first.body, second.body);
}
