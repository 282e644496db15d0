//! Events: the subscription printed as frames, or a page of JSON.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_graphql::{Name, Response, Value, value};
use axum::{
    body::{Body, BodyDataStream},
    http::{self, HeaderMap},
};
use futures_util::{FutureExt, StreamExt, stream};
use serde_json::json;
use tower::ServiceExt;

use crate::stub::{Stub, enums, refusal, send};

const PATH: &str = "/v1/agents/a1/sessions/s1/events";

fn event(event: Value) -> Response {
    Response::new(Value::Object([(Name::new("sessionEvents"), enums(event))].into_iter().collect()))
}

fn caught_up() -> Response {
    event(value!({"id": "0.0", "event": "CaughtUp"}))
}

async fn watch(stub: &Stub) -> (HeaderMap, BodyDataStream) {
    let response = stub.router().oneshot(http::Request::get(PATH).body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    let (parts, body) = response.into_parts();
    (parts.headers, body.into_data_stream())
}

async fn text(mut body: BodyDataStream) -> String {
    let mut text = String::new();
    while let Some(chunk) = body.next().await {
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
    }
    text
}

#[tokio::test]
async fn each_event_is_a_frame_with_an_id() {
    let arguments = value!({"Deep": {"none": null}});
    let events = [
        event(value!({"id": "2.0", "event": "SessionStarted", "session_id": "s1", "turn_id": "t1"})),
        event(value!({"id": "3.0", "event": "StepStarted", "step_id": "p1"})),
        event(value!({"id": "3.8", "event": "MessageDelta", "delta": "To\nreset", "step_id": "p1"})),
        event(value!({"id": "4.0", "event": "MessageCreated", "message_id": "m2", "_sequence": 2, "step_id": "p1"})),
        event(
            value!({"id": "5.0", "event": "ToolStarted", "tool_call_id": "c1", "_call": {"name": "f", "arguments": arguments}}),
        ),
        event(
            value!({"id": "6.0", "event": "ToolCompleted", "tool_call_id": "c1", "_call": {"name": "f", "result": null, "error": "no"}}),
        ),
        caught_up(),
        event(
            value!({"id": "7.0", "event": "SessionCompleted", "session_id": "s1", "turn_id": "t1", "stop_reason": "$END_TURN"}),
        ),
        event(
            value!({"id": "8.0", "event": "SessionFailed", "session_id": "s1", "turn_id": "t1", "_error": {"error": "cut", "code": "$MODEL_CUT"}}),
        ),
    ];
    let (headers, body) = watch(&Stub::stream(stream::iter(events).boxed())).await;
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["cache-control"], "no-cache, no-transform");
    assert_eq!(headers["x-accel-buffering"], "no");
    let expected = r#"retry: 2000
id: 2.0
event: session.started
data: {"session_id":"s1","turn_id":"t1"}

id: 3.0
event: step.started
data: {"step_id":"p1"}

id: 3.8
event: message.delta
data: {"delta":"To\nreset","step_id":"p1"}

id: 4.0
event: message.created
data: {"message_id":"m2","sequence":2,"step_id":"p1"}

id: 5.0
event: tool.started
data: {"tool_call_id":"c1","name":"f","arguments":{"Deep":{"none":null}}}

id: 6.0
event: tool.completed
data: {"tool_call_id":"c1","name":"f","error":"no"}

id: 7.0
event: session.completed
data: {"session_id":"s1","turn_id":"t1","stop_reason":"end_turn"}

id: 8.0
event: session.failed
data: {"session_id":"s1","turn_id":"t1","error":"cut","code":"model_cut"}

"#;
    assert_eq!(text(body).await, expected);
}

#[tokio::test]
async fn a_refused_stream_is_a_real_error() {
    for (code, expected) in [("NOT_FOUND", 404), ("BAD_USER_INPUT", 400)] {
        let request = http::Request::get(PATH).body(Body::empty()).unwrap();
        let (status, body) = send(Stub::error(code, Some("sessionId")).router(), request).await;
        assert_eq!(status, expected);
        assert_eq!(body, format!(r#"{{"error":"no","status":{status},"code":"{code}","field":"session_id"}}"#));
    }
}

#[tokio::test]
async fn an_error_later_ends_the_stream() {
    let events = [caught_up(), event(value!({"id": "1.0", "event": "StepStarted", "step_id": "p1"}))];
    let events = events.into_iter().chain([refusal("UNAVAILABLE", None), caught_up()]);
    let (_, body) = watch(&Stub::stream(stream::iter(events).chain(stream::pending()).boxed())).await;
    assert_eq!(text(body).await, "retry: 2000\nid: 1.0\nevent: step.started\ndata: {\"step_id\":\"p1\"}\n\n");
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_gets_comments() {
    let (_, mut body) = watch(&Stub::stream(stream::iter([caught_up()]).chain(stream::pending()).boxed())).await;
    assert_eq!(body.next().await.unwrap().unwrap(), "retry: 2000\n");
    for _ in 0..3 {
        let chunk = tokio::time::timeout(Duration::from_secs(15), body.next()).await.unwrap();
        assert_eq!(chunk.unwrap().unwrap(), ":\n\n");
    }
}

#[tokio::test]
async fn a_burst_loses_nothing_and_leaves_in_few_chunks() {
    let deltas = (0..2000)
        .map(|n| event(value!({"id": format!("1.{n}"), "event": "MessageDelta", "delta": "x", "step_id": "p"})));
    let (_, mut body) = watch(&Stub::stream(stream::iter(deltas).boxed())).await;
    let (mut chunks, mut text) = (0, String::new());
    while let Some(chunk) = body.next().await {
        chunks += 1;
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
    }
    let ids: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("id: ")).map(str::to_owned).collect();
    assert_eq!(ids, (0..2000).map(|n| format!("1.{n}")).collect::<Vec<_>>());
    assert!(chunks < 20, "{chunks}");
}

struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_watcher_that_leaves_ends_its_subscription() {
    let gone = Arc::new(AtomicBool::new(false));
    let guard = Dropped(gone.clone());
    let open = stream::iter([caught_up()]).chain(stream::pending()).inspect(move |_| {
        let _ = &guard;
    });
    let (_, mut body) = watch(&Stub::stream(open.boxed())).await;
    assert!(body.next().await.is_some());
    assert!(body.next().now_or_never().is_none());
    assert!(!gone.load(Ordering::SeqCst));
    drop(body);
    assert!(gone.load(Ordering::SeqCst));
}

#[tokio::test]
async fn the_last_id_that_was_seen_wins() {
    for (header, query, after) in
        [(Some("9.4"), "?after=1.0", json!("9.4")), (None, "?after=1.0", json!("1.0")), (None, "", json!(null))]
    {
        let stub = Stub::stream(stream::iter([caught_up()]).boxed());
        let mut request = http::Request::get(format!("{PATH}{query}"));
        if let Some(id) = header {
            request = request.header("last-event-id", id);
        }
        send(stub.router(), request.body(Body::empty()).unwrap()).await;
        let variables = json!({"agentId": "a1", "sessionId": "s1", "after": after});
        assert_eq!(stub.last(), ("WatchEvents".to_owned(), variables));
    }
}

#[tokio::test]
async fn accept_chooses_between_stream_and_page() {
    for (accept, operation) in [
        ("", "WatchEvents"),
        ("*/*", "WatchEvents"),
        ("text/event-stream", "WatchEvents"),
        ("application/json, text/event-stream", "WatchEvents"),
        ("text/event-stream;q=0.9, application/json", "ListEvents"),
        ("application/json;q=0.5, text/event-stream", "WatchEvents"),
        ("application/json", "ListEvents"),
        ("application/json, text/plain, */*", "ListEvents"),
    ] {
        let stub = Stub::data(Value::Null);
        let request = http::Request::get(PATH).header("accept", accept).body(Body::empty()).unwrap();
        send(stub.router(), request).await;
        assert_eq!(stub.last().0, operation, "{accept}");
    }
}

#[tokio::test]
async fn a_page_of_events_has_data_of_their_own() {
    let events = value!({"data": [{
        "id": "4.0", "type": "MessageCreated", "sequence": 4, "message_id": "m2", "_sequence": 2, "step_id": "p1",
        "created_at": "2026-01-01T00:00:00Z",
    }], "pageInfo": {"hasNextPage": true, "endCursor": "4.0"}});
    let stub = Stub::data(value!({"session": {"events": events}}));
    let request = http::Request::get(PATH).header("accept", "application/json").body(Body::empty()).unwrap();
    let (status, body) = send(stub.router(), request).await;
    assert_eq!(status, 200);
    let expected = r#"{"data":[{"id":"4.0","type":"message.created","sequence":4,"data":{"message_id":"m2","sequence":2,"step_id":"p1"},"created_at":"2026-01-01T00:00:00Z"}],"next":"4.0"}"#;
    assert_eq!(body, expected);
}
