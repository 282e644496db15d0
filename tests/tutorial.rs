//! The tutorial's calls as it prints them, with its key, which nobody checks in mode none.

use serde_json::{Value, json};

use crate::app::{TestApp, text_of};
use crate::shapes::{id, keys, time};

const AUTHORIZATION: &str = "evr_your-api-key";

/// Calls as curl does: the body is the text that the tutorial passes with `-d`.
async fn curl(app: &TestApp, method: &str, path: &str, data: Option<&str>) -> (u16, Value) {
    let method = method.parse().unwrap();
    let mut request = app.http.request(method, app.url(path)).header("Authorization", AUTHORIZATION);
    if let Some(data) = data {
        request = request.header("Content-Type", "application/json").body(data.to_owned());
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() })
}

async fn create_agent(app: &TestApp) -> (u16, Value) {
    let data = r#"{
        "name": "Customer Support Agent",
        "description": "Handles customer inquiries",
        "system_prompt": "You are a helpful customer support agent. Be friendly, concise, and solve problems efficiently.",
        "tags": ["support", "customer-facing"]
    }"#;
    curl(app, "POST", "/v1/agents", Some(data)).await
}

/// A session with the tutorial's agent; its path.
async fn create_session(app: &TestApp) -> String {
    let agent_id = id(&create_agent(app).await.1["id"]);
    let (_, session) =
        curl(app, "POST", &format!("/v1/agents/{agent_id}/sessions"), Some(r#"{"title": "Support Chat #1234"}"#)).await;
    format!("/v1/agents/{agent_id}/sessions/{}", id(&session["id"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn health() {
    let app = TestApp::start().await;
    let response = app.http.get(app.url("/health")).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    let runner = if std::env::var("TEST_DATABASE_URL").is_ok() { "Postgres" } else { "InProcess" };
    let expected = format!(r#"{{"status":"ok","version":"0.1.0","runner_mode":"{runner}","auth_mode":"None"}}"#);
    assert_eq!(response.text().await.unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn agents() {
    let app = TestApp::start().await;
    let (status, agent) = create_agent(&app).await;
    assert_eq!(status, 201);
    let path = format!("/v1/agents/{}", id(&agent["id"]));
    let expected = json!({
        "id": agent["id"],
        "name": "Customer Support Agent",
        "description": "Handles customer inquiries",
        "system_prompt": "You are a helpful customer support agent. Be friendly, concise, and solve problems efficiently.",
        "tags": ["support", "customer-facing"],
        "status": "active",
        "created_at": agent["created_at"],
        "updated_at": agent["updated_at"],
    });
    assert_eq!((&agent, keys(&agent)), (&expected, keys(&expected)));
    assert!(time(&agent["created_at"]) <= time(&agent["updated_at"]));
    assert_eq!(curl(&app, "GET", "/v1/agents", None).await, (200, json!({ "data": [agent] })));
    assert_eq!(curl(&app, "GET", &path, None).await, (200, agent));
    let data = r#"{
        "name": "Updated Agent Name",
        "system_prompt": "Updated system prompt..."
    }"#;
    let (status, updated) = curl(&app, "PATCH", &path, Some(data)).await;
    assert_eq!((status, &updated["name"]), (200, &json!("Updated Agent Name")));
    assert_eq!(updated["system_prompt"], "Updated system prompt...");
    assert_eq!(updated["description"], "Handles customer inquiries");
    assert_eq!(curl(&app, "DELETE", &path, None).await, (204, Value::Null));
    assert_eq!(curl(&app, "GET", "/v1/agents", None).await, (200, json!({ "data": [] })));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions() {
    let app = TestApp::start().await;
    let agent = create_agent(&app).await.1;
    let path = format!("/v1/agents/{}/sessions", id(&agent["id"]));
    let data = r#"{
        "title": "Support Chat #1234"
    }"#;
    let (status, session) = curl(&app, "POST", &path, Some(data)).await;
    assert_eq!(status, 201);
    id(&session["id"]);
    time(&session["created_at"]);
    assert_eq!(session["agent_id"], agent["id"]);
    assert_eq!((&session["title"], &session["status"]), (&json!("Support Chat #1234"), &json!("pending")));
    assert_eq!(curl(&app, "GET", &path, None).await, (200, json!({ "data": [session] })));
    assert_eq!(curl(&app, "GET", &format!("{path}/{}", id(&session["id"])), None).await, (200, session));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages() {
    let app = TestApp::start().await;
    let session = create_session(&app).await;
    let path = format!("{session}/messages");
    let data = r#"{
        "role": "user",
        "content": {
            "text": "How do I reset my password?"
        }
    }"#;
    let (status, message) = curl(&app, "POST", &path, Some(data)).await;
    assert_eq!(status, 201);
    let expected = json!({
        "id": message["id"],
        "session_id": session.rsplit('/').next(),
        "sequence": 1,
        "role": "user",
        "content": { "text": "How do I reset my password?" },
        "created_at": message["created_at"],
    });
    assert_eq!((&message, keys(&message)), (&expected, keys(&expected)));
    app.sse(&session, None).await.until("session.completed").await;
    assert_eq!(curl(&app, "GET", &session, None).await.1["status"], "pending");
    let (status, list) = curl(&app, "GET", &path, None).await;
    assert_eq!((status, keys(&list)), (200, vec!["data"]));
    let answer = &list["data"][1];
    assert_eq!(list["data"], json!([message, answer]));
    assert_eq!((&answer["sequence"], &answer["role"]), (&json!(2), &json!("assistant")));
    assert!(answer["content"]["text"].as_str().unwrap().contains("How do I reset my password?"));
}

#[tokio::test(flavor = "multi_thread")]
async fn events() {
    let app = TestApp::start().await;
    let session = create_session(&app).await;
    let data = r#"{"role": "user", "content": {"text": "How do I reset my password?"}}"#;
    let (status, _) = curl(&app, "POST", &format!("{session}/messages"), Some(data)).await;
    assert_eq!(status, 201);
    let mut events = app.sse(&session, None).await.until("session.completed").await;
    let said = text_of(&events);
    events.dedup_by(|next, before| next.event == "message.delta" && before.event == "message.delta");
    let names: Vec<&str> = events.iter().map(|frame| frame.event.as_str()).collect();
    assert_eq!(names, ["session.started", "step.started", "message.delta", "message.created", "session.completed"]);
    let session_id = json!(session.rsplit('/').next());
    assert_eq!((&events[0].data["session_id"], &events[4].data["session_id"]), (&session_id, &session_id));
    assert_eq!(events[2].data["step_id"], json!(id(&events[1].data["step_id"])));
    assert!(events[2].data["delta"].is_string());
    let list = curl(&app, "GET", &format!("{session}/messages"), None).await.1;
    assert_eq!(events[3].data["message_id"], list["data"][1]["id"]);
    assert_eq!(list["data"][1]["content"]["text"], said);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_complete_example() {
    let app = TestApp::start().await;
    let data = r#"{
        "name": "Assistant",
        "system_prompt": "You are a helpful assistant."
    }"#;
    let agent = curl(&app, "POST", "/v1/agents", Some(data)).await.1;
    let sessions = format!("/v1/agents/{}/sessions", agent["id"].as_str().unwrap());
    let session = curl(&app, "POST", &sessions, Some(r#"{"title": "Test Chat"}"#)).await.1;
    let session = format!("{sessions}/{}", session["id"].as_str().unwrap());
    let messages = format!("{session}/messages");
    let data = r#"{
        "role": "user",
        "content": {"text": "Hello! What can you help me with?"}
    }"#;
    let message = curl(&app, "POST", &messages, Some(data)).await.1;
    assert!(message["id"].is_string());
    // The tutorial sleeps here for two seconds.
    app.sse(&session, None).await.until("session.completed").await;
    let conversation = curl(&app, "GET", &messages, None).await.1;
    let line =
        |said: &Value| format!("{}: {}", said["role"].as_str().unwrap(), said["content"]["text"].as_str().unwrap());
    let lines: Vec<String> = conversation["data"].as_array().unwrap().iter().map(line).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], "user: Hello! What can you help me with?");
    assert!(lines[1].starts_with("assistant: ") && lines[1].len() > 20, "{}", lines[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors() {
    let app = TestApp::start().await;
    let (status, body) = curl(&app, "POST", "/v1/agents", Some(r#"{"name": ""}"#)).await;
    assert_eq!((status, &body["status"]), (400, &json!(400)));
    assert_eq!(keys(&body), ["error", "status", "code", "field"]);
    let (status, body) = curl(&app, "GET", "/v1/agents/550e8400-e29b-41d4-a716-446655440000", None).await;
    assert_eq!((status, &body["status"], &body["error"]), (404, &json!(404), &json!("agent not found")));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_the_authorization_header_is_ignored() {
    let app = TestApp::start().await;
    for credentials in ["evr_your-api-key", "ApiKey evr_x", "Bearer evr_x", "Bearer a.b.c", "Basic YTpi", "", "é"] {
        let request = app.http.get(app.url("/v1/agents")).header("Authorization", credentials);
        assert_eq!(request.send().await.unwrap().status(), 200, "{credentials}");
        let request = app.http.post(app.url("/graphql")).header("Authorization", credentials);
        let response = request.json(&json!({ "query": "{ viewer { organization { name } } }" })).send().await.unwrap();
        let expected = json!({ "data": { "viewer": { "organization": { "name": "Default" } } } });
        assert_eq!(response.json::<Value>().await.unwrap(), expected, "{credentials}");
    }
}
