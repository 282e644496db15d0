//! What operations cost, as counts that do not depend on the machine.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::streams::watcher::Watcher;

/// Statements and commits of a turn from its message to `session.completed`.
async fn cost_of_turn(app: &TestApp, path: &str) -> (u64, u64) {
    cost_of_answer(app, path, "Hello").await
}

/// The same of the turn that answers `text`.
async fn cost_of_answer(app: &TestApp, path: &str, text: &str) -> (u64, u64) {
    let (_, session_id) = path.rsplit_once('/').unwrap();
    let head = app.ask("query($id: ID!) { session(id: $id) { headCursor } }", json!({ "id": session_id })).await;
    let mut stream = app.sse(path, head["session"]["headCursor"].as_str()).await;
    let before = (app.counters.statements(), app.counters.commits());
    app.say(path, text).await;
    stream.until("session.completed").await;
    (app.counters.statements() - before.0, app.counters.commits() - before.1)
}

/// The least of several: the server may still be at something that came before, which is not the turn's.
async fn cost_of_first_turn(app: &TestApp) -> (u64, u64) {
    let mut least = (u64::MAX, u64::MAX);
    for _ in 0..5 {
        let (path, _) = app.session().await;
        let (statements, commits) = cost_of_turn(app, &path).await;
        least = (least.0.min(statements), least.1.min(commits));
    }
    least
}

/// Statements that this question takes, the least of several likewise.
async fn statements(app: &TestApp, query: &str, variables: Value) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..3 {
        let before = app.counters.statements();
        app.ask(query, variables.clone()).await;
        least = least.min(app.counters.statements() - before);
    }
    least
}

/// Statements that a GET takes, the least of several likewise.
async fn statements_of_get(app: &TestApp, path: &str) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..3 {
        let before = app.counters.statements();
        assert_eq!(app.get(path).await.status, 200);
        least = least.min(app.counters.statements() - before);
    }
    least
}

/// A server that is at rest: its runner has looked for turns that a server before it left, and looks for leases that ran out, or renews its own,
/// only in an hour.
async fn start() -> TestApp {
    let app = TestApp::start_with(|config| config.turn_lease_ms = 3 * 60 * 60 * 1000).await;
    cost_of_first_turn(&app).await;
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simple_turn_takes_at_most_15_statements_and_5_commits() {
    assert_eq!(cost_of_first_turn(&start().await).await, (14, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_costs_the_same_however_long_its_history_is() {
    let app = start().await;
    let (path, _) = app.session().await;
    cost_of_turn(&app, &path).await;
    let second = cost_of_turn(&app, &path).await;
    for _ in 0..10 {
        cost_of_turn(&app, &path).await;
    }
    assert_eq!((second, cost_of_turn(&app, &path).await), ((15, 3), (15, 3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_calls_a_tool_takes_8_statements_and_2_commits_more() {
    let app = start().await;
    let mut least = (u64::MAX, u64::MAX);
    for _ in 0..5 {
        let (path, _) = app.session_with(&["noop"]).await;
        let cost = cost_of_answer(&app, &path, "/sim call=noop").await;
        least = (least.0.min(cost.0), least.1.min(cost.1));
    }
    // Its watcher reads the call twice, when it begins and when it ends.
    assert_eq!(least, (14 + 8 + 2, 3 + 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_to_a_busy_session_takes_3_statements() {
    let app = start().await;
    let (path, _) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "/sim words=2 delay_ms=10000").await;
    stream.until("message.delta").await;
    let before = (app.counters.statements(), app.counters.commits());
    app.say(&path, "Hello").await;
    let cost = (app.counters.statements() - before.0, app.counters.commits() - before.1);
    // The runner may already have looked whether it can answer.
    assert!((3..=4).contains(&cost.0) && (1..=2).contains(&cost.1), "{cost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_and_a_list_of_agents_take_a_statement_each() {
    let app = start().await;
    let (path, _) = app.session().await;
    let (agent, _) = path.rsplit_once("/sessions").unwrap();
    assert_eq!(statements_of_get(&app, agent).await, 1);
    assert_eq!(statements_of_get(&app, "/v1/agents").await, 1);
    let id = agent.rsplit_once('/').unwrap().1;
    assert_eq!(statements(&app, "query($id: ID!) { agent(id: $id) { name } }", json!({ "id": id })).await, 1);
    assert_eq!(statements(&app, "{ agents { nodes { name } } }", json!({})).await, 1);
    assert_eq!(statements(&app, "{ agents { totalCount nodes { name } } }", json!({})).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_a_kind_take_a_statement_together() {
    let app = start().await;
    let mut ids = Vec::new();
    for _ in 0..10 {
        let (path, _) = app.session().await;
        ids.push(path.split('/').nth(3).unwrap().to_owned());
    }
    let nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Agent { name } } }";
    assert_eq!(statements(&app, nodes, json!({ "ids": ids })).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_session_takes_the_same_statements_however_many_turns_it_has() {
    let app = start().await;
    let (path, session_id) = app.session().await;
    let usage = "usage { inputTokens outputTokens }";
    let steps = format!("steps {{ text toolCalls {{ name }} {usage} }}");
    let parts = [
        format!("agent {{ name }} {usage}"),
        "messages { totalCount nodes { sequence turn { status } step { model } session { title } } }".to_owned(),
        format!("turns {{ totalCount nodes {{ status message {{ content {{ text }} }} {steps} {usage} }} }}"),
        "events { nodes { turn { status } ... on MessageCreated { message { role } } } }".to_owned(),
    ];
    let whole = parts.join(" ");
    let ask = async |part: &str| {
        statements(&app, &format!("query($id: ID!) {{ session(id: $id) {{ {part} }} }}"), json!({ "id": session_id }))
            .await
    };
    for _ in 0..6 {
        cost_of_turn(&app, &path).await;
        assert_eq!(
            [ask(&parts[0]).await, ask(&parts[1]).await, ask(&parts[2]).await, ask(&parts[3]).await],
            [3, 6, 7, 4]
        );
        // Together they share what they ask for at the same moment.
        let all = ask(&whole).await;
        assert!(all <= 17, "{all}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_sessions_takes_a_statement_for_each_kind_in_it() {
    let app = start().await;
    let list = "{ sessions { nodes { title agent { name } usage { steps } } } }";
    assert_eq!(statements(&app, list, json!({})).await, 3);
    for _ in 0..5 {
        app.session().await;
    }
    assert_eq!(statements(&app, list, json!({})).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_ask_the_database_nothing() {
    let app = start().await;
    let (path, session_id) = app.session().await;
    let (alone, _) = cost_of_turn(&app, &path).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut watcher = Watcher::open(&app, &session_id, None).await;
        watcher.until("caught.up").await;
        streams.push((app.sse(&path, None).await, watcher));
    }
    // Not while they are idle, not while they watch a turn.
    assert_eq!(statements_of_get(&app, &path).await, 1);
    let before = app.counters.statements();
    let (watched, _) = cost_of_turn(&app, &path).await;
    for (_, watcher) in &mut streams {
        watcher.until("session.completed").await;
    }
    // A second turn reads what the first one said; asking for the head and opening the stream that counts it take 3.
    let all = app.counters.statements() - before;
    assert!(watched <= alone + 2 && all <= alone + 6, "{alone}, watched {watched}, {all}");
}
