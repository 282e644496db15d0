//! A database that is away, or has no room: what callers are told meanwhile, and what is there afterwards.

mod away;
mod full_disk;
mod ready;

use reqwest::header::RETRY_AFTER;
use serde_json::{Value, json};

use crate::app::{Answer, Caller};

/// The body of a message with this text.
fn message(text: &str) -> Value {
    json!({ "role": "user", "content": { "text": text } })
}

/// Fails unless the answer says that it cannot be done now, and when to try again.
fn assert_unavailable(answer: &Answer) {
    assert_eq!((answer.status, &answer.body["code"]), (503, &json!("UNAVAILABLE")), "{}", answer.body);
    assert_eq!(answer.headers[RETRY_AFTER], "1");
}

/// Fails unless GraphQL says the same.
async fn assert_refused(caller: &Caller, query: &str, variables: Value) {
    let error = caller.refused(query, variables).await;
    assert_eq!(error["extensions"], json!({ "code": "UNAVAILABLE", "retryAfter": 1 }), "{error}");
}
