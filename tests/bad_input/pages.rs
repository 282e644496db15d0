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

/// Page sizes as REST and as GraphQL is asked.
fn limits() -> [(&'static str, Value); 4] {
    [("501", json!(501)), ("65536", json!(65_536)), ("-1", json!(-1)), ("many", json!("many"))]
}

/// Cursors as REST and as GraphQL is asked.
const CURSORS: [(&str, &str); 5] =
    [("", ""), ("x", "x"), ("%00", "\0"), ("%F0%9F%A5%9E", "🥞"), ("18446744073709551616", "18446744073709551616")];

pub fn cases(given: &Given) -> Vec<Case> {
    let lists = [
        ("agents", "/v1/agents".to_owned(), AGENTS, &given.agent),
        ("sessions", format!("{}/sessions", given.agent_path), SESSIONS, &given.agent),
        ("messages", format!("{}/messages", given.session_path), MESSAGES, &given.session),
        ("events", format!("{}/events", given.session_path), EVENTS, &given.session),
    ];
    let mut cases = Vec::new();
    for (list, path, document, id) in lists {
        for (limit, first) in limits() {
            let rest = page(format!("{path}?limit={limit}"));
            let graphql = graphql(document, json!({ "id": id, "first": first }));
            cases.push(case(format!("{list}: limit {limit}"), rest, graphql, bad("limit", "first")));
        }
        for (after, cursor) in CURSORS {
            let rest = page(format!("{path}?after={after}"));
            let graphql = graphql(document, json!({ "id": id, "after": cursor }));
            cases.push(case(format!("{list}: after {after}"), rest, graphql, bad("after", "after")));
        }
        // The library says of an Int that is none only that it is none, not which.
        let large = graphql(document, json!({ "id": id, "first": 4_294_967_296_u64 }));
        cases.push(graphql_only(format!("{list}: a limit that is no Int"), large, unreadable(400)));
        for limit in ["limit=0", "limit=4294967296", "limit=", "limit=1.5", "limit=1&limit=2", "limit=%00"] {
            cases.push(rest_only(format!("{list}: {limit}"), page(format!("{path}?{limit}")), bad("limit", "")));
        }
        let twice = page(format!("{path}?after=1&after=2"));
        cases.push(rest_only(format!("{list}: after twice"), twice, bad("after", "")));
    }
    cases.extend(of_the_stream(&lists_events(given)));
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

fn lists_events(given: &Given) -> String {
    format!("{}/events", given.session_path)
}

/// A page as JSON; events would be a stream otherwise.
fn page(path: String) -> Rest {
    let mut rest = get(path);
    rest.headers.push((header::ACCEPT, "application/json".to_owned()));
    rest
}
