//! Several replicas on one PostgreSQL: what one answers, the watchers of the others see. On SQLite, which serves one process, there is nothing to
//! try here.

use serde_json::json;

use super::watcher::Watcher;
use crate::app::{TestApp, text_of};

/// Two replicas, where the database can serve them.
async fn replicas() -> Option<(TestApp, TestApp)> {
    std::env::var("TEST_DATABASE_URL").ok()?;
    let app = TestApp::start().await;
    let other = app.beside().await;
    Some((app, other))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_seen_at_every_replica() {
    let Some((here, there)) = replicas().await else { return };
    let (path, session_id) = here.session().await;
    let mut streams = [here.sse(&path, None).await, there.sse(&path, None).await];
    let mut sockets = [Watcher::open(&here, &session_id, None).await, Watcher::open(&there, &session_id, None).await];
    for text in ["/sim words=60 delay_ms=40", "/sim echo second"] {
        here.say(&path, text).await;
        let mut texts = Vec::new();
        for stream in &mut streams {
            let frames = stream.until("session.completed").await;
            let order: Vec<_> =
                frames.iter().map(|frame| frame.event.as_str()).filter(|name| *name != "message.delta").collect();
            assert_eq!(order, ["session.started", "step.started", "message.created", "session.completed"]);
            texts.push(text_of(&frames));
        }
        for socket in &mut sockets {
            texts.push(text_of(&socket.shown_until("session.completed").await));
        }
        assert!(texts.iter().all(|seen| !seen.is_empty() && *seen == texts[0]), "{texts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_watched_from_replica_to_replica() {
    let Some((here, there)) = replicas().await else { return };
    let (path, _) = here.session().await;
    let mut whole = here.sse(&path, None).await;
    here.say(&path, "/sim words=60 delay_ms=40").await;
    let mut seen = Vec::new();
    let replicas = [&here, &there];
    while seen.last().is_none_or(|frame: &crate::app::Frame| frame.event != "session.completed") {
        let after = seen.last().map(|frame| frame.id.clone());
        let replica = replicas[seen.len() % 2];
        let mut stream = replica.sse(&path, after.as_deref()).await;
        seen.push(stream.next().await.unwrap());
    }
    let whole = whole.until("session.completed").await;
    assert_eq!(text_of(&seen), text_of(&whole));
    let facts = |frames: &[crate::app::Frame]| -> Vec<_> {
        frames.iter().filter(|frame| frame.event != "message.delta").cloned().collect()
    };
    assert_eq!(facts(&seen), facts(&whole));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_cancelled_from_another_replica() {
    let Some((here, there)) = replicas().await else { return };
    let (path, _) = here.session().await;
    let mut stream = here.sse(&path, None).await;
    here.say(&path, "/sim words=2000 delay_ms=50").await;
    stream.until("message.delta").await;
    // Whichever has the turn, one of the two is not it.
    for replica in [&there, &here] {
        assert_eq!(replica.post(&format!("{path}/cancel"), json!({})).await.body["status"], "pending");
    }
    assert_eq!(stream.until("session.completed").await.pop().unwrap().data["stop_reason"], "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_session_ends_the_streams_of_every_replica() {
    let Some((here, there)) = replicas().await else { return };
    let (path, _) = here.session().await;
    let mut stream = there.sse(&path, None).await;
    here.say(&path, "/sim echo done").await;
    stream.until("session.completed").await;
    assert_eq!(here.delete(&path).await.status, 204);
    assert_eq!(stream.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_handed_over_when_its_replica_stops() {
    let Some((here, there)) = replicas().await else { return };
    let (path, _) = here.session().await;
    let mut streams = [here.sse(&path, None).await, there.sse(&path, None).await];
    here.say(&path, "/sim words=60 delay_ms=40").await;
    for stream in &mut streams {
        stream.until("message.delta").await;
    }
    here.stop().await;
    let rest = streams[1].until("session.completed").await;
    let started = rest.iter().filter(|frame| frame.event == "step.started").count();
    // Only where the stopped one had it, it begins again.
    assert!(started <= 1, "{rest:?}");
}
