//! Cancelling: the model is left at once, what it said is kept, what waits is withdrawn.

use serde_json::{Value, json};

use super::*;

const CANCEL: &str =
    "mutation($input: CancelTurnInput!) { cancelTurn(input: $input) { session { status } turn { id status } } }";
const NOBODY: &str = "0199f000-0000-7000-8000-000000000002";

/// What a model says that waits for its client to leave.
fn endless(text: &str) -> Reply {
    Reply::events(piece(text)).held()
}

async fn withdrawn(app: &TestApp, session_id: &str) -> Vec<bool> {
    turns_of(app, session_id).await.iter().map(|turn| turn["message"]["withdrawnAt"].is_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_keeps_the_partial_text_and_drops_the_model() {
    let mut model = Server::start([endless("partial é")]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "one").await;
    stream.until("message.delta").await;
    let cancelled = app.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!((cancelled.status, &cancelled.body["status"]), (200, &json!("pending")));
    assert_eq!(cancelled.body, session_of(&app, &path, &session_id).await);
    model.client_gone().await;
    let end = stream.until("session.completed").await;
    assert_eq!(names(&end), ["message.created", "session.completed"]);
    assert_eq!(end[1].data["stop_reason"], "cancelled");
    assert_eq!(conversation(&app, &path, &session_id).await, [user("one"), assistant("partial é")]);
    let turn = turns_of(&app, &session_id).await[0].take();
    assert_eq!((&turn["status"], &turn["stopReason"]), (&json!("CANCELLED"), &json!("CANCELLED")));
    assert_eq!((&turn["steps"][0]["status"], &turn["error"]), (&json!("CANCELLED"), &Value::Null));
    let replayed = app.sse(&path, None).await.until("session.completed").await;
    assert_eq!(text_of(&replayed), "partial é");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_before_the_first_word_makes_no_message() {
    let mut model = Server::start([Reply::events("").held(), whole("Fine.")]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "one").await;
    model.request().await;
    assert_eq!(app.post(&format!("{path}/cancel"), json!({})).await.status, 200);
    model.client_gone().await;
    assert_eq!(
        names(&stream.until("session.completed").await),
        ["session.started", "step.started", "session.completed"]
    );
    assert_eq!(conversation(&app, &path, &session_id).await, [user("one")]);
    app.say(&path, "two").await;
    stream.until("session.completed").await;
    assert_eq!(conversation(&app, &path, &session_id).await[1..], [user("two"), assistant("Fine.")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_wait_are_withdrawn_without_events() {
    let model = Server::start([endless("partial"), whole("Fine.")]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    for question in ["one", "two", "three"] {
        app.say(&path, question).await;
    }
    stream.until("message.delta").await;
    let cancelled = app.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!((cancelled.status, &cancelled.body["status"]), (200, &json!("pending")));
    stream.until("session.completed").await;
    assert_eq!(each(&turns_of(&app, &session_id).await, "status"), ["CANCELLED"; 3]);
    assert_eq!(withdrawn(&app, &session_id).await, [false, true, true]);
    let told = events_of(&app, &session_id).await;
    assert!(told.iter().all(|(_, turn)| *turn == told[0].1), "{told:?}");
    // A withdrawn message keeps its row and its number.
    assert_eq!(app.say(&path, "four").await["sequence"], 5);
    stream.until("session.completed").await;
    let stored = conversation(&app, &path, &session_id).await;
    let kept = [user("one"), user("two"), user("three"), assistant("partial"), user("four"), assistant("Fine.")];
    assert_eq!(stored, kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_again_or_nothing_changes_nothing() {
    let model = Server::start([endless("partial")]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let idle = session_of(&app, &path, &session_id).await;
    assert_eq!(app.post(&format!("{path}/cancel"), json!({})).await.body, idle);
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "one").await;
    stream.until("message.delta").await;
    let once = app.post(&format!("{path}/cancel"), json!({})).await;
    let twice = app.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!((twice.status, twice.body), (200, once.body));
    let by_graphql = app.ask(CANCEL, json!({ "input": { "sessionId": session_id } })).await;
    assert_eq!(by_graphql["cancelTurn"], json!({ "session": { "status": "PENDING" }, "turn": null }));
    assert_eq!(events_of(&app, &session_id).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_cancels_at_the_same_moment_end_the_turn_once() {
    let model = Server::start([endless("partial")]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    app.say(&path, "one").await;
    app.sse(&path, None).await.until("message.delta").await;
    let cancel = format!("{path}/cancel");
    let (one, two) = tokio::join!(app.post(&cancel, json!({})), app.post(&cancel, json!({})));
    for cancelled in [one, two] {
        assert_eq!((cancelled.status, &cancelled.body["status"]), (200, &json!("pending")), "{}", cancelled.body);
    }
    assert_eq!(events_of(&app, &session_id).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_turn_is_cancelled_alone_by_its_id() {
    let (reply, gate) = Reply::events(piece("Fir")).gated([piece("st.") + &finish("stop")]);
    let model = Server::start([reply, whole("Third.")]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    for question in ["one", "two", "three"] {
        app.say(&path, question).await;
    }
    stream.until("message.delta").await;
    let waiting = turns_of(&app, &session_id).await[1]["id"].take();
    let cancelled = app.ask(CANCEL, json!({ "input": { "turnId": waiting } })).await;
    let withdrawn_turn = json!({ "id": waiting, "status": "CANCELLED" });
    assert_eq!(cancelled["cancelTurn"], json!({ "session": { "status": "RUNNING" }, "turn": withdrawn_turn }));
    gate.open();
    stream.until("session.completed").await;
    stream.until("session.completed").await;
    assert_eq!(each(&turns_of(&app, &session_id).await, "status"), ["COMPLETED", "CANCELLED", "COMPLETED"]);
    assert_eq!(withdrawn(&app, &session_id).await, [false, true, false]);
    assert_eq!(conversation(&app, &path, &session_id).await[3..], [assistant("First."), assistant("Third.")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_turn_is_cancelled_alone_by_its_id() {
    let mut model = Server::start([endless("partial"), whole("Second.")]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "one").await;
    app.say(&path, "two").await;
    stream.until("message.delta").await;
    let running = turns_of(&app, &session_id).await[0]["id"].take();
    let cancelled = app.ask(CANCEL, json!({ "input": { "turnId": running } })).await["cancelTurn"].take();
    assert_eq!(cancelled["turn"], json!({ "id": running, "status": "CANCELLED" }));
    model.client_gone().await;
    stream.until("session.completed").await;
    assert_eq!(stream.until("session.completed").await.last().unwrap().data["stop_reason"], "end_turn");
    assert_eq!(each(&turns_of(&app, &session_id).await, "status"), ["CANCELLED", "COMPLETED"]);
    assert_eq!(conversation(&app, &path, &session_id).await[2..], [assistant("partial"), assistant("Second.")]);
    // Long over, it takes nothing else with it.
    let again = app.ask(CANCEL, json!({ "input": { "turnId": running } })).await;
    let ended = json!({ "id": running, "status": "CANCELLED" });
    assert_eq!(again["cancelTurn"], json!({ "session": { "status": "PENDING" }, "turn": ended }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_cancelled_is_refused() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    let (elsewhere, _) = app.session().await;
    let (agent, _) = elsewhere.rsplit_once('/').unwrap();
    for path in [format!("{agent}/{session_id}/cancel"), path.replace(&session_id, NOBODY) + "/cancel"] {
        let refused = app.post(&path, json!({})).await;
        assert_eq!((refused.status, &refused.body["code"]), (404, &json!("NOT_FOUND")));
    }
    let turn = json!({ "turnId": NOBODY });
    assert_eq!(app.refused(CANCEL, json!({ "input": turn })).await["extensions"]["code"], "NOT_FOUND");
    for input in [json!({}), json!({ "turnId": NOBODY, "sessionId": session_id })] {
        let refused = app.refused(CANCEL, json!({ "input": input })).await;
        assert_eq!(refused["extensions"]["code"], "BAD_USER_INPUT");
    }
}
