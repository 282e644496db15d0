//! Bad parameters of lists and streams.

use reqwest::header;
use serde_json::{Value, json};

use super::{Case, Given, Rest, bad, case, get, graphql, graphql_only, rest_only, unreadable};

const AGENTS: &str =
    "query Agents($first: Int, $after: String) { agents(first: $first, after: $after) { nodes { id } } }";
const SESSIONS: &str = "query Sessions($id: ID!, $first: Int, $after: String) {
    agent(id: $id) { sessions(first: $first, after: $after) { nodes { id } } } }";
const MESSAGES: &str = "query Messages($id: ID!, $first: Int, $after: String) {
    session(id: $id) { messages(first: $first, after: $after) { nodes { id } } } }";
const EVENTS: &str = "query Events($id: ID!, $first: Int, $after: EventCursor) {
    session(id: $id) { events(first: $first, after: $after) { nodes { sequence } } } }";
const FILES: &str =
    "query Files($id: ID!, $first: Int) { session(id: $id) { files(first: $first) { nodes { path } } } }";
const PROVIDERS: &str =
    "query Providers($first: Int, $after: String) { llmProviders(first: $first, after: $after) { nodes { id } } }";
const MODELS: &str =
    "query Models($first: Int, $after: String) { llmModels(first: $first, after: $after) { nodes { id } } }";
const MODELS_OF: &str = "query ModelsOf($id: ID!, $first: Int, $after: String) {
    llmModels(filter: { providerId: $id }, first: $first, after: $after) { nodes { id } } }";

/// Page sizes as REST and as GraphQL is asked.
fn limits() -> [(&'static str, Value); 4] {
    [("501", json!(501)), ("65536", json!(65_536)), ("-1", json!(-1)), ("many", json!("many"))]
}

/// Cursors as REST and as GraphQL is asked.
const CURSORS: [(&str, &str); 5] =
    [("", ""), ("x", "x"), ("%00", "\0"), ("%F0%9F%A5%9E", "🥞"), ("18446744073709551616", "18446744073709551616")];

pub fn cases(given: &Given) -> Vec<Case> {
    let events = format!("{}/events", given.session_path);
    let models_of = format!("/v1/llm-providers/{}/models", given.provider);
    let lists = [
        ("agents", "/v1/agents", AGENTS, &given.agent),
        ("sessions", &format!("{}/sessions", given.agent_path), SESSIONS, &given.agent),
        ("messages", &format!("{}/messages", given.session_path), MESSAGES, &given.session),
        ("events", &events, EVENTS, &given.session),
        ("providers", "/v1/llm-providers", PROVIDERS, &given.provider),
        ("models", "/v1/llm-models", MODELS, &given.provider),
        ("a provider's models", &models_of, MODELS_OF, &given.provider),
    ];
    let mut cases = Vec::new();
    for (list, path, document, id) in lists {
        cases.extend(of_a_list(list, path, document, id));
    }
    // Whatever may be a path is a cursor of files.
    cases.extend(limits_of("files", &format!("{}/files", given.session_path), FILES, &given.session));
    cases.extend(of_the_stream(&events));
    cases
}

/// What no page of a list may be asked with. The document takes `first` and `after`, and the id as `id` where it has one.
pub fn of_a_list(list: &str, path: &str, document: &'static str, id: &str) -> Vec<Case> {
    let mut cases = limits_of(list, path, document, id);
    for (after, cursor) in CURSORS {
        let rest = page(format!("{path}?after={after}"));
        let graphql = graphql(document, json!({ "id": id, "after": cursor }));
        cases.push(case(format!("{list}: after {after}"), rest, graphql, bad("after", "after")));
    }
    cases
}

fn limits_of(list: &str, path: &str, document: &'static str, id: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for (limit, first) in limits() {
        let rest = page(format!("{path}?limit={limit}"));
        let graphql = graphql(document, json!({ "id": id, "first": first }));
        cases.push(case(format!("{list}: limit {limit}"), rest, graphql, bad("limit", "first")));
    }
    // The library says of an Int that is none only that it is none, not which.
    let large = graphql(document, json!({ "id": id, "first": 4_294_967_296_u64 }));
    cases.push(graphql_only(format!("{list}: a limit that is no Int"), large, unreadable(400)));
    for limit in ["limit=0", "limit=4294967296", "limit=", "limit=1.5", "limit=1&limit=2", "limit=%00"] {
        cases.push(rest_only(format!("{list}: {limit}"), page(format!("{path}?{limit}")), bad("limit", "")));
    }
    let twice = page(format!("{path}?after=1&after=2"));
    cases.push(rest_only(format!("{list}: after twice"), twice, bad("after", "")));
    cases
}

/// What an event stream may be asked to resume after.
fn of_the_stream(path: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for after in ["x", "1", "1.", ".1", "-1.0", "1.0.0", "1.-1", "9223372036854775808.0"] {
        let rest = get(format!("{path}?after={after}"));
        cases.push(rest_only(format!("a stream: after {after}"), rest, bad("after", "")));
        let mut rest = get(path);
        rest.headers.push((header::HeaderName::from_static("last-event-id"), after.to_owned()));
        cases.push(rest_only(format!("a stream: Last-Event-ID {after}"), rest, bad("after", "")));
    }
    cases.push(rest_only("a stream: limit", get(format!("{path}?limit=many")), bad("limit", "")));
    cases
}

/// A page as JSON; events would be a stream otherwise.
fn page(path: String) -> Rest {
    let mut rest = get(path);
    rest.headers.push((header::ACCEPT, "application/json".to_owned()));
    rest
}
