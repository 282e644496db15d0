//! Servers that are ready, and one that answers requests only.

use everruns::config::Switch;
use serde_json::json;

use crate::app::TestApp;

/// How every turn of a session stands.
const TURNS: &str = "query($id: ID!) { session(id: $id) { status turns { nodes { status } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_database_answers_is_ready_whoever_asks() {
    let app = TestApp::start_full().await;
    let ready = app.get("/ready").await;
    assert_eq!((ready.status, ready.body), (200, json!({ "status": "ready" })));
    assert_eq!(app.ask("{ server { readiness } }", json!({})).await, json!({ "server": { "readiness": "ready" } }));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_runner_messages_wait_for_another_process() {
    let mut app = TestApp::start_with(|config| {
        config.runner = Switch::Off;
        config.turn_lease_ms = 1_000;
    })
    .await;
    let (path, session_id) = app.session().await;
    app.say(&path, "/sim echo hello").await;
    let mut stream = app.sse(&path, None).await;
    let turns =
        |status: &str| json!({ "session": { "status": "RUNNING", "turns": { "nodes": [{ "status": status }] } } });
    assert_eq!(app.ask(TURNS, json!({ "id": session_id })).await, turns("QUEUED"));

    app.config.runner = Switch::On;
    if std::env::var_os("TEST_DATABASE_URL").is_some() {
        let other = app.beside().await;
        other.sse(&path, None).await.until("session.completed").await;
        assert_eq!(app.get(&format!("{path}/messages")).await.body["data"][1]["content"]["text"], "hello");
    } else {
        let app = app.restart().await;
        app.sse(&path, None).await.until("session.completed").await;
        // The server that stopped has ended its streams.
        assert!(stream.next().await.is_none());
    }
}
