//! Sessions: opened, found, changed, run and deleted.

use serde_json::{Value, json};

use crate::app::{Answer, TestApp, answer};
use crate::shapes::{as_rest, id, ids, keys, time};

const FIELDS: &str = "id agentId title tags status createdAt updatedAt startedAt finishedAt";
const UPDATE: &str = "mutation($input: UpdateSessionInput!) { updateSession(input: $input) { session { id } } }";
const DELETE: &str = "mutation($input: DeleteSessionInput!) { deleteSession(input: $input) { deletedSessionId } }";
const CANCEL: &str =
    "mutation($input: CancelTurnInput!) { cancelTurn(input: $input) { turn { id } session { status } } }";
const SEND: &str = "mutation($input: SendMessageInput!) { sendMessage(input: $input) { message { id } } }";

/// A new agent; its path.
async fn agent(app: &TestApp) -> String {
    let made = app.post("/v1/agents", json!({ "name": "Assistant", "system_prompt": "" })).await;
    format!("/v1/agents/{}", id(&made.body["id"]))
}

/// What GraphQL says of a session, as REST prints it.
async fn by_graphql(app: &TestApp, id: &str) -> Value {
    let query = format!("query($id: ID!) {{ session(id: $id) {{ {FIELDS} }} }}");
    as_rest(&app.ask(&query, json!({ "id": id })).await["session"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_rest_opens_is_the_one_that_graphql_shows() {
    let app = TestApp::start().await;
    let agent = agent(&app).await;
    let given = json!({ "title": "Support Chat #1234", "tags": ["urgent"] });
    let made = app.post(&format!("{agent}/sessions"), given).await;
    assert_eq!(made.status, 201);
    assert_eq!(keys(&made.body), ["id", "agent_id", "title", "tags", "status", "created_at", "updated_at"]);
    assert_eq!(agent, format!("/v1/agents/{}", id(&made.body["agent_id"])));
    assert_eq!(
        (&made.body["title"], &made.body["tags"], &made.body["status"]),
        (&json!("Support Chat #1234"), &json!(["urgent"]), &json!("pending"))
    );
    assert_eq!(time(&made.body["created_at"]), time(&made.body["updated_at"]));
    let id = id(&made.body["id"]);
    let got = app.get(&format!("{agent}/sessions/{id}")).await;
    assert_eq!((got.status, &got.body), (200, &made.body));
    assert_eq!(by_graphql(&app, &id).await, made.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_needs_no_body_and_no_content_type() {
    let app = TestApp::start().await;
    let path = format!("{}/sessions", agent(&app).await);
    let bare = app.http.post(app.url(&path));
    for request in [
        bare.try_clone().unwrap(),
        bare.try_clone().unwrap().header("content-type", "application/json"),
        bare.try_clone().unwrap().header("content-type", "application/x-www-form-urlencoded"),
        bare.header("content-type", "application/json").body("{}"),
    ] {
        let Answer { status, body: session, .. } = answer(request).await;
        assert_eq!(status, 201);
        assert_eq!(keys(&session), ["id", "agent_id", "tags", "status", "created_at", "updated_at"]);
        assert_eq!(by_graphql(&app, session["id"].as_str().unwrap()).await, session);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_graphql_opens_is_the_one_that_rest_shows() {
    let app = TestApp::start().await;
    let agent = agent(&app).await;
    let query = format!(
        "mutation($input: CreateSessionInput!) {{ createSession(input: $input) {{ session {{ {FIELDS} agent {{ name }} }} }} }}"
    );
    let input =
        json!({ "agentId": agent.rsplit('/').next(), "title": "é".repeat(255), "tags": vec!["é".repeat(64); 50] });
    let mut made = app.ask(&query, json!({ "input": input })).await["createSession"]["session"].take();
    assert_eq!(made.as_object_mut().unwrap().remove("agent"), Some(json!({ "name": "Assistant" })));
    let got = app.get(&format!("{agent}/sessions/{}", id(&made["id"]))).await;
    assert_eq!((got.status, got.body), (200, as_rest(&made)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_sessions_are_listed_newest_first() {
    let app = TestApp::start().await;
    let (agent, other) = (agent(&app).await, agent(&app).await);
    assert_eq!(app.get(&format!("{agent}/sessions")).await.body, json!({ "data": [] }));
    let mut made = Vec::new();
    for path in [&agent, &other, &agent, &agent] {
        made.push(id(&app.post(&format!("{path}/sessions"), json!({})).await.body["id"]));
    }
    let list = app.get(&format!("{agent}/sessions")).await;
    assert_eq!((list.status, keys(&list.body)), (200, vec!["data"]));
    assert_eq!(ids(&list.body["data"]), [&made[3], &made[2], &made[0]]);
    for session in list.body["data"].as_array().unwrap() {
        assert_eq!(session, &by_graphql(&app, session["id"].as_str().unwrap()).await);
    }
    let query = "query($id: ID!) { sessions(filter: { agentId: $id }) { nodes { id } } agent(id: $id) { sessions { nodes { id } } }
        all: sessions { totalCount nodes { id } } }";
    let found = app.ask(query, json!({ "id": agent.rsplit('/').next() })).await;
    assert_eq!(ids(&found["sessions"]["nodes"]), ids(&list.body["data"]));
    assert_eq!(ids(&found["agent"]["sessions"]["nodes"]), ids(&list.body["data"]));
    assert_eq!(found["all"]["totalCount"], 4);
    assert_eq!(ids(&found["all"]["nodes"]), [&made[3], &made[2], &made[1], &made[0]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_found_by_status_and_tag() {
    let app = TestApp::start().await;
    let path = format!("{}/sessions", agent(&app).await);
    let failed = id(&app.post(&path, json!({ "tags": ["a"] })).await.body["id"]);
    let quiet = id(&app.post(&path, json!({ "tags": ["a", "b"] })).await.body["id"]);
    let session = format!("{path}/{failed}");
    app.say(&session, "/sim fail=refused").await;
    app.sse(&session, None).await.until("session.failed").await;
    let query = "query($filter: SessionFilter) { sessions(filter: $filter) { totalCount nodes { id } } }";
    for (filter, expected) in [
        (json!({ "tag": "a" }), vec![&quiet, &failed]),
        (json!({ "tag": "b" }), vec![&quiet]),
        (json!({ "tag": "c" }), vec![]),
        (json!({ "status": "FAILED" }), vec![&failed]),
        (json!({ "status": "PENDING", "tag": "a" }), vec![&quiet]),
        (json!({ "status": "RUNNING" }), vec![]),
        (json!({ "agentId": path.split('/').nth(3), "tag": "b" }), vec![&quiet]),
    ] {
        let found = app.ask(query, json!({ "filter": filter })).await;
        assert_eq!(ids(&found["sessions"]["nodes"]), expected, "{filter}");
        assert_eq!(found["sessions"]["totalCount"], expected.len(), "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_runs_while_a_turn_does() {
    let app = TestApp::start().await;
    let (session, session_id) = app.session().await;
    app.say(&session, "/sim fail=stall after=1").await;
    app.sse(&session, None).await.until("message.delta").await;
    let running = app.get(&session).await.body;
    assert_eq!(running["status"], "running");
    assert_eq!(keys(&running), ["id", "agent_id", "tags", "status", "created_at", "updated_at", "started_at"]);
    assert!(time(&running["started_at"]) >= time(&running["updated_at"]));
    assert_eq!(by_graphql(&app, &session_id).await, running);
    let cancelled = app.post(&format!("{session}/cancel"), json!({})).await;
    assert_eq!((cancelled.status, &cancelled.body["status"]), (200, &json!("pending")));
    let expected = ["id", "agent_id", "tags", "status", "created_at", "updated_at", "started_at", "finished_at"];
    assert_eq!(keys(&cancelled.body), expected);
    assert!(time(&cancelled.body["finished_at"]) >= time(&running["started_at"]));
    assert_eq!(cancelled.body["started_at"], running["started_at"]);
    assert_eq!(app.get(&session).await.body, cancelled.body);
    assert_eq!(by_graphql(&app, &session_id).await, cancelled.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_session_runs_again() {
    let app = TestApp::start().await;
    let (session, session_id) = app.session().await;
    app.say(&session, "/sim fail=refused").await;
    let mut events = app.sse(&session, None).await;
    events.until("session.failed").await;
    let failed = app.get(&session).await.body;
    assert_eq!(failed["status"], "failed");
    assert_eq!(by_graphql(&app, &session_id).await, failed);
    app.say(&session, "hello").await;
    events.until("session.completed").await;
    let quiet = app.get(&session).await.body;
    assert_eq!((&quiet["status"], &quiet["started_at"]), (&json!("pending"), &failed["started_at"]));
    assert!(time(&quiet["finished_at"]) > time(&failed["finished_at"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_touches_only_what_it_names() {
    let app = TestApp::start().await;
    let path = format!("{}/sessions", agent(&app).await);
    let mut session = app.post(&path, json!({ "title": "A", "tags": ["t"] })).await.body;
    let path = format!("{path}/{}", id(&session["id"]));
    for change in [
        json!({}),
        json!({ "title": "B" }),
        json!({ "title": "" }),
        json!({ "title": null }),
        json!({ "tags": ["u", "v"] }),
        json!({ "title": "C", "tags": [] }),
    ] {
        let changed = app.patch(&path, change.clone()).await;
        assert_eq!(changed.status, 200, "{change}: {}", changed.body);
        assert!(time(&changed.body["updated_at"]) >= time(&session["updated_at"]));
        session["updated_at"] = changed.body["updated_at"].clone();
        for (field, value) in change.as_object().unwrap() {
            session[field] = value.clone();
        }
        let expected = as_rest(&session);
        assert_eq!(changed.body, expected, "{change}");
        assert_eq!(app.get(&path).await.body, expected);
        assert_eq!(by_graphql(&app, session["id"].as_str().unwrap()).await, expected);
    }
    let query = format!(
        "mutation($input: UpdateSessionInput!) {{ updateSession(input: $input) {{ session {{ {FIELDS} }} }} }}"
    );
    let changed = app.ask(&query, json!({ "input": { "id": session["id"], "title": null } })).await;
    assert_eq!(changed["updateSession"]["session"]["title"], Value::Null);
    assert_eq!(as_rest(&changed["updateSession"]["session"]), app.get(&path).await.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_under_another_agents_path_is_not_there() {
    let app = TestApp::start().await;
    let (session, session_id) = app.session().await;
    let before = app.get(&session).await.body;
    let other = agent(&app).await;
    let path = format!("{other}/sessions/{session_id}");
    let message = json!({ "role": "user", "content": "hello" });
    for answer in [
        app.get(&path).await,
        app.patch(&path, json!({ "title": "stolen" })).await,
        app.delete(&path).await,
        app.post(&format!("{path}/cancel"), json!({})).await,
        app.get(&format!("{path}/messages")).await,
        app.get(&format!("{path}/messages?limit=1")).await,
        app.post(&format!("{path}/messages"), message).await,
        app.get(&format!("{path}/events")).await,
    ] {
        assert_eq!(
            (answer.status, &answer.body["code"], &answer.body["error"]),
            (404, &json!("NOT_FOUND"), &json!("session not found"))
        );
    }
    let other = other.rsplit('/').next();
    let query = "query($id: ID!, $agentId: ID) { session(id: $id, agentId: $agentId) { id } }";
    assert_eq!(app.ask(query, json!({ "id": session_id, "agentId": other })).await, json!({ "session": null }));
    for (mutation, input) in [
        (UPDATE, json!({ "id": session_id, "agentId": other, "title": "stolen" })),
        (DELETE, json!({ "id": session_id, "agentId": other })),
        (CANCEL, json!({ "sessionId": session_id, "agentId": other })),
        (SEND, json!({ "sessionId": session_id, "agentId": other, "content": [{ "text": "hello" }] })),
    ] {
        assert_eq!(app.refused(mutation, json!({ "input": input })).await["extensions"]["code"], "NOT_FOUND");
    }
    assert_eq!(app.get(&session).await.body, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_session_is_gone_with_everything_in_it() {
    let app = TestApp::start().await;
    let (session, session_id) = app.session().await;
    let message = app.say(&session, "hello").await;
    let mut events = app.sse(&session, None).await;
    events.until("session.completed").await;
    let deleted = app.delete(&session).await;
    assert_eq!((deleted.status, deleted.body), (204, json!("")));
    assert_eq!(events.next().await, None, "the stream ends");
    for path in [session.clone(), format!("{session}/messages"), format!("{session}/events")] {
        assert_eq!(app.get(&path).await.status, 404, "{path}");
    }
    assert_eq!(app.delete(&session).await.status, 404);
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } sessions { totalCount } }";
    let found = app.ask(query, json!({ "ids": [session_id, message["id"]] })).await;
    assert_eq!(found, json!({ "nodes": [null, null], "sessions": { "totalCount": 0 } }));
    let refused = app.refused(DELETE, json!({ "input": { "id": session_id } })).await;
    assert_eq!(refused["extensions"]["code"], "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_deleted_by_graphql() {
    let app = TestApp::start().await;
    let (session, session_id) = app.session().await;
    let deleted = app.ask(DELETE, json!({ "input": { "id": session_id } })).await;
    assert_eq!(deleted["deleteSession"], json!({ "deletedSessionId": session_id }));
    assert_eq!(app.get(&session).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_of_a_quiet_session_changes_nothing() {
    let app = TestApp::start().await;
    let (session, session_id) = app.session().await;
    let before = app.get(&session).await.body;
    let request = app.http.post(app.url(&format!("{session}/cancel")));
    let cancelled = answer(request).await;
    assert_eq!((cancelled.status, cancelled.body), (200, before.clone()));
    let cancelled = app.ask(CANCEL, json!({ "input": { "sessionId": session_id } })).await;
    assert_eq!(cancelled["cancelTurn"], json!({ "turn": null, "session": { "status": "PENDING" } }));
    assert_eq!(app.get(&session).await.body, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_archived_agent_said_stays_readable() {
    let app = TestApp::start().await;
    let (session, session_id) = app.session().await;
    app.say(&session, "/sim echo hello").await;
    app.sse(&session, None).await.until("session.completed").await;
    let (before, messages) = (app.get(&session).await.body, app.get(&format!("{session}/messages")).await.body);
    assert_eq!(app.delete(session.split("/sessions").next().unwrap()).await.status, 204);
    assert_eq!(app.get(&session).await.body, before);
    assert_eq!(by_graphql(&app, &session_id).await, before);
    assert_eq!(app.get(&format!("{session}/messages")).await.body, messages);
    assert_eq!(app.patch(&session, json!({ "title": "kept" })).await.body["title"], "kept");
}
