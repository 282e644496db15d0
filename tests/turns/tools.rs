//! Turns that call tools: what is shown, what is stored, what the model is told.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::sync::{Barrier, mpsc};

use super::*;
use crate::tools::{calls_of, serve, start_with_web};

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_turn_shows_each_step_and_each_call() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session_with(&["test_math"]).await;
    let mut stream = app.sse(&path, None).await;
    let asked = r#"/sim words=2 call=test_math_add {"a": 1, "b": 2} | words=3"#;
    app.say(&path, asked).await;
    let live = stream.until("session.completed").await;
    let mut order = names(&live);
    order.dedup();
    let step = ["step.started", "message.delta", "message.created"];
    let tool = ["tool.started", "tool.completed"];
    assert_eq!(order, [&["session.started"][..], &step, &tool, &step, &["session.completed"]].concat());
    let of = |name: &str| live.iter().filter(|frame| frame.event == name).map(|frame| &frame.data).collect::<Vec<_>>();
    let (started, ended) = (of("tool.started")[0], of("tool.completed")[0]);
    assert_eq!((&started["name"], &started["arguments"]), (&json!("test_math_add"), &json!({ "a": 1, "b": 2 })));
    assert_eq!((&ended["name"], &ended["result"]), (&json!("test_math_add"), &json!({ "result": 3.0 })));
    assert_eq!((&started["tool_call_id"], ended.get("error")), (&ended["tool_call_id"], None));
    assert_eq!(of("session.completed")[0]["stop_reason"], "end_turn");

    // Each step's deltas are the text of its message, also for who comes later.
    let replayed = app.sse(&path, None).await.until("session.completed").await;
    for frames in [&live, &replayed] {
        let said = |step: &Value| -> String {
            let of_step = frames.iter().filter(|frame| &frame.data["step_id"] == step);
            of_step.filter_map(|frame| frame.data["delta"].as_str()).collect()
        };
        let texts: Vec<String> = of("step.started").iter().map(|started| said(&started["step_id"])).collect();
        let stored = conversation(&app, &path, &session_id).await;
        assert_eq!(stored, [user(asked), assistant(&texts[0]), assistant(&texts[1])]);
        assert_eq!(texts[1].split_whitespace().count(), 3);
    }

    let turn = turns_of(&app, &session_id).await[0].take();
    let steps = turn["steps"].as_array().unwrap();
    assert_eq!((&steps[0]["index"], &steps[1]["index"]), (&json!(0), &json!(1)));
    assert_eq!(each(steps, "status"), ["COMPLETED", "COMPLETED"]);
    assert_eq!((&turn["usage"]["steps"], &turn["usage"]["outputTokens"]), (&json!(2), &json!(5)));
    let kinds: Vec<_> = events_of(&app, &session_id).await.into_iter().map(|(kind, _)| kind).collect();
    let expected = [
        "MESSAGE_RECEIVED",
        "SESSION_STARTED",
        "STEP_STARTED",
        "MESSAGE_CREATED",
        "TOOL_STARTED",
        "TOOL_COMPLETED",
        "STEP_STARTED",
        "MESSAGE_CREATED",
        "SESSION_COMPLETED",
    ];
    assert_eq!(kinds, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_that_are_called_together_run_together() {
    // Neither is answered before the other has come.
    let meeting = Arc::new(Barrier::new(2));
    let meet = move || {
        let meeting = meeting.clone();
        async move {
            meeting.wait().await;
            "met"
        }
    };
    let web = serve(Router::new().route("/meet", get(meet))).await;
    let app = start_with_web().await;
    let (path, session_id) = app.session_with(&["web_fetch"]).await;
    let mut stream = app.sse(&path, None).await;
    let call = format!(r#"call=web_fetch {{"url": "{web}/meet"}}"#);
    app.say(&path, &format!("/sim {call} {call}")).await;
    let frames = stream.until("session.completed").await;
    // A step of calls alone makes no message.
    let order: Vec<_> = names(&frames).into_iter().filter(|name| *name != "message.delta").collect();
    let tools = ["tool.started", "tool.started", "tool.completed", "tool.completed"];
    let ends = ["step.started", "message.created", "session.completed"];
    assert_eq!(order, [&["session.started", "step.started"], &tools[..], &ends].concat());
    let calls = calls_of(&app, &session_id).await;
    assert_eq!(each(&calls, "status"), ["COMPLETED", "COMPLETED"]);
    assert!(calls.iter().all(|call| call["result"]["content"] == "met"), "{calls:?}");
    // The simulator tells what it was told.
    assert!(text_of(&frames).contains("web_fetch answered: {"), "{frames:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_is_told_to_the_model() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session_with(&["test_math", "current_time"]).await;
    let mut stream = app.sse(&path, None).await;
    let calls = [
        ("noop", "there is no tool of this name; there are test_math_add,"),
        ("test_math_add [1, 2]", "the arguments must be a JSON object"),
        ("test_math_add {\"a\":", "the arguments must be a JSON object"),
        (r#"test_math_add {"a": 1}"#, "missing field `b`"),
        (r#"test_math_add {"a": 1, "b": "two"}"#, "the arguments do not fit"),
        (r#"test_math_add {"a": 1, "b": 2, "c\u0000": 3}"#, "unknown field `c\u{fffd}`"),
        (r#"test_math_divide {"a": 1, "b": 0}"#, "division by zero"),
        (r#"test_math_multiply {"a": 1e308, "b": 1e308}"#, "too large"),
        (r#"current_time {"timezone": "Mars/Olympus"}"#, "there is no time zone \"Mars/Olympus\""),
    ];
    let settings: Vec<_> = calls.iter().map(|(call, _)| format!("call={call}")).collect();
    app.say(&path, &format!("/sim {}", settings.join(" "))).await;
    let frames = stream.until("session.completed").await;
    let stored = calls_of(&app, &session_id).await;
    assert_eq!(stored.len(), calls.len());
    for (call, (_, told)) in stored.iter().zip(&calls) {
        assert_eq!((&call["status"], &call["result"]), (&json!("FAILED"), &Value::Null), "{call}");
        assert!(text(&call["error"]).contains(told), "{call}");
        // Both faces, and the model, read the same.
        let shown =
            frames.iter().find(|frame| frame.event == "tool.completed" && frame.data["tool_call_id"] == call["id"]);
        assert_eq!(shown.unwrap().data["error"], call["error"]);
    }
    assert!(text_of(&frames).contains("test_math_divide failed: division by zero"), "{}", text_of(&frames));

    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "/sim call=noop").await;
    stream.until("session.completed").await;
    assert_eq!(calls_of(&app, &session_id).await[0]["error"], "there are no tools: answer without them");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_never_stops_calling_ends_at_its_limit() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session_with(&["noop"]).await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "/sim words=1 call=noop again=40").await;
    let end = stream.until("session.completed").await;
    assert_eq!(end.last().unwrap().data["stop_reason"], "max_steps");
    let turn = turns_of(&app, &session_id).await[0].take();
    assert_eq!((&turn["status"], &turn["stopReason"]), (&json!("COMPLETED"), &json!("MAX_STEPS")));
    assert_eq!(turn["steps"].as_array().unwrap().len(), 32);
    // What the last step called is not run.
    assert_eq!(calls_of(&app, &session_id).await.len(), 31);
    assert_eq!(conversation(&app, &path, &session_id).await.len(), 1 + 32);
    // A watcher that comes later reads it all, page by page.
    assert_eq!(names(&app.sse(&path, None).await.until("session.completed").await), names(&end));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_beyond_a_steps_limit_are_not_run() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session_with(&["noop"]).await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, &format!("/sim {}", "call=noop ".repeat(66))).await;
    stream.until("session.completed").await;
    let calls = calls_of(&app, &session_id).await;
    let failed = calls.iter().filter(|call| call["status"] == "FAILED");
    assert_eq!((calls.len(), failed.count()), (66, 2));
    assert!(text(&calls[64]["error"]).contains("at most 64"), "{}", calls[64]);
    events_of(&app, &session_id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_stops_tools_at_once() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let hold = move || {
        let _ = arrived.send(());
        std::future::pending::<&str>()
    };
    let web = serve(Router::new().route("/hold", get(hold))).await;
    let app = start_with_web().await;
    let (path, session_id) = app.session_with(&["web_fetch", "noop"]).await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, &format!(r#"/sim words=2 call=noop call=web_fetch {{"url": "{web}/hold"}}"#)).await;
    stream.until("tool.completed").await;
    arrivals.recv().await;
    let cancelled = app.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!((cancelled.status, &cancelled.body["status"]), (200, &json!("pending")));
    let end = stream.until("session.completed").await;
    assert_eq!(names(&end), ["tool.completed", "session.completed"]);
    assert_eq!((&end[0].data["error"], &end[1].data["stop_reason"]), (&json!("cancelled"), &json!("cancelled")));
    let calls = calls_of(&app, &session_id).await;
    assert_eq!(each(&calls, "status"), ["COMPLETED", "FAILED"]);
    let turn = turns_of(&app, &session_id).await[0].take();
    assert_eq!((&turn["status"], turn["steps"].as_array().unwrap().len()), (&json!("CANCELLED"), 1));
    assert_eq!(conversation(&app, &path, &session_id).await.len(), 2);
    events_of(&app, &session_id).await;
    // The next turn's model is told of all that.
    app.say(&path, "Hello").await;
    let said = text_of(&stream.until("session.completed").await);
    assert!(said.contains("I was shown 4 messages"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_fails_after_its_tools_fails_the_turn() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session_with(&["noop"]).await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "/sim words=1 call=noop | call=noop | words=5 fail=cut after=2").await;
    let end = stream.until("session.failed").await;
    assert_eq!(end.last().unwrap().data["code"], "model_cut");
    let turn = turns_of(&app, &session_id).await[0].take();
    assert_eq!(each(turn["steps"].as_array().unwrap(), "status"), ["COMPLETED", "COMPLETED", "FAILED"]);
    assert_eq!(each(&calls_of(&app, &session_id).await, "status"), ["COMPLETED", "COMPLETED"]);
    assert_eq!(conversation(&app, &path, &session_id).await.len(), 2);
    // A failed turn gives its user's words only.
    app.say(&path, "Hello").await;
    let said = text_of(&stream.until("session.completed").await);
    assert!(said.contains("I was shown 1 message "), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn later_turns_know_what_tools_answered() {
    let app = TestApp::start().await;
    let (path, _) = app.session_with(&["noop"]).await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "/sim call=noop | call=noop call=noop | words=1").await;
    stream.until("session.completed").await;
    app.say(&path, "Hello").await;
    let said = text_of(&stream.until("session.completed").await);
    // The user's words, two times calls and results, the answer, and the user's new words.
    assert!(said.contains("I was shown 7 messages"), "{said}");
}
