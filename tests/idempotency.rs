//! A request that is sent again: under one idempotency key one thing is made, whichever face is asked, however often, at however many places at once.

mod keys;
mod messages;
mod stored;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::app::{Answer, Caller, TestApp, answer};
use crate::shapes::{as_input, as_rest};

/// So many send the same at once.
const AT_ONCE: usize = 20;

/// What makes something, as each face is asked.
struct Change {
    path: String,
    body: Value,
    /// The same, but for one field.
    other: Value,
    document: &'static str,
    /// What GraphQL's input has besides the body: what REST has in its path.
    ids: Value,
    /// What counts the things of this kind.
    count: &'static str,
}

const CREATE_AGENT: &str = "mutation($input: CreateAgentInput!) { made: createAgent(input: $input) { it: agent {
    id name description systemPrompt tags status createdAt updatedAt defaultModelId } replayed } }";
const CREATE_SESSION: &str =
    "mutation($input: CreateSessionInput!) { made: createSession(input: $input) { it: session {
    id agentId title tags status createdAt updatedAt startedAt finishedAt modelId } replayed } }";
const CREATE_PROVIDER: &str =
    "mutation($input: CreateLlmProviderInput!) { made: createLlmProvider(input: $input) { it: provider {
    id name providerType baseUrl apiKeySet apiKeyLast4 isDefault status createdAt updatedAt } replayed } }";
const CREATE_MODEL: &str = "mutation($input: CreateLlmModelInput!) { made: createLlmModel(input: $input) { it: model {
    id providerId modelId displayName contextWindow inputPricePerMillion outputPricePerMillion isDefault status createdAt updatedAt
} replayed } }";
const SEND: &str = "mutation($input: SendMessageInput!) { made: sendMessage(input: $input) { it: message {
    id sessionId sequence role content { text } createdAt } turn { id status } eventCursor replayed } }";

/// Everything that takes a key and answers again, on a server with something in it.
async fn changes(app: &Caller) -> Vec<Change> {
    let (session, session_id) = app.session().await;
    let (agent, _) = session.split_once("/sessions").unwrap();
    let agent_id = agent.rsplit_once('/').unwrap().1;
    let provider = app.post("/v1/llm-providers", json!({ "name": "Given", "provider_type": "llmsim" })).await;
    let provider_id = provider.body["id"].as_str().unwrap().to_owned();
    let change = |path: String, body: Value, other: Value, document, ids, count| {
        let mut whole = body.clone();
        whole.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
        Change { path, body, other: whole, document, ids, count }
    };
    vec![
        change(
            "/v1/agents".into(),
            json!({ "name": "A", "system_prompt": "Be brief.", "tags": ["a", "b"] }),
            json!({ "tags": ["b", "a"] }),
            CREATE_AGENT,
            json!({}),
            "{ it: agents { totalCount } }",
        ),
        change(
            format!("{agent}/sessions"),
            json!({ "title": "Chat" }),
            json!({ "title": "Another chat" }),
            CREATE_SESSION,
            json!({ "agentId": agent_id }),
            "{ it: sessions { totalCount } }",
        ),
        change(
            "/v1/llm-providers".into(),
            json!({ "name": "P", "provider_type": "openai", "api_key": "sk-canary-4711" }),
            json!({ "api_key": "sk-canary-4712" }),
            CREATE_PROVIDER,
            json!({ "providerType": "OPENAI" }),
            "{ it: llmProviders { totalCount } }",
        ),
        change(
            format!("/v1/llm-providers/{provider_id}/models"),
            json!({ "model_id": "m", "display_name": "M", "input_price_per_million": 1.5 }),
            json!({ "input_price_per_million": 1.25 }),
            CREATE_MODEL,
            json!({ "providerId": provider_id }),
            "{ it: llmModels { totalCount } }",
        ),
        change(
            format!("{session}/messages"),
            json!({ "role": "user", "content": { "text": "Hello" } }),
            json!({ "content": { "text": "Hello?" } }),
            SEND,
            json!({ "sessionId": session_id, "agentId": agent_id }),
            "{ it: sessions(filter: { status: RUNNING }) { totalCount } }",
        ),
    ]
}

/// A POST under this key.
async fn post(caller: &Caller, path: &str, key: &str, body: &Value) -> Answer {
    answer(caller.http.post(caller.url(path)).header("idempotency-key", key).json(body)).await
}

/// Whether the answer's header says that it is a repeated one.
fn is_replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

impl Change {
    /// A key for this change alone.
    fn key(&self, name: &str) -> String {
        format!("{name} {}", self.path)
    }

    async fn post(&self, caller: &Caller, key: &str) -> Answer {
        post(caller, &self.path, key, &self.body).await
    }

    fn input(&self, body: &Value, key: &str) -> Value {
        let mut input = as_input(body);
        if let Some(content) = input.remove("content") {
            input.remove("role");
            input.insert("content".into(), json!([content]));
        }
        input.insert("idempotencyKey".into(), json!(key));
        input.extend(self.ids.as_object().unwrap().clone());
        json!({ "input": input })
    }

    /// Asks GraphQL for it; gives back the payload, of which the answer's header says the same.
    async fn ask(&self, caller: &Caller, key: &str) -> Value {
        let mut answer = caller.graphql(self.document, self.input(&self.body, key)).await;
        assert!(answer.body.get("errors").is_none(), "{}: {}", self.path, answer.body);
        let payload = answer.body["data"]["made"].take();
        assert_eq!(payload["replayed"], is_replayed(&answer), "{}", self.path);
        payload
    }

    /// How many things of its kind there are.
    async fn count(&self, caller: &Caller) -> i64 {
        caller.ask(self.count, json!({})).await["it"]["totalCount"].as_i64().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_under_one_key_makes_one_thing_and_both_faces_answer_it() {
    let app = TestApp::start().await;
    for change in changes(&app).await {
        let one = change.key("one");
        let first = change.post(&app, &one).await;
        assert_eq!((first.status, is_replayed(&first)), (201, false), "{}: {}", change.path, first.body);
        let count = change.count(&app).await;
        let again = change.post(&app, &one).await;
        assert_eq!((again.status, is_replayed(&again), &again.body["id"]), (201, true, &first.body["id"]));
        let asked = change.ask(&app, &one).await;
        assert_eq!((&asked["replayed"], &asked["it"]["id"]), (&json!(true), &first.body["id"]));
        assert!(change.document == SEND || change.count(&app).await == count, "{}", change.path);
        // The other way round, under a key of 255 characters.
        let key = format!("{:~>255}", change.key("two"));
        let other = if change.document == CREATE_MODEL { Value::Null } else { change.ask(&app, &key).await };
        if !other.is_null() {
            assert_eq!(other["replayed"], false, "{}", change.path);
            let replayed = change.post(&app, &key).await;
            assert_eq!((replayed.status, is_replayed(&replayed)), (201, true), "{}", replayed.body);
            assert_eq!(replayed.body["id"], other["it"]["id"]);
            assert_ne!(replayed.body["id"], first.body["id"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_answer_is_the_whole_thing() {
    let app = TestApp::start().await;
    for change in changes(&app).await {
        let first = change.post(&app, &change.key("one")).await.body;
        let mut asked = as_rest(&change.ask(&app, &change.key("one")).await["it"]);
        if let Some(kind) = asked.get_mut("provider_type") {
            *kind = json!("openai");
        }
        assert_eq!(asked, first, "{}", change.path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_send_the_same_at_once_are_told_of_one_thing() {
    let app = TestApp::start().await;
    for change in changes(&app).await {
        let (before, many) = (change.count(&app).await, change.key("many"));
        let answers = join_all((0..AT_ONCE).map(|_| change.post(&app, &many))).await;
        let first = answers.iter().filter(|answer| !is_replayed(answer)).count();
        assert_eq!(first, 1, "{}", change.path);
        for answer in &answers {
            assert_eq!((answer.status, &answer.body["id"]), (201, &answers[0].body["id"]), "{}", answer.body);
        }
        assert!(change.document == SEND || change.count(&app).await == before + 1, "{}", change.path);
    }
    // All of what was said is one message and its answer.
    let said = app.ask("{ sessions { nodes { turns { totalCount } } } }", json!({})).await;
    let turns = said["sessions"]["nodes"].as_array().unwrap().iter().map(|session| &session["turns"]["totalCount"]);
    assert_eq!(turns.filter_map(Value::as_i64).sum::<i64>(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_input_or_another_change_under_the_key_is_refused_by_both_faces() {
    let app = TestApp::start().await;
    let changes = changes(&app).await;
    for (index, change) in changes.iter().enumerate() {
        let key = format!("key {index}");
        change.post(&app, &key).await;
        let count = change.count(&app).await;
        let next = &changes[(index + 1) % changes.len()];
        for (path, document, body, input) in [
            (&change.path, change.document, &change.other, change.input(&change.other, &key)),
            (&next.path, next.document, &next.body, next.input(&next.body, &key)),
        ] {
            let refused = post(&app, path, &key, body).await;
            let told = json!({ "error": refused.body["error"], "status": 409, "code": "IDEMPOTENCY_KEY_REUSED",
                "field": "Idempotency-Key" });
            assert_eq!((refused.status, &refused.body), (409, &told), "{path}");
            let told = json!({ "code": "IDEMPOTENCY_KEY_REUSED", "field": "input.idempotencyKey" });
            assert_eq!(app.refused(document, input).await["extensions"], told, "{path}");
        }
        assert!(change.document == SEND || change.count(&app).await == count, "{}", change.path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_answer_is_how_the_thing_is_now() {
    let app = TestApp::start().await;
    for change in changes(&app).await {
        let one = change.key("one");
        let made = change.post(&app, &one).await.body;
        let at = match change.document {
            CREATE_AGENT | CREATE_SESSION | CREATE_PROVIDER => {
                format!("{}/{}", change.path, made["id"].as_str().unwrap())
            }
            CREATE_MODEL => format!("/v1/llm-models/{}", made["id"].as_str().unwrap()),
            _ => continue,
        };
        let name = ["name", "title", "display_name"].into_iter().find(|name| made.get(name).is_some()).unwrap();
        assert_eq!(app.patch(&at, json!({ name: "renamed" })).await.status, 200);
        assert_eq!(change.post(&app, &one).await.body[name], "renamed");
        assert_eq!(app.delete(&at).await.status, 204);
        let gone = change.post(&app, &one).await;
        // An agent is archived, and still there.
        let expected = if change.document == CREATE_AGENT { (201, true) } else { (404, false) };
        assert_eq!((gone.status, is_replayed(&gone)), expected, "{}", gone.body);
    }
}
