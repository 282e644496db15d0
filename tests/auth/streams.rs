//! Open streams end with the credential that opened them.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::AGENTS;
use super::socket::Socket;
use crate::app::{Caller, PASSWORD, Sse, TestApp};

/// How long a stream may outlast its credential.
const END: Duration = Duration::from_secs(1);
/// Beside it, what a busy machine needs to notice.
const SLACK: Duration = Duration::from_secs(2);

fn watch(session_id: &str) -> String {
    format!(r#"subscription {{ sessionEvents(sessionId: "{session_id}") {{ __typename }} }}"#)
}

/// A socket that has caught up with a session.
async fn watching(mut socket: Socket, session_id: &str) -> Socket {
    socket.subscribe("1", &watch(session_id)).await;
    let caught_up = json!({ "data": { "sessionEvents": { "__typename": "CaughtUp" } } });
    assert_eq!(socket.hear().await, json!({ "type": "next", "id": "1", "payload": caught_up }));
    socket
}

/// The subscription ends with an error that says why, and nothing goes on after it.
async fn assert_ends(socket: &mut Socket) {
    let message = timeout(END + SLACK, socket.hear()).await.expect("the subscription ends");
    assert_eq!(message["payload"]["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{message}");
    assert_eq!(socket.hear().await, json!({ "type": "complete", "id": "1" }));
    assert_eq!(socket.code(AGENTS).await.as_deref(), Some("UNAUTHENTICATED"));
}

async fn assert_sse_ends(stream: &mut Sse) {
    assert_eq!(timeout(END + SLACK, stream.next()).await.expect("the stream ends"), None);
}

/// An SSE stream that is under way.
async fn sse(caller: &Caller, path: &str) -> Sse {
    let mut stream = caller.sse(path, None).await;
    stream.until("session.completed").await;
    stream
}

/// A session in which something was said, and its user's tokens.
async fn begin(app: &TestApp) -> (Value, Caller, String, String) {
    let tokens = app.register("ada@example.com").await;
    let ada = app.signed_in(&tokens);
    let (path, session_id) = ada.session().await;
    ada.say(&path, "Hello").await;
    sse(&ada, &path).await;
    (tokens, ada, path, session_id)
}

/// Watches from where the session stands.
async fn watching_all(app: &TestApp, tokens: &Value, path: &str, session_id: &str) -> (Socket, Sse) {
    let mut socket = Socket::signed_in(app, tokens).await;
    socket.subscribe("1", &watch(session_id)).await;
    while socket.hear().await["payload"]["data"]["sessionEvents"]["__typename"] != "CaughtUp" {}
    (socket, sse(&app.signed_in(tokens), path).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_ends_the_logins_streams_and_no_others() {
    let app = TestApp::start_full().await;
    let (tokens, ada, path, session_id) = begin(&app).await;
    let other = app.login(("ada@example.com", PASSWORD)).await;
    let (mut leaving, mut leaving_sse) = watching_all(&app, &tokens, &path, &session_id).await;
    let (mut staying, mut staying_sse) = watching_all(&app, &other, &path, &session_id).await;
    assert_eq!(ada.post("/v1/auth/logout", json!({})).await.status, 204);
    assert_ends(&mut leaving).await;
    assert_sse_ends(&mut leaving_sse).await;
    app.signed_in(&other).say(&path, "Still here?").await;
    staying_sse.until("session.completed").await;
    assert_eq!(staying.hear().await["payload"]["data"]["sessionEvents"]["__typename"], "MessageReceived");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_family_that_is_ended_by_reuse_ends_its_streams() {
    let app = TestApp::start_full().await;
    let (tokens, _, path, session_id) = begin(&app).await;
    let (mut socket, mut stream) = watching_all(&app, &tokens, &path, &session_id).await;
    for status in [200, 200, 401] {
        let used = app.post("/v1/auth/refresh", json!({ "refresh_token": tokens["refresh_token"] })).await;
        assert_eq!(used.status, status);
    }
    assert_ends(&mut socket).await;
    assert_sse_ends(&mut stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_deleted_ends_its_streams() {
    let app = TestApp::start_full().await;
    let (_, ada, path, _) = begin(&app).await;
    let (id, key) = ada.key(json!(["sessions:read"])).await;
    let (mut first, mut second) = (sse(&key, &path).await, sse(&key, &path).await);
    let mut hers = sse(&ada, &path).await;
    assert_eq!(ada.delete(&format!("/v1/auth/api-keys/{id}")).await.status, 204);
    assert_sse_ends(&mut first).await;
    assert_sse_ends(&mut second).await;
    ada.say(&path, "Still here?").await;
    hers.until("session.completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_access_token_does() {
    let app = TestApp::start_full_with(|config| config.auth.access_token_lifetime_s = 3).await;
    let tokens = app.register("ada@example.com").await;
    let (path, session_id) = app.signed_in(&tokens).session().await;
    let tokens = app.login(("ada@example.com", PASSWORD)).await;
    let mut socket = watching(Socket::signed_in(&app, &tokens).await, &session_id).await;
    let ended = timeout(Duration::from_secs(3) + SLACK, socket.hear()).await.expect("the subscription ends");
    assert_eq!(ended["payload"]["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{ended}");
    let refused = app.signed_in(&tokens).get(&path).await;
    assert_eq!(refused.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_replica_revoked_ends_streams_here() {
    if std::env::var_os("TEST_DATABASE_URL").is_none() {
        return;
    }
    let app = TestApp::start_full().await;
    let (tokens, ada, path, session_id) = begin(&app).await;
    let other = app.beside().await;
    let (id, key) = ada.key(json!(null)).await;
    let mut by_key = sse(&key, &path).await;
    let (mut socket, mut stream) = watching_all(&app, &tokens, &path, &session_id).await;
    assert_eq!(other.signed_in(&tokens).delete(&format!("/v1/auth/api-keys/{id}")).await.status, 204);
    assert_sse_ends(&mut by_key).await;
    assert_eq!(other.signed_in(&tokens).post("/v1/auth/logout", json!({})).await.status, 204);
    assert_ends(&mut socket).await;
    assert_sse_ends(&mut stream).await;
}
