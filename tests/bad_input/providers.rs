//! Bad providers of models: each field of a new one and of a change.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{Case, Given, Refusal, bad, case, graphql, graphql_only, json_body, rest_only};
use crate::shapes::as_input;

const CREATE: &str =
    "mutation Create($input: CreateLlmProviderInput!) { createLlmProvider(input: $input) { provider { id } } }";
const UPDATE: &str =
    "mutation Update($input: UpdateLlmProviderInput!) { updateLlmProvider(input: $input) { provider { id } } }";
const PATH: &str = "/v1/llm-providers";

const NAME: Refusal = bad("name", "input.name");
const KIND: Refusal = bad("provider_type", "input.providerType");
const URL: Refusal = bad("base_url", "input.baseUrl");
const KEY: Refusal = bad("api_key", "input.apiKey");
const DEFAULT: Refusal = bad("is_default", "input.isDefault");
const STATUS: Refusal = bad("status", "input.status");

/// Bad values of a field that a new provider and a change have: what is bad, the part of a body, and what is told.
fn values() -> Vec<(&'static str, Value, Refusal)> {
    let long = |length: usize| format!("http://host/{}", "a".repeat(length - 12));
    vec![
        ("wrong type", json!({ "name": 7 }), NAME),
        ("null", json!({ "name": null }), NAME),
        ("empty", json!({ "name": "" }), NAME),
        ("blank", json!({ "name": " \t\n" }), NAME),
        ("too long", json!({ "name": "é".repeat(256) }), NAME),
        ("NUL", json!({ "name": "a\0" }), NAME),
        ("wrong type", json!({ "base_url": 7 }), URL),
        ("empty", json!({ "base_url": "" }), URL),
        ("NUL", json!({ "base_url": "http://host/\0" }), URL),
        ("no scheme", json!({ "base_url": "host/v1" }), URL),
        ("no host", json!({ "base_url": "http:///" }), URL),
        ("another scheme", json!({ "base_url": "ftp://host/v1" }), URL),
        ("a file", json!({ "base_url": "file:///etc/passwd" }), URL),
        ("a user", json!({ "base_url": "http://user@host/v1" }), URL),
        ("a password", json!({ "base_url": "http://:password@host/v1" }), URL),
        ("a query", json!({ "base_url": "http://host/v1?key=1" }), URL),
        ("a fragment", json!({ "base_url": "http://host/v1#top" }), URL),
        ("too long", json!({ "base_url": long(2049) }), URL),
        ("link-local", json!({ "base_url": "http://169.254.169.254/latest" }), URL),
        ("link-local of IPv6", json!({ "base_url": "http://[fe80::1]/v1" }), URL),
        ("link-local as a number", json!({ "base_url": "http://0xa9fea9fe/v1" }), URL),
        ("link-local within IPv6", json!({ "base_url": "http://[::ffff:169.254.169.254]/v1" }), URL),
        ("wrong type", json!({ "api_key": 7 }), KEY),
        ("wrong type", json!({ "api_key": ["a"] }), KEY),
        ("empty", json!({ "api_key": "" }), KEY),
        ("blank within", json!({ "api_key": "with space" }), KEY),
        ("a line's end", json!({ "api_key": "line\n" }), KEY),
        ("NUL", json!({ "api_key": "a\0" }), KEY),
        ("no ASCII", json!({ "api_key": "ключ" }), KEY),
        ("too long", json!({ "api_key": "a".repeat(4097) }), KEY),
        ("wrong type", json!({ "is_default": 1 }), DEFAULT),
        ("wrong type", json!({ "is_default": "true" }), DEFAULT),
    ]
}

/// Bad new providers.
fn bodies() -> Vec<(&'static str, Value, Refusal)> {
    let of = |kind: Value| json!({ "name": "A", "provider_type": kind });
    let simulator = |field: &str, text: &str| json!({ "name": "A", "provider_type": "llmsim", field: text });
    vec![
        ("no name", json!({ "provider_type": "openai" }), NAME),
        ("no type", json!({ "name": "A" }), KIND),
        ("null for type", of(Value::Null), KIND),
        ("a number as type", of(json!(7)), KIND),
        ("an unknown type", of(json!("closedai")), KIND),
        ("azure_openai nowhere", of(json!("azure_openai")), URL),
        ("ollama nowhere", of(json!("ollama")), URL),
        ("openai_compatible nowhere", of(json!("openai_compatible")), URL),
        ("llmsim somewhere", simulator("base_url", "http://host/v1"), URL),
        ("llmsim with a key", simulator("api_key", "a"), KEY),
    ]
}

/// A body as GraphQL takes it.
fn input(body: &Value) -> Map<String, Value> {
    let mut input = as_input(body);
    for word in ["providerType", "status"] {
        if let Some(Value::String(text)) = input.get_mut(word) {
            text.make_ascii_uppercase();
        }
    }
    input
}

pub fn cases(given: &Given) -> Vec<Case> {
    let mut cases = Vec::new();
    let whole = values().into_iter().map(|(kind, part, refusal)| {
        let mut body = json!({ "name": "A", "provider_type": "openai" });
        body.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        (kind, body, refusal)
    });
    for (kind, body, refusal) in whole.chain(bodies()) {
        let create = graphql(CREATE, json!({ "input": input(&body) }));
        cases.push(case(format!("a new provider: {kind}"), json_body(Method::POST, PATH, &body), create, refusal));
    }
    let path = format!("{PATH}/{}", given.provider);
    let of_a_change = [
        ("null", json!({ "is_default": null }), DEFAULT),
        ("null", json!({ "status": null }), STATUS),
        ("wrong type", json!({ "status": 1 }), STATUS),
        ("unknown word", json!({ "status": "archived" }), STATUS),
    ];
    for (kind, body, refusal) in values().into_iter().chain(of_a_change) {
        let mut input = input(&body);
        input.insert("id".into(), json!(given.provider));
        let update = graphql(UPDATE, json!({ "input": input }));
        cases.push(case(format!("a provider: {kind}"), json_body(Method::PATCH, &path, &body), update, refusal));
    }
    let capitals = json!({ "name": "A", "provider_type": "OPENAI" });
    cases.push(rest_only("a type in capitals", json_body(Method::POST, PATH, &capitals), KIND));
    let capitals = json_body(Method::PATCH, &path, &json!({ "status": "DISABLED" }));
    cases.push(rest_only("a status in capitals", capitals, STATUS));
    let other_type = json!({ "input": { "id": given.provider, "providerType": "OLLAMA" } });
    cases.push(graphql_only("another type for a provider", graphql(UPDATE, other_type), KIND));
    cases
}
