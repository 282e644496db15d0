//! What every list and every id have in common: pages that leave no hole, and `node`.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::shapes::{id, ids};

/// Each list of the schema, from its parent or the root: the path to it, and what holds it.
const LISTS: [(&str, &str, &str); 5] = [
    ("agents", "{ agents(", ") { ...Page } }"),
    ("sessions", "{ sessions(", ") { ...Page } }"),
    ("agent.sessions", "{ agent(id: $agent) { sessions(", ") { ...Page } } }"),
    ("session.messages", "{ session(id: $session) { messages(", ") { ...Page } } }"),
    ("session.turns", "{ session(id: $session) { turns(", ") { ...Page } } }"),
];

/// Seven of each kind: agents, sessions of the last one, messages and turns of the last session.
struct Seven {
    app: TestApp,
    /// The last session's path, and its own and its agent's id.
    session: String,
    variables: Value,
}

async fn seven() -> Seven {
    let app = TestApp::start().await;
    let mut agent = String::new();
    for _ in 0..7 {
        agent = id(&app.post("/v1/agents", json!({ "name": "A", "system_prompt": "" })).await.body["id"]);
    }
    let mut session = String::new();
    for _ in 0..7 {
        session = id(&app.post(&format!("/v1/agents/{agent}/sessions"), json!({})).await.body["id"]);
    }
    let path = format!("/v1/agents/{agent}/sessions/{session}");
    // The first turn does not end, so no answer comes between.
    app.say(&path, "/sim fail=stall").await;
    for _ in 0..6 {
        app.say(&path, "hello").await;
    }
    Seven { app, session: path, variables: json!({ "agent": agent, "session": session }) }
}

impl Seven {
    /// The connection of a list, asked with these arguments.
    async fn page(&self, (path, before, after): (&str, &str, &str), arguments: &str) -> Value {
        let mut data = self.app.ask(&query(path, before, arguments, after), self.variables.clone()).await;
        path.split('.').fold(data.take(), |mut value, field| value[field].take())
    }
}

fn query(path: &str, before: &str, arguments: &str, after: &str) -> String {
    let (kind, name) = match path {
        "agents" => ("AgentConnection", ""),
        "sessions" => ("SessionConnection", ""),
        "agent.sessions" => ("SessionConnection", "($agent: ID!)"),
        "session.messages" => ("MessageConnection", "($session: ID!)"),
        _ => ("TurnConnection", "($session: ID!)"),
    };
    format!(
        "query{name} {before}{arguments}{after} fragment Page on {kind} {{ totalCount edges {{ cursor node {{ id }} }} nodes {{ id }}
            pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }}"
    )
}

/// The ids of a page, whose edges, nodes and cursors must agree.
fn checked(page: &Value) -> Vec<String> {
    let edges = page["edges"].as_array().unwrap();
    assert!(edges.iter().map(|edge| &edge["node"]).eq(page["nodes"].as_array().unwrap()));
    let cursor = |edge: Option<&Value>| edge.map_or(Value::Null, |edge| edge["cursor"].clone());
    assert_eq!(page["pageInfo"]["startCursor"], cursor(edges.first()));
    assert_eq!(page["pageInfo"]["endCursor"], cursor(edges.last()));
    assert_eq!(page["totalCount"], 7);
    ids(&page["nodes"]).into_iter().map(str::to_owned).collect()
}

fn more(page: &Value) -> (bool, bool) {
    (page["pageInfo"]["hasPreviousPage"].as_bool().unwrap(), page["pageInfo"]["hasNextPage"].as_bool().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_walk_a_whole_list_in_both_directions() {
    let seven = seven().await;
    for list in LISTS {
        let all = checked(&seven.page(list, "first: 500").await);
        assert_eq!(all.len(), 7, "{}", list.0);
        let (mut forwards, mut after) = (Vec::new(), String::new());
        loop {
            let page = seven.page(list, &format!("first: 3{after}")).await;
            assert_eq!(more(&page), (!forwards.is_empty(), forwards.len() < 6), "{}", list.0);
            forwards.extend(checked(&page));
            if !more(&page).1 {
                break;
            }
            after = format!(", after: {}", page["pageInfo"]["endCursor"]);
        }
        assert_eq!(forwards, all, "{}", list.0);
        let (mut backwards, mut before) = (Vec::new(), String::new());
        loop {
            let page = seven.page(list, &format!("last: 3{before}")).await;
            assert_eq!(more(&page), (backwards.len() < 6, !backwards.is_empty()), "{}", list.0);
            backwards.splice(0..0, checked(&page));
            if !more(&page).0 {
                break;
            }
            before = format!(", before: {}", page["pageInfo"]["startCursor"]);
        }
        assert_eq!(backwards, all, "{}", list.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_bound_a_list_on_both_sides() {
    let seven = seven().await;
    for list in LISTS {
        let whole = seven.page(list, "first: 7").await;
        let (all, cursor) = (checked(&whole), |index: usize| &whole["edges"][index]["cursor"]);
        assert_eq!(more(&whole), (false, false));
        for (arguments, expected) in [
            (format!("first: 10, after: {}, before: {}", cursor(1), cursor(5)), &all[2..5]),
            (format!("first: 2, after: {}, before: {}", cursor(1), cursor(5)), &all[2..4]),
            (format!("last: 2, after: {}, before: {}", cursor(1), cursor(5)), &all[3..5]),
            (format!("last: 2, after: {}", cursor(2)), &all[5..]),
            (format!("first: 2, before: {}", cursor(4)), &all[..2]),
            (format!("after: {}", cursor(6)), &[]),
            ("first: 0".to_owned(), &[]),
            ("last: 0".to_owned(), &[]),
        ] {
            assert_eq!(checked(&seven.page(list, &arguments).await), expected, "{} {arguments}", list.0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_no_sense_is_refused_by_the_name_of_its_argument() {
    let seven = seven().await;
    let refused = async |(path, before, after): (&str, &str, &str), arguments: &str, field: &str| {
        let error = seven.app.refused(&query(path, before, arguments, after), seven.variables.clone()).await;
        let extensions = json!({ "code": "BAD_USER_INPUT", "field": field });
        assert_eq!(error["extensions"], extensions, "{path} {arguments}: {error}");
    };
    for list in LISTS {
        refused(list, "first: 1, last: 1", "last").await;
        refused(list, "first: 501", "first").await;
        refused(list, "last: 501", "last").await;
        refused(list, "first: -1", "first").await;
        refused(list, "last: -1", "last").await;
        for cursor in ["", "x", "1.2.3", "\\u0000", "99999999999999999999", "01890000-0000-7000-8000"] {
            refused(list, &format!("after: \"{cursor}\""), "after").await;
            refused(list, &format!("before: \"{cursor}\""), "before").await;
        }
    }
    for (arguments, field) in [("first: 501", "first"), ("first: -1", "first"), ("after: \"x\"", "after")] {
        let query = format!(
            "query($session: ID!) {{ session(id: $session) {{ events({arguments}) {{ nodes {{ sequence }} }} }} }}"
        );
        let error = seven.app.refused(&query, seven.variables.clone()).await;
        assert_eq!(error["extensions"], json!({ "code": "BAD_USER_INPUT", "field": field }), "{arguments}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_has_50_in_graphql_and_100_in_rest_where_nobody_says() {
    let app = TestApp::start().await;
    for _ in 0..101 {
        app.post("/v1/agents", json!({ "name": "A", "system_prompt": "" })).await;
    }
    let asked = app.ask("{ agents { totalCount nodes { id } pageInfo { hasNextPage } } }", json!({})).await;
    let agents = &asked["agents"];
    assert_eq!((&agents["totalCount"], &agents["pageInfo"]["hasNextPage"]), (&json!(101), &json!(true)));
    let first = app.get("/v1/agents").await.body;
    assert_eq!((ids(&agents["nodes"]).len(), ids(&first["data"]).len()), (50, 100));
    assert_eq!(ids(&agents["nodes"]), ids(&first["data"])[..50]);
    let rest = app.get(&format!("/v1/agents?after={}", first["next"].as_str().unwrap())).await.body;
    assert_eq!((ids(&rest["data"]).len(), rest.get("next")), (1, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_walks_every_list_by_next_without_hole_or_repeat() {
    let seven = seven().await;
    let (session, app) = (&seven.session, &seven.app);
    let sessions = session.rsplit_once('/').unwrap().0;
    for path in ["/v1/agents".to_owned(), sessions.to_owned(), format!("{session}/messages")] {
        let all = app.get(&path).await.body;
        assert_eq!(ids(&all["data"]).len(), 7, "{path}");
        for limit in [1, 2, 6, 7, 500] {
            let (mut walked, mut next) = (Vec::new(), format!("{path}?limit={limit}"));
            loop {
                let page = app.get(&next).await.body;
                assert!(ids(&page["data"]).len() <= limit, "{next}");
                walked.extend(page["data"].as_array().unwrap().clone());
                let Some(cursor) = page.get("next") else { break };
                next = format!("{path}?limit={limit}&after={}", cursor.as_str().unwrap());
                // What is added while somebody walks neither repeats nor hides what was there.
                if path == "/v1/agents" && limit == 1 && walked.len() == 3 {
                    app.post(&path, json!({ "name": "late", "system_prompt": "" })).await;
                }
            }
            walked.retain(|item| item["name"] != "late");
            assert_eq!(&walked, all["data"].as_array().unwrap(), "{path} {limit}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_walks_stored_events_by_next() {
    let app = TestApp::start().await;
    let (session, _) = app.session().await;
    app.say(&session, "hello").await;
    app.sse(&session, None).await.until("session.completed").await;
    let page = async |parameters: &str| {
        let request =
            app.http.get(app.url(&format!("{session}/events{parameters}"))).header("accept", "application/json");
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let all = page("").await;
    assert_eq!((all.get("next"), all["data"].as_array().unwrap().len()), (None, 4));
    let (mut walked, mut next) = (Vec::new(), String::new());
    loop {
        let page = page(&format!("?limit=1{next}")).await;
        walked.extend(page["data"].as_array().unwrap().clone());
        let Some(cursor) = page.get("next") else { break };
        next = format!("&after={}", cursor.as_str().unwrap());
    }
    assert_eq!(&walked, all["data"].as_array().unwrap());
}
