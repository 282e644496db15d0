//! Agents: made, found, changed, archived and brought back.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::shapes::{as_rest, id, ids, keys, time};

const FIELDS: &str = "id name description systemPrompt tags status createdAt updatedAt";

/// A new agent of this name; its id.
async fn create(app: &TestApp, name: &str) -> String {
    let made = app.post("/v1/agents", json!({ "name": name, "system_prompt": "Be brief." })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    id(&made.body["id"])
}

/// What GraphQL says of an agent, as REST prints it.
async fn by_graphql(app: &TestApp, id: &str) -> Value {
    let query = format!("query($id: ID!) {{ agent(id: $id) {{ {FIELDS} }} }}");
    as_rest(&app.ask(&query, json!({ "id": id })).await["agent"])
}

/// The ids that both faces list without a filter.
async fn listed(app: &TestApp) -> Vec<String> {
    let rest = app.get("/v1/agents").await.body;
    let graphql = app.ask("{ agents { nodes { id } } }", json!({})).await;
    assert_eq!(ids(&rest["data"]), ids(&graphql["agents"]["nodes"]));
    ids(&rest["data"]).into_iter().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_rest_makes_is_the_one_that_graphql_shows() {
    let app = TestApp::start().await;
    let given = json!({
        "name": "Customer Support Agent",
        "description": "Handles customer inquiries",
        "system_prompt": "You are helpful.\n\n“Be friendly” 🥞",
        "tags": ["support", "customer-facing", "é"],
    });
    let made = app.post("/v1/agents", given.clone()).await;
    assert_eq!(made.status, 201);
    let expected = ["id", "name", "description", "system_prompt", "tags", "status", "created_at", "updated_at"];
    assert_eq!(keys(&made.body), expected);
    for (field, value) in given.as_object().unwrap() {
        assert_eq!(&made.body[field], value);
    }
    assert_eq!(made.body["status"], "active");
    assert_eq!(time(&made.body["created_at"]), time(&made.body["updated_at"]));
    let id = id(&made.body["id"]);
    let got = app.get(&format!("/v1/agents/{id}")).await;
    assert_eq!((got.status, &got.body), (200, &made.body));
    assert_eq!(by_graphql(&app, &id).await, made.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_graphql_makes_is_the_one_that_rest_shows() {
    let app = TestApp::start().await;
    let query =
        format!("mutation($input: CreateAgentInput!) {{ createAgent(input: $input) {{ agent {{ {FIELDS} }} }} }}");
    let made = app.ask(&query, json!({ "input": { "name": "Assistant", "systemPrompt": "" } })).await;
    let agent = &made["createAgent"]["agent"];
    assert_eq!((&agent["description"], &agent["tags"], &agent["status"]), (&Value::Null, &json!([]), &json!("ACTIVE")));
    let got = app.get(&format!("/v1/agents/{}", id(&agent["id"]))).await;
    assert_eq!((got.status, &got.body), (200, &as_rest(agent)));
    assert_eq!(keys(&got.body), ["id", "name", "system_prompt", "tags", "status", "created_at", "updated_at"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reaches_a_limit_is_stored_whole() {
    let app = TestApp::start().await;
    let given = json!({
        "name": "é".repeat(255),
        "description": "é".repeat(5 * 1024),
        "system_prompt": "é".repeat(512 * 1024),
        "tags": vec!["é".repeat(64); 50],
    });
    let made = app.post("/v1/agents", given.clone()).await;
    assert_eq!(made.status, 201, "{}", made.body["error"]);
    let got = app.get(&format!("/v1/agents/{}", id(&made.body["id"]))).await.body;
    for (field, value) in given.as_object().unwrap() {
        assert!(&got[field] == value, "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_listed_newest_first() {
    let app = TestApp::start().await;
    assert_eq!(app.get("/v1/agents").await.body, json!({ "data": [] }));
    let (first, second, third) =
        (create(&app, "first").await, create(&app, "second").await, create(&app, "third").await);
    app.patch(&format!("/v1/agents/{first}"), json!({ "name": "changed" })).await;
    assert_eq!(listed(&app).await, [third, second, first]);
    let list = app.get("/v1/agents").await;
    assert_eq!((list.status, keys(&list.body)), (200, vec!["data"]));
    for agent in list.body["data"].as_array().unwrap() {
        assert_eq!(agent, &app.get(&format!("/v1/agents/{}", id(&agent["id"]))).await.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn archived_agents_are_not_listed_but_found() {
    let app = TestApp::start().await;
    let (stays, goes) = (create(&app, "stays").await, create(&app, "goes").await);
    let path = format!("/v1/agents/{goes}");
    let before = app.get(&path).await.body;
    let archived = app.delete(&path).await;
    assert_eq!((archived.status, archived.body), (204, json!("")));
    assert_eq!(listed(&app).await, [stays]);
    let after = app.get(&path).await;
    assert_eq!((after.status, &after.body["status"]), (200, &json!("archived")));
    assert_eq!(after.body["created_at"], before["created_at"]);
    assert!(time(&after.body["updated_at"]) > time(&before["updated_at"]));
    assert_eq!(by_graphql(&app, &goes).await, after.body);
    let query = "{ agents(filter: { status: ARCHIVED }) { totalCount nodes { id status } } }";
    let expected = json!({ "totalCount": 1, "nodes": [{ "id": goes, "status": "ARCHIVED" }] });
    assert_eq!(app.ask(query, json!({})).await["agents"], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_archived_once() {
    let app = TestApp::start().await;
    let agent = create(&app, "goes").await;
    let mutation = "mutation($id: ID!) { archiveAgent(input: { id: $id }) { agent { id status } } }";
    let archived = app.ask(mutation, json!({ "id": agent })).await;
    assert_eq!(archived["archiveAgent"]["agent"], json!({ "id": agent, "status": "ARCHIVED" }));
    let again = app.delete(&format!("/v1/agents/{agent}")).await;
    assert_eq!((again.status, &again.body["code"]), (404, &json!("NOT_FOUND")));
    assert_eq!(app.refused(mutation, json!({ "id": agent })).await["extensions"]["code"], "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_agent_is_brought_back_by_its_status() {
    let app = TestApp::start().await;
    let agent = create(&app, "comes back").await;
    let path = format!("/v1/agents/{agent}");
    app.delete(&path).await;
    let back = app.patch(&path, json!({ "status": "active" })).await;
    assert_eq!((back.status, &back.body["status"]), (200, &json!("active")));
    assert_eq!(listed(&app).await, std::slice::from_ref(&agent));
    assert_eq!(app.post(&format!("{path}/sessions"), json!({})).await.status, 201);
    let gone = app.patch(&path, json!({ "status": "archived" })).await;
    assert_eq!((gone.status, &gone.body["status"]), (200, &json!("archived")));
    let mutation = "mutation($id: ID!) { updateAgent(input: { id: $id, status: ACTIVE }) { agent { status } } }";
    assert_eq!(app.ask(mutation, json!({ "id": agent })).await["updateAgent"]["agent"]["status"], "ACTIVE");
    assert_eq!(listed(&app).await, [agent]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_agent_takes_no_session_and_no_message() {
    let app = TestApp::start().await;
    let (session, session_id) = app.session().await;
    let agent_id = session.split('/').nth(3).unwrap();
    app.delete(&format!("/v1/agents/{agent_id}")).await;
    let (sessions, messages) = (format!("/v1/agents/{agent_id}/sessions"), format!("{session}/messages"));
    for (path, body) in [(&sessions, json!({})), (&messages, json!({ "role": "user", "content": "hello" }))] {
        let refused = app.post(path, body).await;
        let expected = json!({ "error": "the agent is archived", "status": 409, "code": "CONFLICT" });
        assert_eq!((refused.status, refused.body), (409, expected), "{path}");
    }
    for mutation in [
        format!(r#"mutation {{ createSession(input: {{ agentId: "{agent_id}" }}) {{ session {{ id }} }} }}"#),
        format!(
            r#"mutation {{ sendMessage(input: {{ sessionId: "{session_id}", content: [{{ text: "hello" }}] }}) {{ message {{ id }} }} }}"#
        ),
    ] {
        assert_eq!(app.refused(&mutation, json!({})).await["extensions"]["code"], "CONFLICT");
    }
    assert_eq!(ids(&app.get(&sessions).await.body["data"]), [&session_id]);
    assert_eq!(app.get(&messages).await.body, json!({ "data": [] }));
    assert_eq!(app.get(&session).await.body["status"], "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_touches_only_what_it_names() {
    let app = TestApp::start().await;
    let given = json!({ "name": "A", "description": "D", "system_prompt": "S", "tags": ["t"] });
    let mut agent = app.post("/v1/agents", given).await.body;
    let path = format!("/v1/agents/{}", id(&agent["id"]));
    for change in [
        json!({}),
        json!({ "name": "B" }),
        json!({ "system_prompt": "" }),
        json!({ "description": "other" }),
        json!({ "description": null }),
        json!({ "tags": ["u", "v"] }),
        json!({ "tags": [] }),
        json!({ "name": "C", "system_prompt": "S", "tags": ["t"], "description": "D", "status": "active" }),
    ] {
        let changed = app.patch(&path, change.clone()).await;
        assert_eq!(changed.status, 200, "{change}: {}", changed.body);
        assert!(time(&changed.body["updated_at"]) >= time(&agent["updated_at"]));
        agent["updated_at"] = changed.body["updated_at"].clone();
        for (field, value) in change.as_object().unwrap() {
            agent[field] = value.clone();
        }
        // A cleared field is left out of the body.
        let expected = as_rest(&agent);
        assert_eq!(changed.body, expected, "{change}");
        assert_eq!(app.get(&path).await.body, expected);
        assert_eq!(by_graphql(&app, agent["id"].as_str().unwrap()).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_by_graphql_tells_absent_from_null() {
    let app = TestApp::start().await;
    let made = app.post("/v1/agents", json!({ "name": "A", "description": "D", "system_prompt": "S" })).await.body;
    let query =
        format!("mutation($input: UpdateAgentInput!) {{ updateAgent(input: $input) {{ agent {{ {FIELDS} }} }} }}");
    let update = async |input: Value| app.ask(&query, json!({ "input": input })).await["updateAgent"]["agent"].take();
    let named = update(json!({ "id": made["id"], "name": "B" })).await;
    assert_eq!(
        (&named["name"], &named["description"], &named["systemPrompt"]),
        (&json!("B"), &json!("D"), &json!("S"))
    );
    let cleared = update(json!({ "id": made["id"], "description": null })).await;
    assert_eq!((&cleared["name"], &cleared["description"]), (&json!("B"), &Value::Null));
    assert_eq!(app.get(&format!("/v1/agents/{}", id(&made["id"]))).await.body, as_rest(&cleared));
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_found_by_tag() {
    let app = TestApp::start().await;
    let mut made = Vec::new();
    for tags in [json!(["a", "b"]), json!(["b"]), json!(["ab", "B", "\"b\""]), json!([])] {
        let agent = app.post("/v1/agents", json!({ "name": "A", "system_prompt": "", "tags": tags })).await;
        made.push(id(&agent.body["id"]));
    }
    let query = "query($filter: AgentFilter) { agents(filter: $filter) { totalCount nodes { id } } }";
    let find = async |filter: Value| {
        let found = app.ask(query, json!({ "filter": filter })).await;
        let nodes = ids(&found["agents"]["nodes"]).into_iter().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(found["agents"]["totalCount"], nodes.len());
        nodes
    };
    assert_eq!(find(json!({ "tag": "b" })).await, [made[1].clone(), made[0].clone()]);
    assert_eq!(find(json!({ "tag": "\"b\"" })).await, [made[2].clone()]);
    assert_eq!(find(json!({ "tag": "nobody's" })).await, Vec::<String>::new());
    app.delete(&format!("/v1/agents/{}", made[1])).await;
    assert_eq!(find(json!({ "tag": "b" })).await, [made[0].clone()]);
    assert_eq!(find(json!({ "tag": "b", "status": "ARCHIVED" })).await, [made[1].clone()]);
}
