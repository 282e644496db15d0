//! What REST makes of the stream: its headers, its eight words, its JSON form.

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::*;
use crate::app::{TestApp, answer};

const EVENTS: &str = "query($id: ID!) { session(id: $id) { headCursor events(types: [
    SESSION_STARTED STEP_STARTED MESSAGE_CREATED SESSION_COMPLETED SESSION_FAILED
]) { edges { cursor node { sequence createdAt } } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_has_its_headers_and_says_once_when_to_come_back() {
    let app = TestApp::start().await;
    let (path, _) = app.session().await;
    app.say(&path, "/sim words=300").await;
    recorded(&app, &path, 1).await;
    let response = app.http.get(app.url(&format!("{path}/events"))).send().await.unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!((response.status().as_u16(), header("content-type").as_str()), (200, "text/event-stream"));
    assert_eq!(
        (header("cache-control").as_str(), header("x-accel-buffering").as_str()),
        ("no-cache, no-transform", "no")
    );
    let (mut bytes, mut body) = (response.bytes_stream(), Vec::new());
    while !String::from_utf8_lossy(&body).contains("stop_reason") {
        body.extend_from_slice(&bytes.next().await.unwrap().unwrap());
    }
    let body = String::from_utf8_lossy(&body);
    assert!(body.starts_with("retry: 2000\n"), "{body}");
    assert_eq!(body.matches("retry:").count(), 1);
    assert_eq!(body.matches("\nevent: ").count(), body.matches("id: ").count());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_tutorials_names_are_shown_and_the_others_keep_their_numbers() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    app.say(&path, "/sim echo Hello").await;
    let frames = joined(&recorded(&app, &path, 1).await);
    let shown: Vec<_> = frames.iter().map(|frame| (frame.id.as_str(), frame.event.as_str())).collect();
    // Number 1 is MessageReceived, which GraphQL alone shows.
    let expected = [
        ("2.0", "session.started"),
        ("3.0", "step.started"),
        ("3.5", "message.delta"),
        ("4.0", "message.created"),
        ("5.0", "session.completed"),
    ];
    assert_eq!(shown, expected);
    let asked = app.ask(EVENTS, json!({ "id": session_id })).await;
    assert_eq!(asked["session"]["headCursor"], "5.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_who_asks_for_json_gets_the_stored_events() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    app.say(&path, "/sim words=5").await;
    app.say(&path, "/sim fail=cut words=5 after=2").await;
    let mut stream = app.sse(&path, None).await;
    let streamed = [stream.until("session.completed").await, stream.until("session.failed").await].concat();
    let json =
        |query: &str| app.http.get(app.url(&format!("{path}/events{query}"))).header("accept", "application/json");
    let listed: Value = answer(json("")).await.body;
    let stored = streamed.iter().filter(|frame| frame.event != "message.delta");
    let edges = app.ask(EVENTS, json!({ "id": session_id })).await["session"]["events"]["edges"].take();
    let expected = stored.zip(edges.as_array().unwrap()).map(|(frame, edge)| {
        assert_eq!(frame.id, edge["cursor"].as_str().unwrap());
        let (sequence, created_at) = (&edge["node"]["sequence"], &edge["node"]["createdAt"]);
        json!({ "id": frame.id, "type": frame.event, "sequence": sequence, "data": frame.data, "created_at": created_at })
    });
    assert_eq!(listed, json!({ "data": expected.collect::<Vec<_>>() }));
    let (mut paged, mut query) = (Vec::new(), "?limit=3".to_owned());
    loop {
        let page: Value = answer(json(&query)).await.body;
        paged.extend(page["data"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=3&after={next}");
    }
    assert_eq!(listed, json!({ "data": paged }));
}
