//! A message that comes while a turn runs: it may be refused or end that turn, and one that waits may be taken back.

use serde_json::{Value, json};

use super::*;

const SEND: &str = "mutation($input: SendMessageInput!) { sendMessage(input: $input) {
    message { id sequence } turn { id status } replayed } }";
const WITHDRAW: &str = "mutation($input: WithdrawMessageInput!) { withdrawMessage(input: $input) {
    message { id withdrawnAt turn { status stopReason } } } }";
const QUEUE: &str = "query($id: ID!) { session(id: $id) { turns(status: QUEUED) { totalCount nodes { message {
    content { text } } } } } }";
const NOBODY: &str = "0199f000-0000-7000-8000-000000000003";

/// A POST of a message with these parameters.
async fn post(app: &Caller, path: &str, parameters: &str, text: &str) -> (u16, Value) {
    let body = json!({ "role": "user", "content": { "text": text } });
    let sent = app.post(&format!("{path}/messages{parameters}"), body).await;
    (sent.status, sent.body)
}

fn input(session_id: &str, text: &str, when_busy: &str) -> Value {
    json!({ "input": { "sessionId": session_id, "content": [{ "text": text }], "whenBusy": when_busy } })
}

/// What waits, in its order.
async fn queue(app: &Caller, session_id: &str) -> Vec<String> {
    let turns = app.ask(QUEUE, json!({ "id": session_id })).await["session"]["turns"].take();
    let nodes = turns["nodes"].as_array().unwrap();
    assert_eq!(turns["totalCount"], nodes.len());
    nodes.iter().map(|turn| text(&turn["message"]["content"]["text"])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_session_refuses_whoever_does_not_want_to_wait() {
    let model = Server::start([Reply::events(piece("partial")).held(), whole("Fine."), whole("Fine too.")]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    // An idle session takes it.
    assert_eq!(post(&app, &path, "?when_busy=reject", "one").await.0, 201);
    stream.until("message.delta").await;
    let (status, refused) = post(&app, &path, "?when_busy=reject", "two").await;
    let told = json!({ "error": refused["error"], "status": 409, "code": "SESSION_BUSY" });
    assert_eq!((status, &refused), (409, &told));
    let refused = app.refused(SEND, input(&session_id, "two", "REJECT")).await;
    assert_eq!(refused["extensions"], json!({ "code": "SESSION_BUSY" }));
    // Busy is also where a turn only waits, and nothing was stored of what was refused.
    assert_eq!(post(&app, &path, "?when_busy=enqueue", "three").await.1["sequence"], 2);
    assert_eq!(post(&app, &path, "?when_busy=reject", "four").await.0, 409);
    assert_eq!(conversation(&app, &path, &session_id).await, [user("one"), user("three")]);
    app.post(&format!("{path}/cancel"), json!({})).await;
    stream.until("session.completed").await;
    let sent = app.ask(SEND, input(&session_id, "five", "REJECT")).await["sendMessage"].take();
    assert_eq!((&sent["message"]["sequence"], &sent["replayed"]), (&json!(4), &json!(false)));
    stream.until("session.completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_do_not_want_to_wait_one_is_taken() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    let sent = (0..20).map(|_| post(&app, &path, "?when_busy=reject", "/sim words=2 delay_ms=10000"));
    let sent = futures_util::future::join_all(sent).await;
    assert_eq!(sent.iter().filter(|(status, _)| *status == 201).count(), 1, "{sent:?}");
    assert_eq!(sent.iter().filter(|(_, body)| body["code"] == "SESSION_BUSY").count(), 19, "{sent:?}");
    assert_eq!(turns_of(&app, &session_id).await.len(), 1);
    app.post(&format!("{path}/cancel"), json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_ends_the_running_turn_and_is_answered_after_those_that_wait() {
    let mut model = Server::start([Reply::events(piece("partial")).held(), whole("Second."), whole("Third.")]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "one").await;
    app.say(&path, "two").await;
    stream.until("message.delta").await;
    assert_eq!(queue(&app, &session_id).await, ["two"]);
    let (status, sent) = post(&app, &path, "?when_busy=interrupt", "three").await;
    assert_eq!((status, &sent["sequence"]), (201, &json!(3)));
    model.client_gone().await;
    let ends: Vec<String> = {
        let mut ends = Vec::new();
        for _ in 0..3 {
            ends.push(text(&stream.until("session.completed").await.last().unwrap().data["stop_reason"]));
        }
        ends
    };
    assert_eq!(ends, ["cancelled", "end_turn", "end_turn"]);
    let said = conversation(&app, &path, &session_id).await;
    assert_eq!(said[..3], [user("one"), user("two"), user("three")]);
    assert_eq!(said[3..], [assistant("partial"), assistant("Second."), assistant("Third.")]);
    assert_eq!(each(&turns_of(&app, &session_id).await, "status"), ["CANCELLED", "COMPLETED", "COMPLETED"]);
    assert!(queue(&app, &session_id).await.is_empty());
    events_of(&app, &session_id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_of_an_idle_session_is_a_message() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.ask(SEND, input(&session_id, "/sim echo one", "INTERRUPT")).await;
    stream.until("session.completed").await;
    assert_eq!(each(&turns_of(&app, &session_id).await, "status"), ["COMPLETED"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_waits_can_be_withdrawn_and_no_other() {
    let (reply, gate) = Reply::events(piece("Fir")).gated([piece("st.") + &finish("stop")]);
    let model = Server::start([reply, whole("Third.")]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    let running = app.say(&path, "one").await["id"].clone();
    stream.until("message.delta").await;
    let waiting = app.say(&path, "two").await["id"].clone();
    app.say(&path, "three").await;
    assert_eq!(queue(&app, &session_id).await, ["two", "three"]);
    let message = |id: &Value| json!({ "input": { "messageId": id } });
    assert_eq!(app.refused(WITHDRAW, message(&running)).await["extensions"]["code"], "CONFLICT");
    let withdrawn = app.ask(WITHDRAW, message(&waiting)).await["withdrawMessage"]["message"].take();
    assert!(withdrawn["withdrawnAt"].is_string(), "{withdrawn}");
    assert_eq!(withdrawn["turn"], json!({ "status": "CANCELLED", "stopReason": "CANCELLED" }));
    assert_eq!(queue(&app, &session_id).await, ["three"]);
    // Again: it is as it was.
    assert_eq!(app.ask(WITHDRAW, message(&waiting)).await["withdrawMessage"]["message"], withdrawn);
    gate.open();
    stream.until("session.completed").await;
    stream.until("session.completed").await;
    assert_eq!(conversation(&app, &path, &session_id).await[3..], [assistant("First."), assistant("Third.")]);
    // What has ended, and the agent's own.
    let said = messages_of(&app, &path, &session_id).await;
    for ended in [&running, &said[3]["id"]] {
        assert_eq!(app.refused(WITHDRAW, message(ended)).await["extensions"]["code"], "CONFLICT");
    }
    assert_eq!(app.ask(WITHDRAW, message(&waiting)).await["withdrawMessage"]["message"], withdrawn);
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawing_the_whole_queue_leaves_the_running_turn_alone() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "/sim words=2 delay_ms=10000").await;
    stream.until("message.delta").await;
    let waiting = app.say(&path, "two").await["id"].clone();
    app.ask(WITHDRAW, json!({ "input": { "messageId": waiting } })).await;
    assert_eq!(session_of(&app, &path, &session_id).await["status"], "running");
    app.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!(session_of(&app, &path, &session_id).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_withdrawn_is_refused() {
    let app = TestApp::start().await;
    let (path, _) = app.session().await;
    let message = app.say(&path, "one").await["id"].clone();
    for input in [json!({ "messageId": NOBODY }), json!({ "messageId": message, "agentId": NOBODY })] {
        assert_eq!(app.refused(WITHDRAW, json!({ "input": input })).await["extensions"]["code"], "NOT_FOUND");
    }
}
