//! Turns that outlive their servers: whoever takes one over keeps what was stored, and gives up one that takes every server down.

use serde_json::json;

use super::lost_tools::execute;
use super::*;
use crate::app;
use crate::chaos::processes::Program;

/// An answer that no test waits for.
const ENDLESS: &str = "/sim words=2000 delay_ms=50";

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_is_lost_again_and_again_ends_without_progress() {
    let folder = tempfile::tempdir().unwrap();
    let database_url = app::database_url(&folder).await;
    let mut program = Program::start(&database_url);
    let (path, session_id) = program.caller.session().await;
    program.caller.say(&path, ENDLESS).await;
    program.caller.say(&path, "/sim echo after").await;
    let mut seen = String::from("0.0");
    for _ in 0..3 {
        let mut stream = program.caller.sse(&path, Some(&seen)).await;
        stream.until("step.started").await;
        seen = stream.until("message.delta").await.pop().unwrap().id;
        drop(program);
        program = Program::start(&database_url);
    }
    let caller = &program.caller;
    let mut stream = caller.sse(&path, Some(&seen)).await;
    let failed = stream.until("session.failed").await.pop().unwrap();
    assert_eq!(failed.data["code"], "no_progress", "{failed:?}");
    // The queue goes on.
    assert_eq!(text_of(&stream.until("session.completed").await), "after");
    let turns = turns_of(caller, &session_id).await;
    assert_eq!(each(&turns, "status"), ["FAILED", "COMPLETED"]);
    assert_eq!(
        conversation(caller, &path, &session_id).await,
        [user(ENDLESS), user("/sim echo after"), assistant("after")]
    );
    events_of(caller, &session_id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_is_cancelled_after_a_crash_keeps_the_text_that_was_stored() {
    let folder = tempfile::tempdir().unwrap();
    let database_url = app::database_url(&folder).await;
    let program = Program::start(&database_url);
    let (path, session_id) = program.caller.session().await;
    let mut stream = program.caller.sse(&path, None).await;
    program.caller.say(&path, ENDLESS).await;
    // A second's text is stored before it ends.
    let mut seen = Vec::new();
    let stored = async {
        loop {
            seen.extend(stream.until("message.delta").await);
            let steps = turns_of(&program.caller, &session_id).await[0]["steps"].take();
            let text = text(&steps[0]["text"]);
            if !text.is_empty() {
                return text;
            }
        }
    };
    let stored = stored.await;
    drop(program);
    // As if somebody had asked for its end just before.
    execute(&database_url, "UPDATE turns SET cancel_requested_at = created_at").await;

    let program = Program::start(&database_url);
    let caller = &program.caller;
    let rest = caller.sse(&path, seen.last().map(|frame| frame.id.as_str())).await.until("session.completed").await;
    assert_eq!(names(&rest), ["step.started", "message.delta", "message.created", "session.completed"]);
    assert_eq!(rest[3].data["stop_reason"], "cancelled");
    let answer = text_of(&rest);
    assert!(answer.starts_with(&stored), "{answer} does not begin with {stored}");
    assert_eq!(conversation(caller, &path, &session_id).await, [user(ENDLESS), assistant(&answer)]);
    assert_eq!(session_of(caller, &path, &session_id).await["status"], "pending");
    let steps = turns_of(caller, &session_id).await[0]["steps"].take();
    assert_eq!(each(steps.as_array().unwrap(), "status"), [json!("ABANDONED"), json!("CANCELLED")]);
}
