//! A message that is sent again: it is answered once, and whoever sent it sees the whole answer.

use super::*;
use crate::app::Frame;
use crate::streams::watcher::Watcher;

/// Slow enough to be met while it runs.
const SLOW: &str = "/sim words=2 delay_ms=10000";

async fn send(app: &Caller, session_id: &str, text: &str, key: &str, when_busy: &str) -> Value {
    let input = json!({ "sessionId": session_id, "content": [{ "text": text }], "idempotencyKey": key,
        "whenBusy": when_busy });
    app.ask(SEND, json!({ "input": input })).await["made"].take()
}

fn names(frames: &[Frame]) -> Vec<&str> {
    frames.iter().map(|frame| frame.event.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_again_subscribes_to_the_whole_answer() {
    let app = TestApp::start().await;
    let (session, session_id) = app.session().await;
    app.say(&session, "before").await;
    app.sse(&session, None).await.until("session.completed").await;
    let first = send(&app, &session_id, "Hello", "k", "ENQUEUE").await;
    let mut watcher = Watcher::open(&app, &session_id, first["eventCursor"].as_str()).await;
    let seen = watcher.until("message.received").await;
    watcher.until("session.completed").await;
    // Another turn stands after it.
    app.say(&session, "after").await;
    let again = send(&app, &session_id, "Hello", "k", "ENQUEUE").await;
    assert_eq!((&again["replayed"], &again["turn"]["status"]), (&json!(true), &json!("COMPLETED")));
    assert_eq!((&again["it"], &again["eventCursor"]), (&first["it"], &first["eventCursor"]));
    let replayed =
        Watcher::open(&app, &session_id, again["eventCursor"].as_str()).await.until("session.completed").await;
    assert_eq!((names(&replayed)[0], &replayed[0].data), ("message.received", &seen[seen.len() - 1].data));
    assert_eq!(replayed[0].data["message_id"], first["it"]["id"]);
    assert_eq!(replayed.last().unwrap().data["turn_id"], first["turn"]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_waits_is_answered_once_although_it_is_sent_again() {
    let app = TestApp::start().await;
    let (session, session_id) = app.session().await;
    let mut stream = app.sse(&session, None).await;
    app.say(&session, SLOW).await;
    stream.until("message.delta").await;
    let first = send(&app, &session_id, "Hello", "k", "ENQUEUE").await;
    let again = send(&app, &session_id, "Hello", "k", "ENQUEUE").await;
    assert_eq!((&again["turn"]["status"], &again["eventCursor"]), (&json!("QUEUED"), &first["eventCursor"]));
    let interrupting = send(&app, &session_id, "At last", "l", "INTERRUPT").await;
    let mut watcher = Watcher::open(&app, &session_id, again["eventCursor"].as_str()).await;
    let seen = watcher.until("message.received").await;
    assert_eq!(seen.last().unwrap().data["message_id"], first["it"]["id"]);
    let seen = watcher.until("message.received").await;
    assert_eq!(seen.last().unwrap().data["message_id"], interrupting["it"]["id"]);
    watcher.until("session.completed").await;
    let turns = "query($id: ID!) { session(id: $id) { turns { totalCount } } }";
    assert_eq!(app.ask(turns, json!({ "id": session_id })).await["session"]["turns"]["totalCount"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_taken_is_answered_again_while_the_session_is_busy_with_it() {
    let app = TestApp::start().await;
    let (session, session_id) = app.session().await;
    let first = send(&app, &session_id, SLOW, "k", "REJECT").await;
    let again = send(&app, &session_id, SLOW, "k", "REJECT").await;
    assert_eq!((&again["replayed"], &again["it"]), (&json!(true), &first["it"]));
    // How to treat a busy session is a part of the input.
    let input = json!({ "sessionId": session_id, "content": [{ "text": SLOW }], "idempotencyKey": "k" });
    let refused = app.refused(SEND, json!({ "input": input })).await;
    assert_eq!(refused["extensions"]["code"], "IDEMPOTENCY_KEY_REUSED");
    app.post(&format!("{session}/cancel"), json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_again_interrupts_nothing() {
    let app = TestApp::start().await;
    let (session, session_id) = app.session().await;
    let first = send(&app, &session_id, SLOW, "k", "INTERRUPT").await;
    app.sse(&session, None).await.until("message.delta").await;
    let again = send(&app, &session_id, SLOW, "k", "INTERRUPT").await;
    assert_eq!((&again["turn"]["id"], &again["turn"]["status"]), (&first["turn"]["id"], &json!("RUNNING")));
    app.post(&format!("{session}/cancel"), json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_a_deleted_session_is_gone() {
    let app = TestApp::start().await;
    let (session, _) = app.session().await;
    let path = format!("{session}/messages");
    let body = json!({ "role": "user", "content": "Hello" });
    assert_eq!(post(&app, &path, "k", &body).await.status, 201);
    assert_eq!(app.delete(&session).await.status, 204);
    assert_eq!(post(&app, &path, "k", &body).await.status, 404);
}
