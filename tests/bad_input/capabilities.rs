//! Bad lists of capabilities. What is said of an unknown, repeated or coming one is in tests/capabilities.rs.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Case, Given, bad, case, graphql, graphql_only, json_body, rest_only};

const SET: &str =
    "mutation Set($input: SetAgentCapabilitiesInput!) { setAgentCapabilities(input: $input) { agent { id } } }";

pub fn cases(given: &Given) -> Vec<Case> {
    let path = format!("{}/capabilities", given.agent_path);
    let put = |body: Value| json_body(Method::PUT, &path, &body);
    let set = |ids: &Value| graphql(SET, json!({ "input": { "agentId": given.agent, "capabilityIds": ids } }));
    let ids = bad("capability_ids", "input.capabilityIds");
    let mut cases = Vec::new();
    for (kind, value, refusal) in [
        ("null", Value::Null, ids),
        ("wrong type", json!({ "noop": true }), ids),
        ("wrong type within", json!(["current_time", 7]), bad("capability_ids[1]", "input.capabilityIds.1")),
        ("null within", json!([null]), bad("capability_ids[0]", "input.capabilityIds.0")),
        ("empty within", json!(["current_time", ""]), ids),
        ("NUL within", json!(["noop\0"]), ids),
        ("in capitals", json!(["NOOP"]), ids),
        ("too long within", json!(["x".repeat(1024 * 1024)]), ids),
        ("far too many", json!(vec!["noop"; 100_000]), ids),
    ] {
        let rest = put(json!({ "capability_ids": value }));
        cases.push(case(format!("capabilities: {kind}"), rest, set(&value), refusal));
    }
    // GraphQL takes one for a list of one.
    cases.push(rest_only("capabilities: no list", put(json!({ "capability_ids": "current_time" })), ids));
    cases.push(rest_only("capabilities: missing", put(json!({})), ids));
    let twice = put(json!({ "capability_ids": [], "capabilities": [] }));
    cases.push(rest_only("capabilities: by both names", twice, ids));
    let missing = graphql(SET, json!({ "input": { "agentId": given.agent } }));
    cases.push(graphql_only("capabilities: missing", missing, ids));
    cases
}
