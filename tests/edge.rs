//! What stands before the schema, asked from outside: HTTP, WebSockets, Host and Origin, the pages.

mod http;
mod origin;
mod pages;
mod socket_clock;
mod sockets;
mod websocket;

use serde_json::{Value, json};

use crate::app::TestApp;

/// An operation over POST, without variables; what it answers.
async fn ask(app: &TestApp, query: &str) -> Value {
    let response = app.http.post(app.url("/graphql")).json(&json!({ "query": query })).send().await.unwrap();
    response.json().await.unwrap()
}

/// A new session of a new agent; its id.
async fn new_session(app: &TestApp) -> String {
    let agent = ask(app, r#"mutation { createAgent(input: {name: "A", systemPrompt: ""}) { agent { id } } }"#).await;
    let agent_id = agent["data"]["createAgent"]["agent"]["id"].as_str().unwrap();
    let session =
        ask(app, &format!(r#"mutation {{ createSession(input: {{agentId: "{agent_id}"}}) {{ session {{ id }} }} }}"#))
            .await;
    session["data"]["createSession"]["session"]["id"].as_str().unwrap().to_owned()
}

/// Two short texts that would kill or stall the server, were they parsed and validated.
fn killers() -> [String; 2] {
    let nested = format!("{{ a(x: {}{}) }}", "[".repeat(2_000), "]".repeat(2_000));
    let mut doubling = "{ ...F0 }".to_owned();
    for index in 0..20 {
        doubling += &format!("fragment F{index} on Query{{...F{0} ...F{0}}}", index + 1);
    }
    [nested, doubling + "fragment F20 on Query{__typename}"]
}
