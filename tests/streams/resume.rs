//! Coming back: what follows a cursor is exactly what a watcher who stayed saw after it.

use serde_json::json;

use super::watcher::Watcher;
use super::*;
use crate::app::{TestApp, text_of};

/// A session with two turns, and what somebody saw who watched all the time.
async fn watched_session(app: &TestApp) -> (String, String, Vec<Frame>) {
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "/sim words=40 delay_ms=1").await;
    app.say(&path, "/sim echo é東👩‍🚀").await;
    let frames = ends(&mut stream, 2).await;
    (path, session_id, frames)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_resumes_exactly_at_every_id() {
    let app = TestApp::start().await;
    let (path, session_id, frames) = watched_session(&app).await;
    assert!(frames.len() > 20, "{frames:?}");
    for (index, frame) in frames.iter().enumerate() {
        let rest = &frames[index + 1..];
        let turns = rest.iter().filter(|frame| frame.event == "session.completed").count();
        let resumed = ends(&mut app.sse(&path, Some(&frame.id)).await, turns).await;
        assert_eq!(joined(&resumed), joined(rest), "after {}", frame.id);
        let mut watcher = Watcher::open(&app, &session_id, Some(&frame.id)).await;
        let asked = watcher.shown_until("caught.up").await;
        assert_eq!(joined(&asked), joined(rest), "after {}", frame.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_resumes_between_any_two_characters() {
    let app = TestApp::start().await;
    let (path, session_id, frames) = watched_session(&app).await;
    let last = frames.iter().rfind(|frame| frame.event == "step.started").unwrap();
    let (step, _) = last.id.split_once('.').unwrap();
    let text = "é東👩‍🚀";
    for (offset, _) in text.char_indices() {
        let cursor = format!("{step}.{offset}");
        let resumed = app.sse(&path, Some(&cursor)).await.until("session.completed").await;
        assert_eq!(text_of(&resumed), text[offset..]);
        let asked = Watcher::open(&app, &session_id, Some(&cursor)).await.shown_until("caught.up").await;
        assert_eq!(joined(&asked), joined(&resumed));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_in_the_query_resumes_and_last_event_id_wins_over_it() {
    let app = TestApp::start().await;
    let (path, _, frames) = watched_session(&app).await;
    let (early, late) = (&frames[3].id, &frames[frames.len() - 2].id);
    let open = async |after: &str, last: Option<&str>| {
        let mut request = app.http.get(app.url(&format!("{path}/events?after={after}")));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        Sse::of(request).await
    };
    let rest = ends(&mut open(early, None).await, 2).await;
    assert_eq!(joined(&rest), joined(&frames[4..]));
    let rest = ends(&mut open(early, Some(late)).await, 1).await;
    assert_eq!(rest, frames[frames.len() - 1..]);
    // What does not count is not even read.
    let rest = ends(&mut open("nonsense", Some(late)).await, 1).await;
    assert_eq!(rest, frames[frames.len() - 1..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_at_the_head_sees_only_what_comes() {
    let app = TestApp::start().await;
    let (path, session_id, frames) = watched_session(&app).await;
    let head = app.ask("query($id: ID!) { session(id: $id) { headCursor } }", json!({ "id": session_id })).await;
    let head = head["session"]["headCursor"].as_str().unwrap();
    assert_eq!(frames.last().unwrap().id, head);
    let (mut stream, mut watcher) =
        (app.sse(&path, Some(head)).await, Watcher::open(&app, &session_id, Some(head)).await);
    assert_eq!(watcher.next().await.unwrap().event, "caught.up");
    app.say(&path, "/sim echo more").await;
    let seen = ends(&mut stream, 1).await;
    assert_eq!(text_of(&seen), "more");
    assert_eq!(joined(&watcher.shown_until("session.completed").await), joined(&seen));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_cursors_resume_after_a_restart() {
    let app = TestApp::start().await;
    let (path, session_id, frames) = watched_session(&app).await;
    let app = app.restart().await;
    let middle = frames.iter().filter(|frame| frame.event == "message.delta").nth(7).unwrap();
    let index = frames.iter().position(|frame| frame == middle).unwrap();
    let resumed = ends(&mut app.sse(&path, Some(&middle.id)).await, 2).await;
    assert_eq!(joined(&resumed), joined(&frames[index + 1..]));
    let asked = Watcher::open(&app, &session_id, Some(&middle.id)).await.shown_until("caught.up").await;
    assert_eq!(joined(&asked), joined(&resumed));
}
