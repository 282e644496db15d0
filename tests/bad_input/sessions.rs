//! Bad sessions: each field of a new one and of a change.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Case, Given, NOT_FOUND, Refusal, bad, case, graphql, graphql_only, json_body};
use crate::shapes::as_input;

const CREATE: &str = "mutation Create($input: CreateSessionInput!) { createSession(input: $input) { session { id } } }";
const UPDATE: &str = "mutation Update($input: UpdateSessionInput!) { updateSession(input: $input) { session { id } } }";
const LIST: &str = "query List($filter: SessionFilter) { sessions(filter: $filter) { nodes { id } } }";
const CANCEL: &str = "mutation Cancel($input: CancelTurnInput!) { cancelTurn(input: $input) { session { id } } }";
const EVENTS: &str =
    "query Events($id: ID!, $types: [EventType!]) { session(id: $id) { events(types: $types) { nodes { type } } } }";

/// Bad values of a field that a new session and a change have: what is bad, the field, the value, and what is told.
fn values() -> Vec<(&'static str, &'static str, Value, Refusal)> {
    let title = bad("title", "input.title");
    let tags = bad("tags", "input.tags");
    vec![
        ("wrong type", "title", json!(7), title),
        ("too long", "title", json!("é".repeat(256)), title),
        ("NUL", "title", json!("a\0b"), title),
        ("wrong type", "tags", json!({ "a": "b" }), tags),
        ("wrong type within", "tags", json!([7]), bad("tags[0]", "input.tags.0")),
        ("too many", "tags", json!(vec!["a"; 51]), tags),
        ("empty within", "tags", json!([""]), tags),
        ("too long within", "tags", json!(["é".repeat(65)]), tags),
        ("NUL within", "tags", json!(["\0"]), tags),
    ]
}

pub fn cases(given: &Given) -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, field, value, refusal) in values() {
        let body = json!({ field: value });
        let mut input = as_input(&body);
        input.insert("agentId".into(), json!(given.agent));
        let rest = json_body(Method::POST, &format!("{}/sessions", given.agent_path), &body);
        let graphql = graphql(CREATE, json!({ "input": input }));
        cases.push(case(format!("a new session's {field}: {kind}"), rest, graphql, refusal));
    }
    let null = ("null", "tags", Value::Null, bad("tags", "input.tags"));
    for (kind, field, value, refusal) in values().into_iter().chain([null]) {
        let body = json!({ field: value });
        let mut input = as_input(&body);
        input.insert("id".into(), json!(given.session));
        let rest = json_body(Method::PATCH, &given.session_path, &body);
        let graphql = graphql(UPDATE, json!({ "input": input }));
        cases.push(case(format!("a session's {field}: {kind}"), rest, graphql, refusal));
    }
    cases.extend(in_graphql(given));
    cases
}

/// What only GraphQL can be asked.
fn in_graphql(given: &Given) -> Vec<Case> {
    let both = json!({ "input": { "sessionId": given.session, "turnId": given.session } });
    let types = |types: Value| graphql(EVENTS, json!({ "id": given.session, "types": types }));
    vec![
        graphql_only("a session of nobody", graphql(CREATE, json!({ "input": {} })), bad("", "input.agentId")),
        graphql_only(
            "an unknown status to find sessions by",
            graphql(LIST, json!({ "filter": { "status": "ASLEEP" } })),
            bad("status", "filter.status"),
        ),
        graphql_only(
            "NUL in a tag to find sessions by",
            graphql(LIST, json!({ "filter": { "tag": "\0" } })),
            bad("tag", "filter.tag"),
        ),
        graphql_only("a session and a turn to cancel", graphql(CANCEL, both), bad("", "input.sessionId")),
        graphql_only("nothing to cancel", graphql(CANCEL, json!({ "input": {} })), bad("", "input.sessionId")),
        graphql_only(
            "an unknown turn to cancel",
            graphql(CANCEL, json!({ "input": { "turnId": given.session } })),
            NOT_FOUND,
        ),
        graphql_only("an unknown type of event", types(json!(["CAUGHT_UP", "NAP"])), bad("", "types.1")),
        graphql_only("a number as type of event", types(json!([7])), bad("", "types.0")),
    ]
}
