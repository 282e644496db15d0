//! "Agents", "Sessions", "Messages", "Events" and the complete example.

use serde_json::{Value, json};

use super::Reader;
use crate::app::{Frame, Sse, text_of};
use crate::shapes::{id, keys, time};

const PROMPT: &str = "You are a helpful customer support agent. Be friendly, concise, and solve problems efficiently.";

/// The path of the tutorial's agent.
pub async fn agents(reader: &Reader) -> String {
    let data = r#"{
    "name": "Customer Support Agent",
    "description": "Handles customer inquiries",
    "system_prompt": "You are a helpful customer support agent. Be friendly, concise, and solve problems efficiently.",
    "tags": ["support", "customer-facing"]
  }"#;
    let agent = reader.expect(201, "POST", "/v1/agents", Some(data)).await;
    let path = format!("/v1/agents/{}", id(&agent["id"]));
    let expected = json!({
        "id": agent["id"],
        "name": "Customer Support Agent",
        "description": "Handles customer inquiries",
        "system_prompt": PROMPT,
        "tags": ["support", "customer-facing"],
        "status": "active",
        "created_at": agent["created_at"],
        "updated_at": agent["updated_at"],
    });
    assert_eq!((&agent, keys(&agent)), (&expected, keys(&expected)));
    assert!(time(&agent["created_at"]) <= time(&agent["updated_at"]));
    assert_eq!(reader.expect(200, "GET", "/v1/agents", None).await, json!({ "data": [agent] }));
    assert_eq!(reader.expect(200, "GET", &path, None).await, agent);
    let data = r#"{
    "name": "Updated Agent Name",
    "system_prompt": "Updated system prompt..."
  }"#;
    let updated = reader.expect(200, "PATCH", &path, Some(data)).await;
    assert_eq!(updated["name"], "Updated Agent Name");
    assert_eq!(updated["system_prompt"], "Updated system prompt...");
    assert_eq!(updated["description"], "Handles customer inquiries");
    assert_eq!(keys(&updated), keys(&expected));
    path
}

/// "Archive Agent", at the end, because the other headings need the agent.
pub async fn archive(reader: &Reader, agent: &str) {
    reader.expect(204, "DELETE", agent, None).await;
    reader.expect(404, "DELETE", agent, None).await;
    assert_eq!(reader.expect(200, "GET", agent, None).await["status"], "archived");
    let sessions = format!("{agent}/sessions");
    assert_eq!(reader.expect(409, "POST", &sessions, Some("{}")).await["code"], "CONFLICT");
    let back = reader.expect(200, "PATCH", agent, Some(r#"{"status": "active"}"#)).await;
    assert_eq!(back["status"], "active");
}

/// The path of the tutorial's session.
pub async fn sessions(reader: &Reader, agent: &str) -> String {
    let path = format!("{agent}/sessions");
    let data = r#"{
    "title": "Support Chat #1234"
  }"#;
    let session = reader.expect(201, "POST", &path, Some(data)).await;
    let expected = json!({
        "id": session["id"],
        "agent_id": agent.rsplit('/').next(),
        "title": "Support Chat #1234",
        "tags": [],
        "status": "pending",
        "created_at": session["created_at"],
        "updated_at": session["updated_at"],
    });
    assert_eq!((&session, keys(&session)), (&expected, keys(&expected)));
    time(&session["created_at"]);
    assert_eq!(reader.expect(200, "GET", &path, None).await, json!({ "data": [session] }));
    let session_path = format!("{path}/{}", id(&session["id"]));
    assert_eq!(reader.expect(200, "GET", &session_path, None).await, session);
    session_path
}

pub async fn messages(reader: &Reader, session: &str) {
    let path = format!("{session}/messages");
    let data = r#"{
    "role": "user",
    "content": {
      "text": "How do I reset my password?"
    }
  }"#;
    let message = reader.expect(201, "POST", &path, Some(data)).await;
    let expected = json!({
        "id": message["id"],
        "session_id": session.rsplit('/').next(),
        "sequence": 1,
        "role": "user",
        "content": { "text": "How do I reset my password?" },
        "created_at": message["created_at"],
    });
    assert_eq!((&message, keys(&message)), (&expected, keys(&expected)));
    time(&message["created_at"]);
    watch(reader, session).await.until("session.completed").await;
    let after = reader.expect(200, "GET", session, None).await;
    assert_eq!(after["status"], "pending");
    assert!(time(&after["started_at"]) <= time(&after["finished_at"]));
    let list = reader.expect(200, "GET", &path, None).await;
    assert_eq!(keys(&list), ["data"]);
    let answer = &list["data"][1];
    assert_eq!(list["data"], json!([message, answer]));
    assert_eq!(keys(answer), keys(&expected));
    assert_eq!((&answer["sequence"], &answer["role"]), (&json!(2), &json!("assistant")));
    assert!(answer["content"]["text"].as_str().unwrap().contains("How do I reset my password?"));
}

pub async fn events(reader: &Reader, session: &str) {
    let path = format!("{session}/events");
    let response = request(reader, session).send().await.unwrap();
    assert_eq!(response.status(), 200);
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-cache, no-transform"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(response.headers()[name], value);
    }
    drop(response);
    let whole = watch(reader, session).await.until("session.completed").await;
    let said = text_of(&whole);
    let session_id = json!(session.rsplit('/').next());
    let frames = with_one_delta(&whole);
    let shown: Vec<(&str, Vec<&str>)> = frames.iter().map(|frame| (frame.event.as_str(), keys(&frame.data))).collect();
    let expected = [
        ("session.started", vec!["session_id", "turn_id"]),
        ("step.started", vec!["step_id"]),
        ("message.delta", vec!["delta", "step_id"]),
        ("message.created", vec!["message_id", "sequence", "step_id"]),
        ("session.completed", vec!["session_id", "turn_id", "stop_reason"]),
    ];
    assert_eq!(shown, expected);
    let [started, step, delta, created, completed] = frames.as_slice() else { panic!("{frames:?}") };
    assert_eq!((&started.data["session_id"], &completed.data["session_id"]), (&session_id, &session_id));
    assert_eq!(started.data["turn_id"], completed.data["turn_id"]);
    assert_eq!(completed.data["stop_reason"], "end_turn");
    let step_id = json!(id(&step.data["step_id"]));
    assert_eq!((&delta.data["step_id"], &created.data["step_id"]), (&step_id, &step_id));
    let list = reader.expect(200, "GET", &format!("{session}/messages"), None).await;
    assert_eq!((&created.data["message_id"], &created.data["sequence"]), (&list["data"][1]["id"], &json!(2)));
    assert_eq!(list["data"][1]["content"]["text"], said);
    // Whoever resumes sees the rest, letter for letter.
    let resumed =
        Sse::of(request(reader, session).header("Last-Event-ID", &step.id)).await.until("session.completed").await;
    assert_eq!((text_of(&resumed), &resumed.last().unwrap().id), (said, &completed.id));
    // The stored events as a list: no deltas.
    let request = reader.app.http.get(reader.app.url(&path)).header("Authorization", &reader.authorization);
    let stored: Value = request.header("Accept", "application/json").send().await.unwrap().json().await.unwrap();
    let stored = stored["data"].as_array().unwrap();
    let kept: Vec<&Frame> = frames.iter().filter(|frame| frame.event != "message.delta").collect();
    assert_eq!(stored.len(), kept.len());
    for (stored, frame) in stored.iter().zip(kept) {
        assert_eq!(keys(stored), ["id", "type", "sequence", "data", "created_at"]);
        assert_eq!(
            (&stored["type"], &stored["id"], &stored["data"]),
            (&json!(frame.event), &json!(frame.id), &frame.data)
        );
    }
}

pub async fn complete_example(reader: &Reader) {
    let data = r#"{
    "name": "Assistant",
    "system_prompt": "You are a helpful assistant."
  }"#;
    let agent = reader.expect(201, "POST", "/v1/agents", Some(data)).await;
    let sessions = format!("/v1/agents/{}/sessions", id(&agent["id"]));
    let session = reader.expect(201, "POST", &sessions, Some(r#"{"title": "Test Chat"}"#)).await;
    let session = format!("{sessions}/{}", id(&session["id"]));
    let messages = format!("{session}/messages");
    let data = r#"{
    "role": "user",
    "content": {"text": "Hello! What can you help me with?"}
  }"#;
    id(&reader.expect(201, "POST", &messages, Some(data)).await["id"]);
    // The tutorial sleeps here for two seconds.
    watch(reader, &session).await.until("session.completed").await;
    let conversation = reader.expect(200, "GET", &messages, None).await;
    let line =
        |said: &Value| format!("{}: {}", said["role"].as_str().unwrap(), said["content"]["text"].as_str().unwrap());
    let lines: Vec<String> = conversation["data"].as_array().unwrap().iter().map(line).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], "user: Hello! What can you help me with?");
    assert!(lines[1].starts_with("assistant: ") && lines[1].len() > 20, "{}", lines[1]);
}

/// `curl -N` on the session's events.
pub async fn watch(reader: &Reader, session: &str) -> Sse {
    Sse::of(request(reader, session)).await
}

fn request(reader: &Reader, session: &str) -> reqwest::RequestBuilder {
    let request = reader.app.http.get(reader.app.url(&format!("{session}/events")));
    request.header("Authorization", &reader.authorization).header("Accept", "text/event-stream")
}

fn with_one_delta(frames: &[Frame]) -> Vec<Frame> {
    let mut frames = frames.to_vec();
    frames.dedup_by(|next, before| next.event == "message.delta" && before.event == "message.delta");
    frames
}
