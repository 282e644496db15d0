//! What can be switched on for agents: the list, and what an agent has.

use serde_json::json;

use crate::app::TestApp;
use crate::shapes::as_rest;

const SET: &str = "mutation($input: SetAgentCapabilitiesInput!) { setAgentCapabilities(input: $input) {
    agent { capabilities { capabilityId position capability { id name } } }
} }";

const OF_AGENT: &str = "query($id: ID!) { agent(id: $id) { capabilities { capabilityId position } } }";

const NOBODY: &str = "0199f000-0000-7000-8000-000000000001";

/// A new agent's path under /v1, and its id.
async fn agent(app: &TestApp) -> (String, String) {
    let made = app.post("/v1/agents", json!({ "name": "Assistant", "system_prompt": "" })).await;
    let id = made.body["id"].as_str().unwrap().to_owned();
    (format!("/v1/agents/{id}"), id)
}

/// What the agent has, which both faces must show alike.
async fn capabilities_of(app: &TestApp, path: &str, id: &str) -> Vec<String> {
    let shown = app.get(&format!("{path}/capabilities")).await;
    let asked = app.ask(OF_AGENT, json!({ "id": id })).await;
    assert_eq!(shown.body, json!({ "data": as_rest(&asked["agent"]["capabilities"]) }));
    let listed = shown.body["data"].as_array().unwrap().clone();
    for (position, one) in listed.iter().enumerate() {
        assert_eq!(one["position"], position, "{listed:?}");
    }
    listed.iter().map(|one| one["capability_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn capabilities_are_listed_with_their_tools() {
    let app = TestApp::start().await;
    let shown = app.get("/v1/capabilities").await;
    let fields = "id name description status category icon tools { name description parameters }";
    let asked = app.ask(&format!("{{ capabilities {{ {fields} }} }}"), json!({})).await;
    let (listed, asked) = (shown.body["data"].as_array().unwrap(), asked["capabilities"].as_array().unwrap());
    assert_eq!(listed.len(), asked.len());
    let ids: Vec<_> = listed.iter().map(|one| one["id"].as_str().unwrap()).collect();
    let working = [
        "current_time",
        "noop",
        "test_math",
        "test_weather",
        "stateless_todo_list",
        "session_file_system",
        "web_fetch",
    ];
    assert_eq!(ids, [&working[..], &["research", "sandbox"]].concat());
    let mut names = Vec::new();
    for (one, other) in listed.iter().zip(asked) {
        let available = working.contains(&one["id"].as_str().unwrap());
        assert_eq!(one["status"], if available { "available" } else { "coming_soon" });
        // A tool's schema is printed letter for letter.
        assert_eq!(one["tools"], other["tools"]);
        let tools = one["tools"].as_array().unwrap();
        assert_eq!(tools.is_empty(), !available, "{one}");
        for tool in tools {
            assert_eq!(tool["parameters"]["type"], "object");
            names.push(tool["name"].as_str().unwrap());
        }
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "no two tools share a name");

    let one = app
        .ask("{ capability(id: \"noop\") { name status } nothing: capability(id: \"x\") { name } }", json!({}))
        .await;
    assert_eq!(one, json!({ "capability": { "name": "No operation", "status": "AVAILABLE" }, "nothing": null }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_capabilities_are_replaced_as_a_whole() {
    let app = TestApp::start().await;
    let (path, id) = agent(&app).await;
    assert!(capabilities_of(&app, &path, &id).await.is_empty());
    let set = app.put(&format!("{path}/capabilities"), json!({ "capability_ids": ["noop", "current_time"] })).await;
    let expected =
        json!([{ "capability_id": "noop", "position": 0 }, { "capability_id": "current_time", "position": 1 }]);
    assert_eq!((set.status, &set.body), (200, &json!({ "data": expected })));
    assert_eq!(capabilities_of(&app, &path, &id).await, ["noop", "current_time"]);
    // The other name of the field, and the other face.
    let set = app.put(&format!("{path}/capabilities"), json!({ "capabilities": ["test_math"] })).await;
    assert_eq!((set.status, capabilities_of(&app, &path, &id).await), (200, vec!["test_math".to_owned()]));
    let set = app.ask(SET, json!({ "input": { "agentId": id, "capabilityIds": ["web_fetch", "noop"] } })).await;
    let first = &set["setAgentCapabilities"]["agent"]["capabilities"][0];
    assert_eq!(first["capability"], json!({ "id": "web_fetch", "name": "Web pages" }));
    assert_eq!(capabilities_of(&app, &path, &id).await, ["web_fetch", "noop"]);
    // An archived agent keeps them, and may be given others.
    assert_eq!(app.delete(&path).await.status, 204);
    let set = app.put(&format!("{path}/capabilities"), json!({ "capability_ids": [] })).await;
    assert_eq!((set.status, set.body), (200, json!({ "data": [] })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_an_agent_cannot_have_changes_nothing() {
    let app = TestApp::start().await;
    let (path, id) = agent(&app).await;
    app.put(&format!("{path}/capabilities"), json!({ "capability_ids": ["noop"] })).await;
    for (ids, told) in [
        (json!(["current_time", "teleport"]), "there is no capability \"teleport\""),
        (json!(["current_time", "current_time"]), "named twice"),
        (json!(["current_time", "research"]), "not available yet"),
    ] {
        let shown = app.put(&format!("{path}/capabilities"), json!({ "capability_ids": ids })).await;
        let asked = app.refused(SET, json!({ "input": { "agentId": id, "capabilityIds": ids } })).await;
        assert_eq!((shown.status, &shown.body["field"]), (400, &json!("capability_ids")), "{}", shown.body);
        assert_eq!((&shown.body["code"], &shown.body["error"]), (&asked["extensions"]["code"], &asked["message"]));
        assert_eq!(asked["extensions"]["field"], "input.capabilityIds");
        assert!(asked["message"].as_str().unwrap().contains(told), "{asked}");
    }
    assert_eq!(capabilities_of(&app, &path, &id).await, ["noop"]);
    let missing = app.put(&format!("/v1/agents/{NOBODY}/capabilities"), json!({ "capability_ids": ["noop"] })).await;
    assert_eq!((missing.status, &missing.body["code"]), (404, &json!("NOT_FOUND")));
    let missing = app.refused(SET, json!({ "input": { "agentId": NOBODY, "capabilityIds": ["noop"] } })).await;
    assert_eq!(missing["extensions"]["code"], "NOT_FOUND");
    assert_eq!(app.get(&format!("/v1/agents/{NOBODY}/capabilities")).await.status, 404);
}
