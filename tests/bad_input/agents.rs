//! Bad agents: each field of a new one and of a change.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{
    Case, Given, NO_AGENT, NOT_FOUND, Refusal, bad, case, graphql, graphql_only, json_body, rest_only, unreadable,
};
use crate::shapes::as_input;

const CREATE: &str = "mutation Create($input: CreateAgentInput!) { createAgent(input: $input) { agent { id } } }";
const UPDATE: &str = "mutation Update($input: UpdateAgentInput!) { updateAgent(input: $input) { agent { id } } }";
const LIST: &str = "query List($filter: AgentFilter) { agents(filter: $filter) { nodes { id } } }";

/// Bad values of a field that a new agent and a change have: what is bad, the field, the value, and what is told.
fn values() -> Vec<(&'static str, &'static str, Value, Refusal)> {
    let name = bad("name", "input.name");
    let prompt = bad("system_prompt", "input.systemPrompt");
    let description = bad("description", "input.description");
    let tags = bad("tags", "input.tags");
    vec![
        ("wrong type", "name", json!(7), name),
        ("wrong type", "name", json!({}), name),
        ("null", "name", Value::Null, name),
        ("empty", "name", json!(""), name),
        ("blank", "name", json!(" \t\n"), name),
        ("too long", "name", json!("é".repeat(256)), name),
        ("NUL", "name", json!("a\0b"), name),
        ("wrong type", "system_prompt", json!(["a"]), prompt),
        ("null", "system_prompt", Value::Null, prompt),
        ("too long", "system_prompt", json!("x".repeat(1024 * 1024 + 1)), prompt),
        ("NUL", "system_prompt", json!("\0"), prompt),
        ("wrong type", "description", json!(true), description),
        ("too long", "description", json!("x".repeat(10 * 1024 + 1)), description),
        ("NUL", "description", json!("\0"), description),
        ("wrong type", "tags", json!({ "a": "b" }), tags),
        ("wrong type within", "tags", json!(["a", 7]), bad("tags[1]", "input.tags.1")),
        ("null within", "tags", json!([null]), bad("tags[0]", "input.tags.0")),
        ("too many", "tags", json!(vec!["a"; 51]), tags),
        ("empty within", "tags", json!(["a", ""]), tags),
        ("too long within", "tags", json!(["é".repeat(65)]), tags),
        ("NUL within", "tags", json!(["\0"]), tags),
    ]
}

/// Bad values that only a change has.
fn values_of_a_change() -> Vec<(&'static str, &'static str, Value, Refusal)> {
    let status = bad("status", "input.status");
    vec![
        ("null", "tags", Value::Null, bad("tags", "input.tags")),
        ("null", "status", Value::Null, status),
        ("wrong type", "status", json!(1), status),
        ("unknown word", "status", json!("paused"), status),
    ]
}

pub fn cases(given: &Given) -> Vec<Case> {
    let whole = json!({ "name": "Bad", "system_prompt": "" });
    let mut cases = Vec::new();
    for (kind, field, value, refusal) in values() {
        let mut body = whole.clone();
        body[field] = value;
        let variables = json!({ "input": as_input(&body) });
        cases.push(case(
            format!("a new agent's {field}: {kind}"),
            json_body(Method::POST, "/v1/agents", &body),
            graphql(CREATE, variables),
            refusal,
        ));
    }
    for (kind, field, value, refusal) in values().into_iter().chain(values_of_a_change()) {
        let body = json!({ field: value });
        cases.push(change(given, format!("an agent's {field}: {kind}"), &body, refusal));
    }
    for (missing, refusal) in
        [("name", bad("name", "input.name")), ("system_prompt", bad("system_prompt", "input.systemPrompt"))]
    {
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(missing);
        let variables = json!({ "input": as_input(&body) });
        let rest = json_body(Method::POST, "/v1/agents", &body);
        cases.push(case(format!("a new agent without {missing}"), rest, graphql(CREATE, variables), refusal));
    }
    cases.extend(in_one_face());
    cases
}

fn change(given: &Given, kind: String, body: &Value, refusal: Refusal) -> Case {
    let mut input: Map<String, Value> = as_input(body);
    input.insert("id".into(), json!(given.agent));
    let rest = json_body(Method::PATCH, &given.agent_path, body);
    case(kind, rest, graphql(UPDATE, json!({ "input": input })), refusal)
}

/// What only one face can be asked.
fn in_one_face() -> Vec<Case> {
    let unknown = json!({ "input": { "name": "Bad", "systemPrompt": "", "colour": "red" } });
    let change = json!({ "input": { "id": NO_AGENT, "name": "" } });
    vec![
        graphql_only("an unknown field", graphql(CREATE, unknown), bad("colour", "input.colour")),
        graphql_only("no input", graphql(CREATE, json!({})), bad("", "input")),
        graphql_only("null for input", graphql(CREATE, json!({ "input": null })), bad("", "input")),
        graphql_only("a list for input", graphql(CREATE, json!({ "input": [] })), unreadable(400)),
        graphql_only(
            "an unknown status to find agents by",
            graphql(LIST, json!({ "filter": { "status": "PAUSED" } })),
            bad("status", "filter.status"),
        ),
        graphql_only(
            "a number as tag to find agents by",
            graphql(LIST, json!({ "filter": { "tag": 7 } })),
            bad("tag", "filter.tag"),
        ),
        graphql_only(
            "NUL in a tag to find agents by",
            graphql(LIST, json!({ "filter": { "tag": "a\0" } })),
            bad("tag", "filter.tag"),
        ),
        graphql_only("a bad change of an unknown agent", graphql(UPDATE, change), bad("name", "input.name")),
        rest_only(
            "a change of an unknown agent",
            json_body(Method::PATCH, &format!("/v1/agents/{NO_AGENT}"), &json!({})),
            NOT_FOUND,
        ),
    ]
}
