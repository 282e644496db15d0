//! What each scope opens, on every route and operation: one table.

use serde_json::{Value, json};

use crate::app::{Caller, TestApp};

const SCOPES: [&str; 4] = ["agents:read", "agents:write", "sessions:read", "sessions:write"];

/// Method, path (of an agent `A` and a session `S`), body, and the scope that it takes.
fn routes() -> Vec<(&'static str, &'static str, Value, &'static str)> {
    let message = json!({ "role": "user", "content": { "text": "Hello" } });
    vec![
        ("GET", "/v1/agents", Value::Null, "agents:read"),
        ("POST", "/v1/agents", json!({ "name": "A", "system_prompt": "" }), "agents:write"),
        ("GET", "/v1/agents/A", Value::Null, "agents:read"),
        ("PATCH", "/v1/agents/A", json!({ "name": "B" }), "agents:write"),
        ("GET", "/v1/agents/A/sessions", Value::Null, "sessions:read"),
        ("POST", "/v1/agents/A/sessions", json!({}), "sessions:write"),
        ("GET", "/v1/agents/A/sessions/S", Value::Null, "sessions:read"),
        ("PATCH", "/v1/agents/A/sessions/S", json!({ "title": "T" }), "sessions:write"),
        ("POST", "/v1/agents/A/sessions/S/messages", message, "sessions:write"),
        ("GET", "/v1/agents/A/sessions/S/messages", Value::Null, "sessions:read"),
        ("GET", "/v1/agents/A/sessions/S/events", Value::Null, "sessions:read"),
        ("PUT", "/v1/agents/A/capabilities", json!({ "capability_ids": ["noop"] }), "agents:write"),
        ("PUT", "/v1/agents/A/sessions/S/files/a.txt", json!({ "content": "a" }), "sessions:write"),
        ("POST", "/v1/agents/A/sessions/S/cancel", json!({}), "sessions:write"),
        ("DELETE", "/v1/agents/A/sessions/S", Value::Null, "sessions:write"),
        ("DELETE", "/v1/agents/A", Value::Null, "agents:write"),
    ]
}

/// Operations likewise, and what they take beside each other.
const OPERATIONS: [(&str, &[&str]); 14] = [
    ("{ viewer { user { id } organization { id } scopes } }", &[]),
    ("{ agents { nodes { id } } }", &["agents:read"]),
    (r#"{ agent(id: "A") { id } }"#, &["agents:read"]),
    (r#"{ node(id: "A") { id } }"#, &["agents:read"]),
    (r#"{ node(id: "S") { id } }"#, &["sessions:read"]),
    ("{ sessions { nodes { id messages { nodes { id } } turns { nodes { id } } } } }", &["sessions:read"]),
    (r#"{ session(id: "S") { agent { id } } }"#, &["sessions:read", "agents:read"]),
    (r#"{ agent(id: "A") { sessions { nodes { id } } } }"#, &["agents:read", "sessions:read"]),
    (r#"mutation { updateAgent(input: { id: "A", name: "C" }) { agent { id } } }"#, &["agents:write"]),
    (r#"mutation { createSession(input: { agentId: "A" }) { session { id } } }"#, &["sessions:write"]),
    (r#"mutation { updateSession(input: { id: "S", title: "U" }) { session { id } } }"#, &["sessions:write"]),
    (r#"mutation { cancelTurn(input: { sessionId: "S" }) { __typename } }"#, &["sessions:write"]),
    (r#"mutation { deleteSession(input: { id: "S" }) { deletedSessionId } }"#, &["sessions:write"]),
    (r#"mutation { archiveAgent(input: { id: "A" }) { agent { id } } }"#, &["agents:write"]),
];

/// A caller with all, and keys with one scope each.
async fn begin(app: &TestApp) -> (Caller, Vec<(&'static str, Caller)>) {
    let ada = app.signed_in(&app.register("ada@example.com").await);
    let mut keys = Vec::new();
    for scope in SCOPES {
        keys.push((scope, ada.key(json!([scope])).await.1));
    }
    (ada, keys)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_takes_its_scope() {
    let app = TestApp::start_full().await;
    let (ada, keys) = begin(&app).await;
    for (method, path, body, needed) in routes() {
        let (session, session_id) = ada.session().await;
        let agent_id = session.split('/').nth(3).unwrap().to_owned();
        let path = path.replace("/A", &format!("/{agent_id}")).replace("/S", &format!("/{session_id}"));
        for (scope, key) in
            keys.iter().filter(|(scope, _)| *scope != needed).chain(keys.iter().filter(|(scope, _)| *scope == needed))
        {
            let mut request =
                key.http.request(method.parse().unwrap(), key.url(&path)).header("accept", "application/json");
            if !body.is_null() {
                request = request.json(&body);
            }
            let answer = crate::app::answer(request).await;
            if *scope == needed {
                assert!(answer.status < 300, "{method} {path} with {scope}: {} {}", answer.status, answer.body);
            } else {
                let text = format!("the credential lacks the scope {needed}");
                let expected = json!({ "error": text, "status": 403, "code": "FORBIDDEN" });
                assert_eq!((answer.status, answer.body), (403, expected), "{method} {path} with {scope}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_takes_the_scopes_of_all_that_it_enters() {
    let app = TestApp::start_full().await;
    let (ada, keys) = begin(&app).await;
    for (query, needed) in OPERATIONS {
        let (session, session_id) = ada.session().await;
        let agent_id = session.split('/').nth(3).unwrap().to_owned();
        let query = query.replace("\"A\"", &format!("\"{agent_id}\"")).replace("\"S\"", &format!("\"{session_id}\""));
        for (scope, key) in &keys {
            let suffices = needed.iter().all(|needed| needed == scope);
            if suffices && query.starts_with("mutation") {
                continue;
            }
            let code = super::code(key, &query).await;
            assert_eq!(code.as_deref(), (!suffices).then_some("FORBIDDEN"), "{query} with {scope}");
        }
        if !needed.is_empty() {
            let all = ada.key(json!(needed)).await.1;
            assert_eq!(super::code(&all, &query).await, None, "{query}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_takes_the_scope_of_sessions() {
    let app = TestApp::start_full().await;
    let (ada, keys) = begin(&app).await;
    let (path, _) = ada.session().await;
    for (scope, key) in &keys {
        let request = key.http.get(key.url(&format!("{path}/events"))).header("accept", "text/event-stream");
        let status = request.send().await.unwrap().status().as_u16();
        assert_eq!(status, if *scope == "sessions:read" { 200 } else { 403 }, "{scope}");
    }
}
