//! Bad idempotency keys, in everything that takes one, and bad words for what a busy session shall do.

use reqwest::Method;
use reqwest::header::HeaderName;
use serde_json::{Value, json};

use super::{Case, Given, Refusal, Rest, bad, case, graphql, graphql_only, json_body, rest_only};
use crate::shapes::as_input;

const AGENT: &str = "mutation($input: CreateAgentInput!) { createAgent(input: $input) { replayed } }";
const SESSION: &str = "mutation($input: CreateSessionInput!) { createSession(input: $input) { replayed } }";
const PROVIDER: &str = "mutation($input: CreateLlmProviderInput!) { createLlmProvider(input: $input) { replayed } }";
const MODEL: &str = "mutation($input: CreateLlmModelInput!) { createLlmModel(input: $input) { replayed } }";
const SEND: &str = "mutation($input: SendMessageInput!) { sendMessage(input: $input) { replayed } }";
const KEY: &str = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { key } }";
const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const REFUSED: Refusal = bad("Idempotency-Key", "input.idempotencyKey");

pub fn cases(given: &Given) -> Vec<Case> {
    let (agent, session, provider) = (&given.agent, &given.session, &given.provider);
    let messages = format!("{}/messages", given.session_path);
    let said = json!({ "role": "user", "content": "a" });
    let content = json!([{ "text": "a" }]);
    let changes = [
        ("/v1/agents", json!({ "name": "A", "system_prompt": "" }), AGENT, json!({ "name": "A", "systemPrompt": "" })),
        (&format!("{}/sessions", given.agent_path), json!({}), SESSION, json!({ "agentId": agent })),
        (
            "/v1/llm-providers",
            json!({ "name": "A", "provider_type": "llmsim" }),
            PROVIDER,
            json!({ "name": "A", "providerType": "LLMSIM" }),
        ),
        (
            &format!("/v1/llm-providers/{provider}/models"),
            json!({ "model_id": "m", "display_name": "M" }),
            MODEL,
            json!({ "providerId": provider, "modelId": "m", "displayName": "M" }),
        ),
        (&messages, said.clone(), SEND, json!({ "sessionId": session, "content": content })),
    ];
    let mut cases: Vec<Case> =
        changes.iter().flat_map(|(path, body, document, input)| of(path, body, document, input)).collect();
    for word in ["wait", "REJECT", "", "reject,interrupt"] {
        let rest = json_body(Method::POST, &format!("{messages}?when_busy={word}"), &said);
        cases.push(rest_only(format!("when busy: {word}"), rest, bad("when_busy", "")));
    }
    for word in [json!("WAIT"), json!("reject"), Value::Null, json!(1)] {
        let input = json!({ "input": { "sessionId": session, "content": content, "whenBusy": word } });
        cases.push(graphql_only(format!("when busy: {word}"), graphql(SEND, input), bad("", "input.whenBusy")));
    }
    cases
}

/// The same of what only a signed-in user makes.
pub fn of_api_keys() -> Vec<Case> {
    let body = json!({ "name": "A" });
    of("/v1/auth/api-keys", &body, KEY, &Value::Object(as_input(&body)))
}

fn of(path: &str, body: &Value, document: &'static str, input: &Value) -> Vec<Case> {
    let asked = |key: &Value| {
        let mut input = input.clone();
        input["idempotencyKey"] = key.clone();
        graphql(document, json!({ "input": input }))
    };
    let mut cases = Vec::new();
    for (kind, key) in [("empty", String::new()), ("too long", "k".repeat(256)), ("not ASCII", "clé".into())] {
        let asked = asked(&json!(key));
        cases.push(case(format!("{path}: a key that is {kind}"), with_key(path, body, &key), asked, REFUSED));
    }
    cases.push(rest_only(format!("{path}: a tab in a key"), with_key(path, body, "a\tb"), REFUSED));
    for key in [json!("a\nb"), json!("\u{7f}"), json!("\0"), json!(7), json!(["k"])] {
        cases.push(graphql_only(format!("{path}: {key} as a key"), asked(&key), bad("", "input.idempotencyKey")));
    }
    cases
}

fn with_key(path: &str, body: &Value, key: &str) -> Rest {
    let mut rest = json_body(Method::POST, path, body);
    rest.headers.push((HEADER, key.to_owned()));
    rest
}
