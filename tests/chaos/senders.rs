//! Clients that send messages for ever: each message with a key of its own, tried again on any replica until one says 201.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::replicas::Replicas;
use crate::app::{Caller, PATIENCE};

/// How long a request waits for its answer: longer than any outage here, shorter than a test's patience.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// Before the next try. Shorter than what Retry-After asks for: an impatient client is the worse one.
const PAUSE: Duration = Duration::from_millis(100);

/// A session that somebody talks in.
#[derive(Clone, Debug)]
pub struct Talk {
    /// Under /v1.
    pub path: String,
    pub session_id: String,
}

/// A message and what its sender was told.
#[derive(Clone, Debug)]
pub struct Sent {
    pub session_id: String,
    pub text: String,
    /// Words of the last step that answers it.
    pub words: usize,
    /// The message's id, once somebody said 201.
    pub message_id: Option<String>,
    /// Requests without an answer, or with one that leaves open whether it was stored.
    pub unsure: usize,
}

impl Sent {
    /// Nobody has been asked yet. The text is this prompt and a label that no other message has.
    pub fn new(talk: &Talk, prompt: &str, words: usize, label: &str) -> Self {
        let (session_id, text) = (talk.session_id.clone(), format!("{prompt} words={words} {label}"));
        Self { session_id, text, words, message_id: None, unsure: 0 }
    }
}

/// Sends it until it is acknowledged, each time to any replica that is up.
pub async fn send(replicas: &Arc<Replicas>, random: &mut StdRng, talk: &Talk, mut sent: Sent) -> Sent {
    let key = format!("key-{:016x}", random.random::<u64>());
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "{} was never acknowledged: {}", sent.text, replicas.logs());
        let posted = match replicas.any_caller(random) {
            Some(caller) => post(&caller, talk, &sent.text, &key).await,
            None => Posted::NotReached,
        };
        match posted {
            Posted::Stored { message_id } => {
                sent.message_id = Some(message_id);
                return sent;
            }
            Posted::Unsure => sent.unsure += 1,
            Posted::NotReached => {}
        }
        sleep(PAUSE).await;
    }
}

enum Posted {
    /// 201.
    Stored { message_id: String },
    /// It may be stored or not.
    Unsure,
    /// Nobody was there.
    NotReached,
}

async fn post(caller: &Caller, talk: &Talk, text: &str, key: &str) -> Posted {
    let body = json!({ "role": "user", "content": { "text": text } });
    let request = caller.http.post(caller.url(&format!("{}/messages", talk.path))).timeout(ANSWER_WAIT);
    let response = match request.header("idempotency-key", key).json(&body).send().await {
        Ok(response) => response,
        Err(error) if error.is_connect() => return Posted::NotReached,
        Err(_) => return Posted::Unsure,
    };
    let (status, waits) = (response.status().as_u16(), response.headers().contains_key("retry-after"));
    let Ok(body) = response.json::<Value>().await else { return Posted::Unsure };
    match status {
        201 => Posted::Stored { message_id: body["id"].as_str().unwrap().to_owned() },
        503 => {
            assert!(waits, "503 without Retry-After: {body}");
            Posted::Unsure
        }
        status => panic!("a message was answered by {status}: {body}"),
    }
}
