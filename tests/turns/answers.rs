//! A message is answered, and what that leaves behind.

use serde_json::{Value, json};

use super::*;
use crate::app::{answer, text_of};

const SEND: &str = "mutation($input: SendMessageInput!) { sendMessage(input: $input) {
    message { id session_id: sessionId sequence role content { text } created_at: createdAt } turn { status } eventCursor
} }";

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_answered_and_both_faces_show_the_same() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    let asked = app.say(&path, "Hello").await;
    let frames = stream.until("session.completed").await;
    let messages = messages_of(&app, &path, &session_id).await;
    assert_eq!(messages[0], asked);
    assert_eq!(conversation(&app, &path, &session_id).await, [user("Hello"), assistant(&text_of(&frames))]);
    let created = frames.iter().find(|frame| frame.event == "message.created").unwrap();
    assert_eq!((&created.data["message_id"], &created.data["sequence"]), (&messages[1]["id"], &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_by_graphql_is_answered_alike() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    let input = json!({ "sessionId": session_id, "content": [{ "text": "/sim echo Bon" }, { "text": "jour" }] });
    let sent = app.ask(SEND, json!({ "input": input })).await["sendMessage"].take();
    assert_eq!((&sent["turn"]["status"], &sent["eventCursor"]), (&json!("QUEUED"), &json!("0.0")));
    let frames = app.sse(&path, sent["eventCursor"].as_str()).await.until("session.completed").await;
    assert_eq!(text_of(&frames), "Bon\njour");
    assert_eq!(messages_of(&app, &path, &session_id).await[0], as_rest(&sent["message"]));
    assert_eq!(conversation(&app, &path, &session_id).await[1], assistant("Bon\njour"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_a_turn_come_in_their_order_with_their_data() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    app.say(&path, "/sim echo Hello").await;
    let frames = app.sse(&path, None).await.until("session.completed").await;
    let mut order = names(&frames);
    order.dedup();
    assert_eq!(order, ["session.started", "step.started", "message.delta", "message.created", "session.completed"]);
    let turn = &turns_of(&app, &session_id).await[0];
    let step_id = &turn["steps"][0]["id"];
    let message_id = &messages_of(&app, &path, &session_id).await[1]["id"];
    assert_eq!(frames[0].data, json!({ "session_id": session_id, "turn_id": turn["id"] }));
    assert_eq!(frames[1].data, json!({ "step_id": step_id }));
    assert_eq!(frames[2].data, json!({ "delta": frames[2].data["delta"], "step_id": step_id }));
    let [.., created, completed] = frames.as_slice() else { panic!("{frames:?}") };
    assert_eq!(created.data, json!({ "message_id": message_id, "sequence": 2, "step_id": step_id }));
    let end = json!({ "session_id": session_id, "turn_id": turn["id"], "stop_reason": "end_turn" });
    assert_eq!(completed.data, end);
    let stored: Vec<_> = events_of(&app, &session_id).await.into_iter().map(|(kind, _)| kind).collect();
    let kinds = ["MESSAGE_RECEIVED", "SESSION_STARTED", "STEP_STARTED", "MESSAGE_CREATED", "SESSION_COMPLETED"];
    assert_eq!(stored, kinds);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_complete_example_of_the_tutorial_prints_question_and_answer() {
    let app = TestApp::start().await;
    let post = async |path: String, body: Value| {
        let request = app.http.post(app.url(&path)).header("authorization", "evr_your-api-key").json(&body);
        let answer = answer(request).await;
        assert_eq!(answer.status, 201);
        answer.body
    };
    let agent = json!({ "name": "Assistant", "system_prompt": "You are a helpful assistant." });
    let agent = post("/v1/agents".into(), agent).await;
    let sessions = format!("/v1/agents/{}/sessions", agent["id"].as_str().unwrap());
    let session = post(sessions.clone(), json!({ "title": "Test Chat" })).await;
    let path = format!("{sessions}/{}", session["id"].as_str().unwrap());
    let said = json!({ "role": "user", "content": { "text": "Hello! What can you help me with?" } });
    let message = post(format!("{path}/messages"), said).await;
    assert_eq!((&message["sequence"], &message["role"]), (&json!(1), &json!("user")));
    app.sse(&path, None).await.until("session.completed").await;
    let messages = app.get(&format!("{path}/messages")).await.body;
    assert_eq!(messages["data"][0]["content"]["text"], "Hello! What can you help me with?");
    assert_eq!(messages["data"][1]["role"], "assistant");
    assert!(messages["data"][1]["content"]["text"].as_str().unwrap().contains("simulator"), "{messages}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_running_from_its_message_to_the_end_of_its_turn() {
    let (reply, gate) = Reply::events(piece("Well, ")).gated([piece("hello.") + &finish("stop")]);
    let model = Server::start([reply]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let fresh = session_of(&app, &path, &session_id).await;
    assert_eq!(fresh["status"], "pending");
    assert!(fresh.get("started_at").is_none() && fresh.get("finished_at").is_none(), "{fresh}");
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "Hello").await;
    assert_eq!(app.get(&path).await.body["status"], "running");
    stream.until("message.delta").await;
    let running = session_of(&app, &path, &session_id).await;
    assert_eq!(running["status"], "running");
    assert!(running["started_at"].is_string() && running.get("finished_at").is_none(), "{running}");
    gate.open();
    stream.until("session.completed").await;
    let ended = session_of(&app, &path, &session_id).await;
    assert_eq!((&ended["status"], &ended["started_at"]), (&json!("pending"), &running["started_at"]));
    assert!(moment(&ended["finished_at"]) > moment(&ended["started_at"]), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_counted_by_step_turn_and_session() {
    let counted = |input: i64, output: i64| {
        let usage = json!({ "choices": [], "usage": {
            "prompt_tokens": input, "completion_tokens": output,
            "prompt_tokens_details": { "cached_tokens": 3 }, "completion_tokens_details": { "reasoning_tokens": 1 },
        } });
        Reply::events(format!("{}data: {usage}\n\n{}", piece("Yes."), finish("stop")))
    };
    let model = Server::start([counted(10, 4), counted(20, 5)]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    for question in ["Really?", "Really really?"] {
        app.say(&path, question).await;
        stream.until("session.completed").await;
    }
    let usage = |input: i64, output: i64, calls: i64| json!({ "inputTokens": input, "outputTokens": output, "cachedInputTokens": 3 * calls, "reasoningTokens": calls, "steps": calls });
    let asked = app.ask(TURNS, json!({ "id": session_id })).await["session"].take();
    assert_eq!(asked["usage"], usage(30, 9, 2));
    for (turn, expected) in asked["turns"]["nodes"].as_array().unwrap().iter().zip([usage(10, 4, 1), usage(20, 5, 1)]) {
        assert_eq!((&turn["usage"], &turn["steps"][0]["usage"]), (&expected, &expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reasoning_is_kept_in_the_step_and_never_streamed() {
    let thought =
        format!("data: {}\n\n", json!({ "choices": [{ "delta": { "reasoning_content": "a secret thought" } }] }));
    let model = Server::start([Reply::events(thought + &piece("Said.") + &finish("stop"))]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    app.say(&path, "Think!").await;
    let frames = app.sse(&path, None).await.until("session.completed").await;
    assert_eq!(text_of(&frames), "Said.");
    assert!(!format!("{frames:?}").contains("secret"), "{frames:?}");
    assert_eq!(conversation(&app, &path, &session_id).await[1], assistant("Said."));
    let step = turns_of(&app, &session_id).await[0]["steps"][0].take();
    assert_eq!((&step["reasoning"], &step["text"]), (&json!("a secret thought"), &json!("Said.")));
    assert_eq!((&step["model"], &step["status"]), (&json!("small-model"), &json!("COMPLETED")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finish_reason_becomes_the_stop_reason() {
    let reasons = [("stop", "end_turn"), ("length", "max_tokens"), ("content_filter", "refused")];
    let model = Server::start(reasons.map(|(reason, _)| Reply::events(piece("Once upon") + &finish(reason))));
    let app = start_with(&model).await;
    for (_, expected) in reasons {
        let (path, session_id) = app.session().await;
        app.say(&path, "Tell me a story").await;
        let frames = app.sse(&path, None).await.until("session.completed").await;
        assert_eq!(frames.last().unwrap().data["stop_reason"], expected);
        assert_eq!(turns_of(&app, &session_id).await[0]["stopReason"], expected.to_uppercase());
        assert_eq!(conversation(&app, &path, &session_id).await[1], assistant("Once upon"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_ends_well_without_words_has_an_empty_message() {
    let model = Server::start([Reply::events(finish("stop"))]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    app.say(&path, "Say nothing").await;
    let frames = app.sse(&path, None).await.until("session.completed").await;
    let expected = ["session.started", "step.started", "message.created", "session.completed"];
    assert_eq!(names(&frames), expected);
    assert_eq!(conversation(&app, &path, &session_id).await, [user("Say nothing"), assistant("")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_character_of_an_answer_survives_storing() {
    let said = "tab\t quote\" line\r\n break\u{2028} nul\0 emoji 👩‍🚀 東京 <b>&amp;</b>";
    let model = Server::start([whole(said)]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    app.say(&path, "Say odd things").await;
    let frames = app.sse(&path, None).await.until("session.completed").await;
    // PostgreSQL stores every character but one; the stream and the row agree about it.
    let stored = said.replace('\0', "\u{fffd}");
    assert_eq!(text_of(&frames), stored);
    assert_eq!(conversation(&app, &path, &session_id).await[1], assistant(&stored));
    let replayed = app.sse(&path, None).await.until("session.completed").await;
    assert_eq!(text_of(&replayed), stored);
}
