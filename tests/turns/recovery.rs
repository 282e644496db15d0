//! Servers that stop in the middle of a turn: whoever starts next ends it, exactly once.

use serde_json::json;

use super::*;
use crate::app;
use crate::chaos::processes::Program;

/// A slow answer: long enough to be killed in.
const SLOW: &str = "/sim words=30 delay_ms=40";

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_continues_its_turn_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let database_url = app::database_url(&folder).await;
    let program = Program::start(&database_url);
    let (path, session_id) = program.caller.session().await;
    let mut stream = program.caller.sse(&path, None).await;
    program.caller.say(&path, SLOW).await;
    program.caller.say(&path, "/sim echo after").await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.extend(stream.until("message.delta").await);
    }
    drop(program);
    // What was on its way when the process died still arrives.
    while let Some(frame) = stream.next().await {
        seen.push(frame);
    }

    let program = Program::start(&database_url);
    let caller = &program.caller;
    let mut resumed = caller.sse(&path, seen.last().map(|frame| frame.id.as_str())).await;
    let (rest, after) = (resumed.until("session.completed").await, resumed.until("session.completed").await);
    let mut order = names(&rest);
    order.dedup();
    assert_eq!(order, ["step.started", "message.delta", "message.created", "session.completed"]);
    assert_eq!(text_of(&after), "after");

    let turns = turns_of(caller, &session_id).await;
    assert_eq!(each(&turns, "status"), ["COMPLETED", "COMPLETED"]);
    let steps = turns[0]["steps"].as_array().unwrap();
    assert_eq!(each(steps, "status"), ["ABANDONED", "COMPLETED"]);
    assert_eq!((&steps[0]["attempt"], &steps[1]["attempt"]), (&json!(1), &json!(2)));
    let answer = text(&steps[1]["text"]);
    assert!(answer.starts_with(&text_of(&seen)), "{answer}");
    assert_eq!(text_of(&rest), answer);
    let stored = conversation(caller, &path, &session_id).await;
    assert_eq!(stored, [user(SLOW), user("/sim echo after"), assistant(&answer), assistant("after")]);

    // Of the abandoned step only its beginning is replayed.
    let replayed = caller.sse(&path, None).await.until("session.completed").await;
    assert_eq!(text_of(&replayed), answer);
    let mut order = names(&replayed);
    order.dedup();
    let expected = ["session.started", "step.started", "message.delta", "message.created", "session.completed"];
    assert_eq!(order, expected);
    assert_eq!(events_of(caller, &session_id).await.len(), 6 + 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_answered_although_its_server_was_killed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let database_url = app::database_url(&folder).await;
    let program = Program::start(&database_url);
    let (path, session_id) = program.caller.session().await;
    program.caller.say(&path, "/sim words=3 first_ms=200").await;
    drop(program);
    let program = Program::start(&database_url);
    program.caller.sse(&path, None).await.until("session.completed").await;
    assert_eq!(conversation(&program.caller, &path, &session_id).await.len(), 2);
    assert_eq!(session_of(&program.caller, &path, &session_id).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_restart_continues_the_turn() {
    let mut model = Server::start([Reply::events(piece("half")).held(), whole("Whole é."), whole("Next.")]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "one").await;
    app.say(&path, "two").await;
    let seen = stream.until("message.delta").await;
    let app = app.restart().await;
    model.client_gone().await;
    assert_eq!(stream.next().await, None);
    let mut resumed = app.sse(&path, Some(&seen.last().unwrap().id)).await;
    let rest = resumed.until("session.completed").await;
    let mut order = names(&rest);
    order.dedup();
    assert_eq!(order, ["step.started", "message.delta", "message.created", "session.completed"]);
    resumed.until("session.completed").await;
    let stored = [user("one"), user("two"), assistant("Whole é."), assistant("Next.")];
    assert_eq!(conversation(&app, &path, &session_id).await, stored);
    assert_eq!(
        each(turns_of(&app, &session_id).await[0]["steps"].as_array().unwrap(), "status"),
        ["ABANDONED", "COMPLETED"]
    );
    assert_eq!(events_of(&app, &session_id).await.len(), 6 + 5);
    // Both calls were given the same conversation.
    assert_eq!(model.request().await.body, model.request().await.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_may_resume_before_the_interrupted_turn_is_continued() {
    let listed = || Reply::json(200, r#"{"data":[{"id":"small-model"}]}"#);
    // The second list never comes, so nobody claims the turn.
    let mut model = Server::start([listed(), Reply::events(piece("half")).held(), Reply::events("").held()]);
    let app = TestApp::start_with(|config| config.models.openai_base_url = Some(model.root.clone())).await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "one").await;
    let seen = stream.until("message.delta").await.pop().unwrap();
    let app = app.restart().await;
    for _ in 0..3 {
        model.request().await;
    }
    assert!(seen.id.ends_with(".4"), "{}", seen.id);
    app.sse(&path, Some(&seen.id)).await;
    assert_eq!(each(&turns_of(&app, &session_id).await, "status"), ["RUNNING"]);
}
