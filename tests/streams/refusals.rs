//! Streams that cannot be: a real status before the first byte over REST, an error over GraphQL.

use serde_json::json;

use super::watcher::Watcher;
use super::*;
use crate::app::{Answer, TestApp, answer};
use crate::llm::server::{Reply, Server};
use crate::turns::{piece, start_with};

const NOBODY: &str = "0199f000-0000-7000-8000-000000000002";

/// Asserts that both faces refuse to resume here.
async fn assert_refused(app: &TestApp, path: &str, session_id: &str, cursor: &str) {
    let events = app.url(&format!("{path}/events"));
    let by_header = app.http.get(&events).header("last-event-id", cursor);
    let by_query = app.http.get(format!("{events}?after={}", cursor.replace('+', "%2B")));
    for request in [by_header, by_query] {
        let Answer { status, body, .. } = answer(request.header("accept", "text/event-stream")).await;
        assert_eq!(status, 400, "{cursor:?}");
        assert_eq!((&body["status"], &body["code"]), (&json!(400), &json!("BAD_USER_INPUT")), "{cursor:?}: {body}");
        assert!(body["error"].is_string(), "{body}");
    }
    let mut watcher = Watcher::open(app, session_id, Some(cursor)).await;
    assert_eq!(watcher.refused().await, "BAD_USER_INPUT", "{cursor:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_cursor_is_refused() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    let malformed =
        ["", "1", "1.", ".1", "-1.0", "+1.0", "01.0", "1.00", "1.-1", "1.0.0", "x.y", "1,0", "99999999999999999999.0"];
    for cursor in malformed {
        assert_refused(&app, &path, &session_id, cursor).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_the_stream_never_gave_is_refused() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    assert_refused(&app, &path, &session_id, "1.0").await;
    app.say(&path, "/sim echo é東👩").await;
    recorded(&app, &path, 1).await;
    // Beyond the head; beyond the text; inside each of its characters; after events that have no text.
    for cursor in ["6.0", "3.10", "3.1", "3.3", "3.4", "3.6", "3.7", "3.8", "1.1", "2.1", "4.1", "5.1", "0.1"] {
        assert_refused(&app, &path, &session_id, cursor).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_ahead_of_a_running_step_is_refused() {
    let model = Server::start([Reply::events(piece("é")).held()]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    app.say(&path, "Hello").await;
    app.sse(&path, None).await.until("message.delta").await;
    for cursor in ["3.1", "3.3", "4.0"] {
        assert_refused(&app, &path, &session_id, cursor).await;
    }
    app.sse(&path, Some("3.2")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_has_no_stream() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    let (elsewhere, _) = app.session().await;
    let (agent, _) = elsewhere.rsplit_once('/').unwrap();
    for path in [path.replace(&session_id, NOBODY), format!("{agent}/{session_id}")] {
        let request = app.http.get(app.url(&format!("{path}/events"))).header("accept", "text/event-stream");
        let Answer { status, body, .. } = answer(request).await;
        assert_eq!(status, 404);
        assert_eq!((&body["status"], &body["code"]), (&json!(404), &json!("NOT_FOUND")));
    }
    assert_eq!(app.get(&format!("{agent}/nonsense/events")).await.status, 400);
    assert_eq!(Watcher::open(&app, NOBODY, None).await.refused().await, "NOT_FOUND");
    let agent_id = agent.split('/').nth(3).unwrap();
    let mut watcher = Watcher::filtered(&app, json!({ "id": session_id, "agentId": agent_id })).await;
    assert_eq!(watcher.refused().await, "NOT_FOUND");
}
