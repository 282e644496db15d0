//! `node` and `nodes`: anything by its id.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::shapes::id;

const NODES: &str = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }";

/// The id with another number of a noun at its end.
fn renamed(id: &str, noun: char) -> String {
    format!("{}{noun}", &id[..id.len() - 1])
}

/// An organization, an agent, a session, a message, a turn and a step, with the names of their types.
async fn one_of_each(app: &TestApp) -> Vec<(&'static str, String)> {
    let (session, session_id) = app.session().await;
    app.say(&session, "hello").await;
    app.sse(&session, None).await.until("session.completed").await;
    let query = "query($id: ID!) { viewer { organization { id } } session(id: $id) { agentId
        turns { nodes { id messageId steps { id } } } } }";
    let found = app.ask(query, json!({ "id": session_id })).await;
    let turn = &found["session"]["turns"]["nodes"][0];
    vec![
        ("Organization", id(&found["viewer"]["organization"]["id"])),
        ("Agent", id(&found["session"]["agentId"])),
        ("Session", session_id),
        ("Message", id(&turn["messageId"])),
        ("Turn", id(&turn["id"])),
        ("Step", id(&turn["steps"][0]["id"])),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_with_an_id_is_found_by_it() {
    let app = TestApp::start().await;
    let kinds = one_of_each(&app).await;
    for (kind, id) in &kinds {
        let found = app.ask("query($id: ID!) { node(id: $id) { __typename id } }", json!({ "id": id })).await;
        assert_eq!(found["node"], json!({ "__typename": kind, "id": id }));
    }
    // In the order of the ids, the same one twice as well.
    let wanted: Vec<&(&str, String)> = kinds.iter().rev().chain(&kinds).collect();
    let ids: Vec<&String> = wanted.iter().map(|(_, id)| id).collect();
    let expected: Vec<Value> = wanted.iter().map(|(kind, id)| json!({ "__typename": kind, "id": id })).collect();
    assert_eq!(app.ask(NODES, json!({ "ids": ids })).await["nodes"], json!(expected));
    assert_eq!(app.ask(NODES, json!({ "ids": [] })).await["nodes"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_shows_the_fields_of_its_kind() {
    let app = TestApp::start().await;
    let ids: Vec<String> = one_of_each(&app).await.into_iter().map(|(_, id)| id).collect();
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Organization { name } ... on Agent { systemPrompt }
        ... on Session { session_status: status } ... on Message { content { text } } ... on Turn { turn_status: status } ... on Step { index } } }";
    let expected = json!([
        { "name": "Default" },
        { "systemPrompt": "Be brief." },
        { "session_status": "PENDING" },
        { "content": { "text": "hello" } },
        { "turn_status": "COMPLETED" },
        { "index": 0 },
    ]);
    assert_eq!(app.ask(query, json!({ "ids": ids })).await["nodes"], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_nothing_is_null() {
    let app = TestApp::start().await;
    let kinds = one_of_each(&app).await;
    let mut nothing: Vec<String> = (0..16).map(|noun| format!("01890000-0000-7000-8000-00000000000{noun:x}")).collect();
    // What is there, but under the name of another noun.
    for (index, (_, id)) in kinds.iter().enumerate() {
        nothing.extend(
            "0123456789abcdef"
                .chars()
                .enumerate()
                .filter(|(noun, _)| *noun != index)
                .map(|(_, noun)| renamed(id, noun)),
        );
    }
    let found = app.ask(NODES, json!({ "ids": nothing })).await;
    assert_eq!(found["nodes"], json!(vec![Value::Null; nothing.len()]));
    let agent = &kinds[1].1;
    let query = "query($id: ID!) { node(id: $id) { id } agent(id: $id) { id } session(id: $id) { id } }";
    let found = app.ask(query, json!({ "id": renamed(agent, '2') })).await;
    assert_eq!(found, json!({ "node": null, "agent": null, "session": null }));
    let archived = app.delete(&format!("/v1/agents/{agent}")).await;
    assert_eq!(archived.status, 204);
    let found = app.ask(NODES, json!({ "ids": [agent] })).await;
    assert_eq!(found["nodes"][0]["id"], json!(agent), "an archived agent is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_500_ids_are_looked_up_at_once() {
    let app = TestApp::start().await;
    let (_, session_id) = app.session().await;
    let found = app.ask(NODES, json!({ "ids": vec![&session_id; 500] })).await;
    let node = json!({ "__typename": "Session", "id": session_id });
    assert_eq!(found["nodes"], json!(vec![node; 500]));
    let error = app.refused(NODES, json!({ "ids": vec![&session_id; 501] })).await;
    assert_eq!(error["extensions"], json!({ "code": "BAD_USER_INPUT", "field": "ids" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_tells_its_typename() {
    let app = TestApp::start().await;
    let query = "{ __typename server { __typename status version runnerMode authMode } viewer { __typename organization { __typename } }
        agents { __typename pageInfo { __typename } edges { __typename } } }";
    let found = app.ask(query, json!({})).await;
    assert_eq!(found["__typename"], "Query");
    assert_eq!(found["viewer"], json!({ "__typename": "Viewer", "organization": { "__typename": "Organization" } }));
    let page = json!({ "__typename": "AgentConnection", "pageInfo": { "__typename": "PageInfo" }, "edges": [] });
    assert_eq!(found["agents"], page);
    let health = app.get("/health").await.body;
    assert_eq!((&found["server"]["status"], &found["server"]["version"]), (&health["status"], &health["version"]));
}
