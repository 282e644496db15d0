//! Nobody sees another's anything: two accounts, and every operation of the schema and every route tried by the one on what the other has. The
//! operations are made from schema.graphql and rest/openapi.json, so that a new one is covered, or this test says what it must be told.

mod operations;
mod statements;

use std::collections::BTreeMap;

use operations::{Made, Operations};
use serde_json::{Value, json};

use crate::app::{Caller, TestApp};
use crate::streams::watcher::Watcher;

/// Stands in every text that the first account writes.
const MARK: &str = "canary-4711";

/// Root fields that need no credentials.
const OPEN: [&str; 6] = ["server", "login", "register", "refreshToken", "startOauth", "finishOauth"];
/// Routes that need no credentials.
const OPEN_ROUTES: [&str; 8] = [
    "/health",
    "/ready",
    "/v1/auth/config",
    "/v1/auth/login",
    "/v1/auth/refresh",
    "/v1/auth/register",
    "/v1/auth/oauth/{provider}",
    "/v1/auth/callback/{provider}",
];
/// An alias of a route that needs no credentials.
const OPEN_ALIAS: &str = "/v1/auth/oauth/{provider}/callback";

/// Everything that an account has: the name of a kind and an id of it.
type Things = BTreeMap<&'static str, String>;

/// An account that signed in.
struct Account {
    caller: Caller,
    things: Things,
}

/// Makes an account and one thing of every kind in it; its texts carry `mark`.
async fn account(app: &TestApp, name: &str, mark: &str) -> Account {
    let caller = app.signed_in(&app.register(&format!("{name}@example.com")).await);
    let things = furnish(&caller, mark).await;
    Account { caller, things }
}

async fn furnish(caller: &Caller, mark: &str) -> Things {
    let created = async |path: String, body: Value| {
        let answer = caller.post(&path, body).await;
        assert!(answer.status < 300, "{path}: {}", answer.body);
        answer.body["id"].as_str().map(str::to_owned).unwrap_or_default()
    };
    let provider = json!({ "name": mark, "provider_type": "llmsim" });
    let provider = created("/v1/llm-providers".into(), provider).await;
    let model = json!({ "model_id": "llmsim", "display_name": mark });
    let model = created(format!("/v1/llm-providers/{provider}/models"), model).await;
    let agent = json!({ "name": mark, "system_prompt": mark, "description": mark, "tags": [mark] });
    let agent = created("/v1/agents".into(), agent).await;
    let capabilities = json!({ "capability_ids": ["noop"] });
    let set = caller.http.put(caller.url(&format!("/v1/agents/{agent}/capabilities"))).json(&capabilities);
    assert_eq!(set.send().await.unwrap().status(), 200);
    let session = created(format!("/v1/agents/{agent}/sessions"), json!({ "title": mark, "tags": [mark] })).await;
    let path = format!("/v1/agents/{agent}/sessions/{session}");
    let file = json!({ "content": mark, "encoding": "text" });
    let file = caller.http.put(caller.url(&format!("{path}/files/notes.txt"))).json(&file);
    assert!(file.send().await.unwrap().status().is_success());
    caller.say(&path, &format!("/sim call=noop {mark}")).await;
    caller.sse(&path, None).await.until("session.completed").await;
    caller.say(&path, "/sim words=2 delay_ms=10000").await;
    let withdrawn = caller.say(&path, mark).await["id"].as_str().expect("an id").to_owned();
    created(format!("{path}/cancel"), json!({})).await;
    let key = created("/v1/auth/api-keys".into(), json!({ "name": mark })).await;
    let query = "query($id: ID!) { viewer { user { id } organization { id } } session(id: $id) {
        turns { nodes { id message { id } steps { id toolCalls { id } } } } } }";
    let seen = caller.ask(query, json!({ "id": session })).await;
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("an id in {seen}")).to_owned();
    let turn = &seen["session"]["turns"]["nodes"][0];
    BTreeMap::from([
        ("provider", provider),
        ("model", model),
        ("agent", agent),
        ("session", session),
        ("key", key),
        ("withdrawn", withdrawn),
        ("turn", text(&turn["id"])),
        ("message", text(&turn["message"]["id"])),
        ("step", text(&turn["steps"][0]["id"])),
        ("call", text(&turn["steps"][0]["toolCalls"][0]["id"])),
        ("user", text(&seen["viewer"]["user"]["id"])),
        ("organization", text(&seen["viewer"]["organization"]["id"])),
    ])
}

/// The kind of thing whose id stands at this place of a root field.
fn kind_at(field: &str, path: &[String]) -> &'static str {
    match path.last().map(String::as_str).unwrap_or_default() {
        "agentId" => "agent",
        "sessionId" => "session",
        "turnId" => "turn",
        // One that waits would have to be caught at it; one that is withdrawn may be again.
        "messageId" => "withdrawn",
        "modelId" | "defaultModelId" => "model",
        "providerId" => "provider",
        "id" | "ids" if field.contains("Session") || field == "session" => "session",
        "id" | "ids" if field.contains("Agent") || field == "agent" => "agent",
        "id" | "ids" if field.contains("LlmProvider") || field == "llmProvider" => "provider",
        "id" | "ids" if field.contains("LlmModel") || field == "llmModel" => "model",
        "id" if field.contains("ApiKey") => "key",
        "id" if field == "node" => "agent",
        "ids" if field == "nodes" => "agent",
        other => panic!("{field} takes an id as {other}: tell this test what it names"),
    }
}

/// Everything that an account can see.
async fn everything(account: &Account) -> Value {
    let operations = Operations::read();
    let mut seen = Vec::new();
    for (kind, field) in operations.roots() {
        if kind == "query" {
            let made = made(&operations, (kind, &field), &account.things, None);
            seen.push(run(&account.caller, &made).await);
        }
    }
    Value::Array(seen)
}

/// The operation of a root field with these things; at `foreign`, the id that stands beside it.
fn made(
    operations: &Operations,
    (kind, field): (&'static str, &str),
    things: &Things,
    foreign: Option<(&[String], &str)>,
) -> Made {
    let id = |path: &[String]| match foreign {
        Some((place, id)) if path == place => json!(id),
        _ => json!(things[kind_at(field, path)]),
    };
    // Exactly one of the two is taken.
    let with = match (field, foreign) {
        (_, Some((place, _))) => vec![place.to_vec()],
        ("cancelTurn", None) => vec![vec!["input".into(), "sessionId".into()]],
        _ => Vec::new(),
    };
    operations.make(kind, field, &id, &with)
}

async fn run(caller: &Caller, made: &Made) -> Value {
    caller.graphql(&made.document, made.variables.clone()).await.body
}

/// The code that a subscription is refused with.
async fn refused(caller: &Caller, made: &Made) -> String {
    Watcher::subscribe(caller, &made.document, made.variables.clone()).await.refused().await
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_operation_shows_or_changes_what_another_account_has() {
    let app = TestApp::start_full().await;
    let (alice, bob) = (account(&app, "alice", MARK).await, account(&app, "bob", "nothing").await);
    let before = everything(&alice).await;
    assert!(before.to_string().contains(MARK));
    let operations = Operations::read();
    for (kind, field) in operations.roots() {
        if kind == "subscription" || OPEN.contains(&field.as_str()) || field == "logout" {
            continue;
        }
        // The operation is sound: on the caller's own things it is not refused.
        let fresh = if kind == "mutation" { furnish(&bob.caller, "nothing").await } else { bob.things.clone() };
        let own = run(&bob.caller, &made(&operations, (kind, &field), &fresh, None)).await;
        assert!(own.get("errors").is_none(), "{field} on own things: {own}");
        assert!(!own.to_string().contains(MARK), "{field}: {own}");
        for place in operations.places(kind, &field) {
            let fresh = if kind == "mutation" { furnish(&bob.caller, "nothing").await } else { bob.things.clone() };
            let foreign = &alice.things[kind_at(&field, &place)];
            let made = made(&operations, (kind, &field), &fresh, Some((&place, foreign)));
            let answer = run(&bob.caller, &made).await;
            let text = answer.to_string();
            assert!(!text.contains(MARK), "{field} at {place:?}: {answer}");
            let null = answer.get("errors").is_none() && kind == "query" && !text.contains(foreign.as_str());
            let refused = ["NOT_FOUND", "BAD_USER_INPUT"].contains(&code(&answer));
            assert!(null || refused, "{field} at {place:?}: {answer}");
        }
    }
    for id in alice.things.values() {
        let seen = bob
            .caller
            .ask("query($id: ID!) { node(id: $id) { __typename } nodes(ids: [$id]) { id } }", json!({ "id": id }))
            .await;
        assert_eq!(seen, json!({ "node": null, "nodes": [null] }));
    }
    assert_eq!(everything(&alice).await, before);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_shows_or_changes_what_another_account_has() {
    let app = TestApp::start_full().await;
    let (alice, bob) = (account(&app, "alice", MARK).await, account(&app, "bob", "nothing").await);
    let before = everything(&alice).await;
    for (path, method, body) in routes() {
        if OPEN_ROUTES.contains(&path.as_str()) || path == OPEN_ALIAS || path.ends_with("/logout") {
            continue;
        }
        // Each parameter of the path in turn is another's; the others are the caller's own.
        let places: Vec<&str> = path.split(['{', '}']).skip(1).step_by(2).filter(|name| *name != "path").collect();
        for foreign in places.iter().copied().map(Some).chain([None]) {
            let fresh = furnish(&bob.caller, "nothing").await;
            let mut filled = path.replace("{path}", "notes.txt");
            for name in &places {
                let kind = kind_of_parameter(name);
                let things = if Some(*name) == foreign { &alice.things } else { &fresh };
                filled = filled.replace(&format!("{{{name}}}"), &things[kind]);
            }
            let request = bob.caller.http.request(method.clone(), bob.caller.url(&filled));
            let request = match &body {
                Some(body) => request.json(&with_own_ids(body, &fresh)),
                None => request.header("accept", "application/json"),
            };
            let answer = request.send().await.unwrap();
            let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
            assert!(!text.contains(MARK), "{method} {path} with another's {foreign:?}: {text}");
            match foreign {
                Some(_) => assert_eq!(status, 404, "{method} {path} with another's {foreign:?}: {text}"),
                None => assert!(status < 300, "{method} {path} with own things: {status} {text}"),
            }
        }
    }
    assert_eq!(everything(&alice).await, before);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_subscription_shows_what_another_account_does() {
    let app = TestApp::start_full().await;
    let (alice, bob) = (account(&app, "alice", MARK).await, account(&app, "bob", "nothing").await);
    let operations = Operations::read();
    let mut live = Watcher::organization(&bob.caller, json!({})).await;
    for (kind, field) in operations.roots() {
        if kind != "subscription" {
            continue;
        }
        for place in operations.places(kind, &field) {
            let foreign = &alice.things[kind_at(&field, &place)];
            let made = made(&operations, (kind, &field), &bob.things, Some((&place, foreign)));
            let refused = refused(&bob.caller, &made).await;
            assert_eq!(refused, "NOT_FOUND", "{field} at {place:?}");
        }
    }
    // What the other does in the meantime is not shown: the next event is the own one.
    let path =
        |account: &Account| format!("/v1/agents/{}/sessions/{}", account.things["agent"], account.things["session"]);
    alice.caller.say(&path(&alice), "again").await;
    alice.caller.sse(&path(&alice), None).await.until("session.completed").await;
    bob.caller.say(&path(&bob), "again").await;
    let first = live.next().await.unwrap();
    let message = bob.caller.get(&format!("{}/messages", path(&bob))).await.body;
    assert_eq!(
        first.data["message_id"],
        message["data"].as_array().unwrap().iter().rfind(|message| message["role"] == "user").unwrap()["id"]
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_but_the_open_doors_needs_credentials() {
    let app = TestApp::start_full().await;
    let alice = account(&app, "alice", MARK).await;
    let operations = Operations::read();
    for (kind, field) in operations.roots() {
        let made = made(&operations, (kind, &field), &alice.things, None);
        let open = OPEN.contains(&field.as_str());
        let code =
            if kind == "subscription" { refused(&app, &made).await } else { code(&run(&app, &made).await).to_owned() };
        // A sign-in with wrong words is refused with the same code.
        let asks_for_words = ["login", "refreshToken"].contains(&field.as_str());
        assert!(asks_for_words || (code == "UNAUTHENTICATED") != open, "{field} answers {code} without credentials");
    }
    for (path, method, body) in routes() {
        let mut filled = path.replace("{path}", "notes.txt").replace("{provider}", "google");
        for name in path.split(['{', '}']).skip(1).step_by(2).filter(|name| !["path", "provider"].contains(name)) {
            filled = filled.replace(&format!("{{{name}}}"), &alice.things[kind_of_parameter(name)]);
        }
        let request = app.http.request(method.clone(), app.url(&filled));
        let request = if let Some(body) = &body { request.json(body) } else { request };
        let status = request.send().await.unwrap().status().as_u16();
        let open = OPEN_ROUTES.contains(&path.as_str()) || path == OPEN_ALIAS;
        let asks_for_words = ["/login", "/refresh"].iter().any(|end| path.ends_with(end));
        assert!(asks_for_words || (status == 401) != open, "{method} {path} answers {status} without credentials");
    }
    app.stop().await;
}

fn kind_of_parameter(name: &str) -> &'static str {
    match name {
        "agent_id" => "agent",
        "session_id" => "session",
        "key_id" => "key",
        "provider_id" => "provider",
        "model_id" | "id" => "model",
        other => panic!("a path has the parameter {other}: tell this test what it names"),
    }
}

/// Every route of the OpenAPI: path, method and an example of its body.
fn routes() -> Vec<(String, reqwest::Method, Option<Value>)> {
    let api: Value = serde_json::from_str(include_str!("../rest/openapi.json")).unwrap();
    let mut routes = Vec::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<reqwest::Method>() else { continue };
            let content = &operation["requestBody"]["content"]["application/json"];
            let body = content.get("schema").map(|schema| example(&api, content, schema));
            routes.push((path.clone(), method, body));
        }
    }
    routes
}

fn example(api: &Value, content: &Value, schema: &Value) -> Value {
    if let Some(example) = content.get("example").or(schema.get("example")) {
        return example.clone();
    }
    if let Some(examples) = schema.get("examples").and_then(Value::as_array) {
        return examples[0].clone();
    }
    let of_choice = |name: &str| schema.get(name)?.as_array()?.iter().find(|choice| choice["type"] != "null");
    let inner = schema.get("$ref").and_then(Value::as_str).map(|name| {
        let pointer = name.trim_start_matches('#');
        api.pointer(pointer).unwrap()
    });
    let inner = inner.or_else(|| of_choice("oneOf")).or_else(|| of_choice("anyOf")).or_else(|| of_choice("allOf"));
    example(api, &Value::Null, inner.unwrap_or_else(|| panic!("a body without an example: {schema}")))
}

/// The example of a body, its ids the caller's own.
fn with_own_ids(body: &Value, things: &Things) -> Value {
    let mut body = body.clone();
    if let Value::Object(fields) = &mut body {
        for name in ["model_id", "default_model_id"] {
            if fields.get(name).and_then(Value::as_str).is_some_and(|id| id.len() == 36) {
                fields.insert(name.into(), json!(things["model"]));
            }
        }
    }
    body
}
