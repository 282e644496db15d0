//! Messages that come while a turn runs, and many sessions at once.

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::json;

use super::*;

/// Sessions that are answered at once.
const SESSIONS: usize = 50;
/// Messages that each of them is sent without waiting.
const MESSAGES_EACH: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn messages_sent_during_a_turn_are_stored_at_once_and_answered_after_it() {
    let (reply, gate) = Reply::events(piece("Fir")).gated([piece("st.") + &finish("stop")]);
    let mut model = Server::start([reply, whole("Second."), whole("Third.")]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "one").await;
    stream.until("message.delta").await;
    assert_eq!(app.say(&path, "two").await["sequence"], 2);
    assert_eq!(app.say(&path, "three").await["sequence"], 3);
    assert_eq!(each(&turns_of(&app, &session_id).await, "status"), ["RUNNING", "QUEUED", "QUEUED"]);
    assert_eq!(conversation(&app, &path, &session_id).await, [user("one"), user("two"), user("three")]);
    model.request().await;
    assert_eq!(model.requests_left(), 0);
    gate.open();
    for _ in 0..3 {
        stream.until("session.completed").await;
    }
    let stored = conversation(&app, &path, &session_id).await;
    assert_eq!(stored[3..], [assistant("First."), assistant("Second."), assistant("Third.")]);
    assert_eq!(each(&turns_of(&app, &session_id).await, "status"), ["COMPLETED"; 3]);
    assert_eq!(session_of(&app, &path, &session_id).await["status"], "pending");
    let turns: HashSet<_> = events_of(&app, &session_id).await.into_iter().map(|(_, turn)| turn).collect();
    assert_eq!(turns.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_stays_running_between_two_of_its_turns() {
    let replies =
        [Reply::events(piece("a")).gated([finish("stop")]), Reply::events(piece("b")).gated([finish("stop")])];
    let [(one, first), (two, second)] = replies;
    let model = Server::start([one, two]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "one").await;
    app.say(&path, "two").await;
    stream.until("message.delta").await;
    first.open();
    stream.until("session.completed").await;
    let between = session_of(&app, &path, &session_id).await;
    assert!(between["status"] == "running" && between.get("finished_at").is_none(), "{between}");
    second.open();
    stream.until("session.completed").await;
    assert_eq!(session_of(&app, &path, &session_id).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_turn_does_not_stop_the_queue() {
    let (cut, gate) = Reply::events(piece("half")).gated([String::new()]);
    let model = Server::start([cut, whole("Fine.")]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "one").await;
    stream.until("message.delta").await;
    app.say(&path, "two").await;
    gate.open();
    stream.until("session.failed").await;
    stream.until("session.completed").await;
    assert_eq!(each(&turns_of(&app, &session_id).await, "status"), ["FAILED", "COMPLETED"]);
    assert_eq!(session_of(&app, &path, &session_id).await["status"], "pending");
    assert_eq!(conversation(&app, &path, &session_id).await, [user("one"), user("two"), assistant("Fine.")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sessions_with_full_queues_are_answered_without_hole_or_repeat() {
    let app = TestApp::start().await;
    let sessions = join_all((0..SESSIONS).map(|_| app.session())).await;
    let seen = join_all(sessions.iter().map(async |(path, _)| {
        let mut stream = app.sse(path, None).await;
        for number in 0..MESSAGES_EACH {
            app.say(path, &format!("/sim echo answer {number}")).await;
        }
        let mut frames = Vec::new();
        for _ in 0..MESSAGES_EACH {
            frames.extend(stream.until("session.completed").await);
        }
        frames
    }))
    .await;
    for ((path, session_id), frames) in sessions.iter().zip(seen) {
        let stored = conversation(&app, path, session_id).await;
        let answers: Vec<_> =
            stored.into_iter().filter(|(role, _)| role == "assistant").map(|(_, text)| text).collect();
        assert_eq!(answers, ["answer 0", "answer 1", "answer 2"]);
        assert_eq!(text_of(&frames), answers.concat());
        assert_eq!(events_of(&app, session_id).await.len(), 5 * MESSAGES_EACH);
        let mut order = names(&frames);
        order.dedup();
        let turn = ["session.started", "step.started", "message.delta", "message.created", "session.completed"];
        assert_eq!(order, turn.repeat(MESSAGES_EACH), "{frames:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_sent_at_the_same_moment_all_have_a_number_and_an_answer() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    let sent =
        join_all((0..20).map(|number| app.say(&path, if number % 2 == 0 { "/sim echo a" } else { "/sim echo b" })));
    let sent = sent.await;
    for _ in &sent {
        stream.until("session.completed").await;
    }
    let numbers: HashSet<_> = sent.iter().map(|message| message["sequence"].as_i64()).collect();
    assert_eq!(numbers.len(), sent.len());
    let stored = conversation(&app, &path, &session_id).await;
    let said = |who: &str| {
        let texts = stored.iter().filter(|(role, _)| role == who).map(|(_, text)| text.replace("/sim echo ", ""));
        texts.collect::<Vec<_>>()
    };
    // Answered in the order of their numbers.
    assert_eq!(said("user"), said("assistant"));
    let order: Vec<_> = turns_of(&app, &session_id).await.iter().map(|turn| moment(&turn["startedAt"])).collect();
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(events_of(&app, &session_id).await.len(), 5 * sent.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_users_message_starts_nothing() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    for body in [
        json!({ "role": "assistant", "content": { "text": "I said so" } }),
        json!({ "role": "user", "content": { "text": "" } }),
        json!({ "role": "user", "content": [] }),
        json!({ "role": "user" }),
        json!({ "content": { "text": "Hello" } }),
    ] {
        let refused = app.post(&format!("{path}/messages"), body).await;
        assert_eq!((refused.status, &refused.body["code"]), (400, &json!("BAD_USER_INPUT")), "{}", refused.body);
    }
    assert!(messages_of(&app, &path, &session_id).await.is_empty());
    assert_eq!(session_of(&app, &path, &session_id).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_meets_the_end_of_a_turn_keeps_the_session_running() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    for _ in 0..30 {
        app.say(&path, "/sim echo quick").await;
        stream.until("message.delta").await;
        // The first turn is being ended just now.
        app.say(&path, "/sim first_ms=60000").await;
        stream.until("session.completed").await;
        stream.until("step.started").await;
        let session = session_of(&app, &path, &session_id).await;
        assert!(session["status"] == "running" && session.get("finished_at").is_none(), "{session}");
        assert_eq!(app.post(&format!("{path}/cancel"), json!({})).await.body["status"], "pending");
        stream.until("session.completed").await;
    }
}
