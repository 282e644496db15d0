//! The main job: a message is answered by a turn, whatever breaks in between. Every story asks both faces and compares.

mod answers;
mod busy;
mod cancel;
mod deletion;
mod failures;
mod history;
mod lost_tools;
mod queue;
mod retries;
mod recovery;
mod takeover;
mod tools;

use serde_json::{Value, json};

use crate::app::{Caller, Frame, TestApp, text_of};
use crate::llm::server::{Reply, Server};

/// A key and a word that no caller may ever see.
pub const CANARY: &str = "sk-canary-4711";

const SESSION: &str = "query($id: ID!) { session(id: $id) {
    id agent_id: agentId title tags status created_at: createdAt updated_at: updatedAt started_at: startedAt finished_at: finishedAt
} }";

const MESSAGES: &str = "query($id: ID!) { session(id: $id) { messages {
    nodes { id session_id: sessionId sequence role content { text } created_at: createdAt }
} } }";

const TURNS: &str = "query($id: ID!) { session(id: $id) { turns { nodes {
    id status stopReason startedAt finishedAt error { code message } usage { ...Usage } message { sequence withdrawnAt }
    steps { id index attempt status model text reasoning finishedAt usage { ...Usage } toolCalls { id } }
} } usage { ...Usage } } }
fragment Usage on Usage { inputTokens outputTokens cachedInputTokens reasoningTokens steps }";

const EVENTS: &str = "query($id: ID!) { session(id: $id) { events(first: 500) { nodes { sequence type turnId } } } }";

/// A server whose model answers from this script.
pub async fn start_with(model: &Server) -> TestApp {
    TestApp::start_with(|config| {
        config.models.openai_api_key = Some(CANARY.into());
        config.models.openai_base_url = Some(model.root.clone());
        config.models.default_model = Some("small-model".into());
    })
    .await
}

/// What a scripted model says, as one piece of its stream.
pub fn piece(text: &str) -> String {
    format!("data: {}\n\n", json!({ "choices": [{ "delta": { "content": text } }] }))
}

/// The end of a scripted model's stream.
pub fn finish(reason: &str) -> String {
    format!("data: {}\n\ndata: [DONE]\n\n", json!({ "choices": [{ "delta": {}, "finish_reason": reason }] }))
}

/// A whole answer of a scripted model.
pub fn whole(text: &str) -> Reply {
    Reply::events(piece(text) + &finish("stop"))
}

/// The session, which both faces must show alike.
async fn session_of(app: &Caller, path: &str, session_id: &str) -> Value {
    let shown = app.get(path).await.body;
    let asked = app.ask(SESSION, json!({ "id": session_id })).await;
    assert_eq!(shown, as_rest(&asked["session"]));
    shown
}

/// The session's messages, which both faces must show alike.
async fn messages_of(app: &Caller, path: &str, session_id: &str) -> Vec<Value> {
    let shown = app.get(&format!("{path}/messages")).await.body;
    let asked = app.ask(MESSAGES, json!({ "id": session_id })).await;
    assert_eq!(shown, json!({ "data": as_rest(&asked["session"]["messages"]["nodes"]) }));
    shown["data"].as_array().unwrap().clone()
}

/// Role and text of each message, in their order, whose numbers have no hole.
async fn conversation(app: &Caller, path: &str, session_id: &str) -> Vec<(String, String)> {
    let messages = messages_of(app, path, session_id).await;
    for (index, message) in messages.iter().enumerate() {
        assert_eq!(message["sequence"], index + 1, "{messages:?}");
    }
    messages.iter().map(|message| (text(&message["role"]), text(&message["content"]["text"]))).collect()
}

/// The session's turns with their steps, as GraphQL alone shows them.
async fn turns_of(app: &Caller, session_id: &str) -> Vec<Value> {
    let asked = app.ask(TURNS, json!({ "id": session_id })).await;
    asked["session"]["turns"]["nodes"].as_array().unwrap().clone()
}

/// One field of each of these.
fn each(values: &[Value], field: &str) -> Vec<String> {
    values.iter().map(|value| text(&value[field])).collect()
}

/// Type and turn of every stored event, numbered from 1 without a hole, each turn's in one piece.
async fn events_of(app: &Caller, session_id: &str) -> Vec<(String, String)> {
    let asked = app.ask(EVENTS, json!({ "id": session_id })).await;
    let events = asked["session"]["events"]["nodes"].as_array().unwrap().clone();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["sequence"], index + 1, "{events:?}");
    }
    let events: Vec<_> = events.iter().map(|event| (text(&event["type"]), text(&event["turnId"]))).collect();
    for turn in events.chunk_by(|one, next| one.1 == next.1) {
        assert_eq!(turn[0].0, "MESSAGE_RECEIVED", "{events:?}");
        let ends = turn.iter().filter(|(kind, _)| kind == "SESSION_COMPLETED" || kind == "SESSION_FAILED").count();
        assert!(ends <= 1, "{events:?}");
    }
    events
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A point in time, to compare.
fn moment(value: &Value) -> jiff::Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// What REST shows where GraphQL shows this: words of enums in lower case, no nulls.
fn as_rest(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(as_rest).collect(),
        Value::Object(fields) => {
            let shown = fields.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| match value {
                Value::String(word) if ["status", "role"].contains(&name.as_str()) => {
                    (name.clone(), word.to_lowercase().into())
                }
                value => (name.clone(), as_rest(value)),
            });
            Value::Object(shown.collect())
        }
        value => value.clone(),
    }
}

fn names(frames: &[Frame]) -> Vec<&str> {
    frames.iter().map(|frame| frame.event.as_str()).collect()
}

fn user(text: &str) -> (String, String) {
    ("user".into(), text.into())
}

fn assistant(text: &str) -> (String, String) {
    ("assistant".into(), text.into())
}
