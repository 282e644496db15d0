//! Who may ask: modes, logins, API keys, cookies, and the end of all of them.

mod browsers;
mod credentials;
mod introspection;
mod keys;
mod logins;
mod modes;
mod refreshes;
mod scopes;
mod sign_ups;
mod socket;
mod streams;

use serde_json::{Value, json};

use crate::app::{Answer, Caller};

const AGENTS: &str = "{ agents { nodes { id } } }";

/// The code that GraphQL refuses this with; nothing where it answers.
async fn code(caller: &Caller, query: &str) -> Option<String> {
    let body = caller.graphql(query, json!({})).await.body;
    body["errors"][0]["extensions"]["code"].as_str().map(str::to_owned)
}

/// Both faces refuse the caller for want of a good credential.
async fn assert_unknown(caller: &Caller) {
    let answer = caller.get("/v1/agents").await;
    let body = json!({ "error": "credentials are missing or not valid", "status": 401, "code": "UNAUTHENTICATED" });
    assert_eq!((answer.status, answer.body), (401, body));
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
    assert_eq!(code(caller, AGENTS).await.as_deref(), Some("UNAUTHENTICATED"));
}

/// Both faces answer the caller.
async fn assert_known(caller: &Caller) {
    assert_eq!(caller.get("/v1/agents").await.status, 200);
    assert_eq!(code(caller, AGENTS).await, None);
}

/// A refusal's status, code and field.
fn refusal(answer: &Answer) -> (u16, Option<&str>, Option<&str>) {
    (answer.status, answer.body["code"].as_str(), answer.body["field"].as_str())
}

/// A GraphQL error's code and field.
fn refused(error: &Value) -> (Option<&str>, Option<&str>) {
    (error["extensions"]["code"].as_str(), error["extensions"]["field"].as_str())
}
