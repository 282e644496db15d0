//! Ids of models in agents, sessions and messages.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Case, Given, NO_AGENT, Refusal, bad, case, graphql, json_body};
use crate::shapes::as_input;

const CREATE_AGENT: &str = "mutation Create($input: CreateAgentInput!) { createAgent(input: $input) { agent { id } } }";
const UPDATE_AGENT: &str = "mutation Update($input: UpdateAgentInput!) { updateAgent(input: $input) { agent { id } } }";
const CREATE: &str = "mutation Create($input: CreateSessionInput!) { createSession(input: $input) { session { id } } }";
const UPDATE: &str = "mutation Update($input: UpdateSessionInput!) { updateSession(input: $input) { session { id } } }";
const SEND: &str = "mutation Send($input: SendMessageInput!) { sendMessage(input: $input) { message { id } } }";

pub fn cases(given: &Given) -> Vec<Case> {
    let ids = [
        ("of nothing", json!(NO_AGENT)),
        ("of an agent", json!(given.agent)),
        ("of a provider", json!(given.provider)),
        ("that is none", json!("gpt-4")),
        ("that is empty", json!("")),
        ("with NUL", json!("\0")),
        ("that is a number", json!(7)),
        ("that is an object", json!({ "id": given.model })),
        ("that is a list", json!([given.model])),
    ];
    let mut cases = Vec::new();
    for (kind, id) in ids {
        cases.extend(of_agents(given, kind, &id));
        cases.extend(of_sessions(given, kind, &id));
    }
    cases
}

fn of_agents(given: &Given, kind: &str, id: &Value) -> [Case; 2] {
    let refusal = bad("default_model_id", "input.defaultModelId");
    let new = json!({ "name": "Bad", "system_prompt": "", "default_model_id": id });
    let create = graphql(CREATE_AGENT, json!({ "input": as_input(&new) }));
    let update = graphql(UPDATE_AGENT, json!({ "input": { "id": given.agent, "defaultModelId": id } }));
    let change = json_body(Method::PATCH, &given.agent_path, &json!({ "default_model_id": id }));
    [
        case(format!("a new agent's model {kind}"), json_body(Method::POST, "/v1/agents", &new), create, refusal),
        case(format!("an agent's model {kind}"), change, update, refusal),
    ]
}

fn of_sessions(given: &Given, kind: &str, id: &Value) -> [Case; 3] {
    let refusal: Refusal = bad("model_id", "input.modelId");
    let body = json!({ "model_id": id });
    let create = graphql(CREATE, json!({ "input": { "agentId": given.agent, "modelId": id } }));
    let update = graphql(UPDATE, json!({ "input": { "id": given.session, "modelId": id } }));
    let content = json!([{ "text": "a" }]);
    let send = json!({ "input": { "sessionId": given.session, "modelId": id, "content": content } });
    let said = json!({ "role": "user", "content": "a", "model_id": id });
    let (sessions, messages) = (format!("{}/sessions", given.agent_path), format!("{}/messages", given.session_path));
    [
        case(format!("a new session's model {kind}"), json_body(Method::POST, &sessions, &body), create, refusal),
        case(
            format!("a session's model {kind}"),
            json_body(Method::PATCH, &given.session_path, &body),
            update,
            refusal,
        ),
        case(
            format!("a message's model {kind}"),
            json_body(Method::POST, &messages, &said),
            graphql(SEND, send),
            refusal,
        ),
    ]
}
