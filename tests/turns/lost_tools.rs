//! Servers that stop while a tool runs: what may run again does, of the rest the model is told that nobody knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::routing::get;
use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use serde_json::json;
use tokio::sync::mpsc;

use super::*;
use crate::app;
use crate::chaos::processes::Program;
use crate::tools::{calls_of, serve};

/// A page that answers from the second time on, and tells of each visit.
async fn slow_page() -> (String, mpsc::UnboundedReceiver<()>) {
    let (arrived, arrivals) = mpsc::unbounded_channel();
    let visits = Arc::new(AtomicU32::new(0));
    let page = move || {
        let visits = visits.clone();
        let _ = arrived.send(());
        async move {
            if visits.fetch_add(1, Ordering::SeqCst) == 0 {
                std::future::pending::<()>().await;
            }
            "here"
        }
    };
    (serve(Router::new().route("/page", get(page))).await, arrivals)
}

/// Whatever a test does to a database behind its server.
pub async fn execute(database_url: &str, sql: &str) {
    if let Some(path) = database_url.strip_prefix("sqlite://") {
        let mut conn = <diesel::SqliteConnection as diesel::Connection>::establish(path).unwrap();
        diesel::connection::SimpleConnection::batch_execute(&mut conn, sql).unwrap();
    } else {
        AsyncPgConnection::establish(database_url).await.unwrap().batch_execute(sql).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_may_run_twice_runs_again_after_a_crash() {
    let (web, mut arrivals) = slow_page().await;
    let folder = tempfile::tempdir().unwrap();
    let database_url = app::database_url(&folder).await;
    let program = Program::start(&database_url);
    let (path, session_id) = program.caller.session_with(&["web_fetch", "noop"]).await;
    let mut stream = program.caller.sse(&path, None).await;
    let asked = format!(r#"/sim words=2 call=web_fetch {{"url": "{web}/page"}} call=noop | words=3"#);
    program.caller.say(&path, &asked).await;
    let seen = stream.until("tool.completed").await.pop().unwrap();
    arrivals.recv().await;
    drop(program);

    let program = Program::start(&database_url);
    let caller = &program.caller;
    let rest = caller.sse(&path, Some(&seen.id)).await.until("session.completed").await;
    let mut order = names(&rest);
    order.dedup();
    assert_eq!(order, ["tool.completed", "step.started", "message.delta", "message.created", "session.completed"]);
    let calls = calls_of(caller, &session_id).await;
    assert_eq!(each(&calls, "status"), ["COMPLETED", "COMPLETED"]);
    assert_eq!(calls[0]["result"]["content"], "here");
    let turn = turns_of(caller, &session_id).await[0].take();
    let steps = turn["steps"].as_array().unwrap();
    assert_eq!(each(steps, "status"), ["COMPLETED", "COMPLETED"]);
    let place = |step: &Value| (step["index"].clone(), step["attempt"].clone());
    assert_eq!((place(&steps[0]), place(&steps[1])), ((json!(0), json!(1)), (json!(1), json!(2))));
    assert_eq!(conversation(caller, &path, &session_id).await.len(), 3);
    events_of(caller, &session_id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_must_not_run_twice_is_told_as_unknown() {
    let (web, mut arrivals) = slow_page().await;
    let folder = tempfile::tempdir().unwrap();
    let database_url = app::database_url(&folder).await;
    let program = Program::start(&database_url);
    let (path, session_id) = program.caller.session_with(&["web_fetch", "session_file_system"]).await;
    let asked = format!(r#"/sim call=web_fetch {{"url": "{web}/page"}}"#);
    program.caller.say(&path, &asked).await;
    arrivals.recv().await;
    drop(program);
    // The same moment of a tool that is too quick to be caught in it.
    execute(&database_url, "UPDATE tool_calls SET name = 'delete_file'").await;

    let program = Program::start(&database_url);
    let caller = &program.caller;
    let frames = caller.sse(&path, None).await.until("session.completed").await;
    let call = calls_of(caller, &session_id).await[0].take();
    assert_eq!(
        (&call["status"], &call["error"]),
        (&json!("FAILED"), &json!("unknown: the server was lost while it ran"))
    );
    assert!(text_of(&frames).contains("delete_file failed: unknown"), "{frames:?}");
    events_of(caller, &session_id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_steps_keeps_what_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let database_url = app::database_url(&folder).await;
    let program = Program::start(&database_url);
    let (path, session_id) = program.caller.session_with(&["noop"]).await;
    let mut stream = program.caller.sse(&path, None).await;
    program.caller.say(&path, "/sim words=1 call=noop | words=30 delay_ms=40").await;
    stream.until("tool.completed").await;
    stream.until("message.delta").await;
    drop(program);

    let program = Program::start(&database_url);
    let caller = &program.caller;
    caller.sse(&path, None).await.until("session.completed").await;
    let turn = turns_of(caller, &session_id).await[0].take();
    let steps = turn["steps"].as_array().unwrap();
    assert_eq!(each(steps, "status"), ["COMPLETED", "ABANDONED", "COMPLETED"]);
    let places: Vec<_> = steps.iter().map(|step| (&step["index"], &step["attempt"])).collect();
    assert_eq!(places, [(&json!(0), &json!(1)), (&json!(1), &json!(1)), (&json!(1), &json!(2))]);
    assert_eq!(text(&steps[2]["text"]).split_whitespace().count(), 30);
    assert_eq!(calls_of(caller, &session_id).await.len(), 1);
    events_of(caller, &session_id).await;
}
