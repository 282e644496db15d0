//! Bad models of providers: each field of a new one and of a change.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Case, Given, Refusal, bad, case, graphql, graphql_only, json_body, rest_only, with_body};
use crate::shapes::as_input;

const CREATE: &str = "mutation Create($input: CreateLlmModelInput!) { createLlmModel(input: $input) { model { id } } }";
const UPDATE: &str = "mutation Update($input: UpdateLlmModelInput!) { updateLlmModel(input: $input) { model { id } } }";

const MODEL: Refusal = bad("model_id", "input.modelId");
const NAME: Refusal = bad("display_name", "input.displayName");
const WINDOW: Refusal = bad("context_window", "input.contextWindow");
const READ: Refusal = bad("input_price_per_million", "input.inputPricePerMillion");
const WRITTEN: Refusal = bad("output_price_per_million", "input.outputPricePerMillion");
const DEFAULT: Refusal = bad("is_default", "input.isDefault");
const STATUS: Refusal = bad("status", "input.status");

/// Bad values of a field that a new model and a change have: what is bad, the part of a body, and what is told.
fn values() -> Vec<(&'static str, Value, Refusal)> {
    vec![
        ("wrong type", json!({ "model_id": 7 }), MODEL),
        ("null", json!({ "model_id": null }), MODEL),
        ("empty", json!({ "model_id": "" }), MODEL),
        ("too long", json!({ "model_id": "é".repeat(256) }), MODEL),
        ("NUL", json!({ "model_id": "a\0" }), MODEL),
        ("wrong type", json!({ "display_name": ["a"] }), NAME),
        ("null", json!({ "display_name": null }), NAME),
        ("blank", json!({ "display_name": " " }), NAME),
        ("too long", json!({ "display_name": "é".repeat(256) }), NAME),
        ("NUL", json!({ "display_name": "\0" }), NAME),
        ("wrong type", json!({ "context_window": "many" }), WINDOW),
        ("none", json!({ "context_window": 0 }), WINDOW),
        ("negative", json!({ "context_window": -1 }), WINDOW),
        ("too large", json!({ "context_window": 2_147_483_648_i64 }), WINDOW),
        ("wrong type", json!({ "input_price_per_million": "1" }), READ),
        ("negative", json!({ "input_price_per_million": -0.01 }), READ),
        ("wrong type", json!({ "output_price_per_million": {} }), WRITTEN),
        ("negative", json!({ "output_price_per_million": -1 }), WRITTEN),
        ("wrong type", json!({ "is_default": 1 }), DEFAULT),
    ]
}

pub fn cases(given: &Given) -> Vec<Case> {
    let models = format!("/v1/llm-providers/{}/models", given.provider);
    let path = format!("/v1/llm-models/{}", given.model);
    let create = |body: &Value| {
        let mut input = as_input(body);
        input.insert("providerId".into(), json!(given.provider));
        graphql(CREATE, json!({ "input": input }))
    };
    let mut cases = Vec::new();
    let whole = values().into_iter().map(|(kind, part, refusal)| {
        let mut body = json!({ "model_id": "m", "display_name": "M" });
        body.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        (kind, body, refusal)
    });
    let missing =
        [("no model_id", json!({ "display_name": "M" }), MODEL), ("no name", json!({ "model_id": "m" }), NAME)];
    for (kind, body, refusal) in whole.chain(missing) {
        let rest = json_body(Method::POST, &models, &body);
        cases.push(case(format!("a new model: {kind}"), rest, create(&body), refusal));
    }
    let of_a_change = [
        ("null", json!({ "is_default": null }), DEFAULT),
        ("null", json!({ "status": null }), STATUS),
        ("wrong type", json!({ "status": {} }), STATUS),
        ("unknown word", json!({ "status": "archived" }), STATUS),
    ];
    for (kind, body, refusal) in values().into_iter().chain(of_a_change) {
        let mut input = as_input(&body);
        input.insert("id".into(), json!(given.model));
        if let Some(Value::String(word)) = input.get_mut("status") {
            word.make_ascii_uppercase();
        }
        let update = graphql(UPDATE, json!({ "input": input }));
        cases.push(case(format!("a model: {kind}"), json_body(Method::PATCH, &path, &body), update, refusal));
    }
    for window in ["1.5", "9223372036854775808"] {
        let rest = with_body(Method::PATCH, &path, "application/json", format!("{{\"context_window\":{window}}}"));
        cases.push(rest_only(format!("a context window of {window}"), rest, WINDOW));
    }
    let nobodys = json!({ "input": { "modelId": "m", "displayName": "M" } });
    cases.push(graphql_only("a model of no provider", graphql(CREATE, nobodys), bad("", "input.providerId")));
    cases
}
