//! Which model answers: the message's, the session's, the agent's, the organization's, the operator's.

use serde_json::{Value, json};

use super::{PROVIDERS, model, simulator};
use crate::app::TestApp;
use crate::shapes::id;

/// Sends a message and gives back the model that answered it.
async fn answered_by(app: &TestApp, session: &str, body: Value) -> String {
    let session_id = session.rsplit('/').next().unwrap();
    let query = "query($id: ID!) { session(id: $id) { headCursor } }";
    let head = app.ask(query, json!({ "id": session_id })).await["session"]["headCursor"].take();
    let mut stream = app.sse(session, head.as_str()).await;
    let sent = app.post(&format!("{session}/messages"), body).await;
    assert_eq!(sent.status, 201, "{}", sent.body);
    stream.until("session.completed").await;
    let query = "query($id: ID!) { session(id: $id) { turns(last: 1) { nodes { steps { model } } } } }";
    let asked = app.ask(query, json!({ "id": session_id })).await;
    asked["session"]["turns"]["nodes"][0]["steps"][0]["model"].as_str().unwrap().to_owned()
}

fn say(model_id: Option<&str>) -> Value {
    let mut body = json!({ "role": "user", "content": "hello" });
    if let Some(model_id) = model_id {
        body["model_id"] = json!(model_id);
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn the_narrowest_choice_answers() {
    let app = TestApp::start().await;
    let (session, _) = app.session().await;
    let agent = session.split("/sessions").next().unwrap().to_owned();
    let provider = simulator(&app).await;
    assert_eq!(answered_by(&app, &session, say(None)).await, "llmsim");

    let oldest = model(&app, &provider, "llmsim?words=1").await;
    let marked = model(&app, &provider, "llmsim?words=2").await;
    assert_eq!(answered_by(&app, &session, say(None)).await, "llmsim", "nobody chose one of them");
    app.patch(&format!("{PROVIDERS}/{provider}"), json!({ "is_default": true })).await;
    assert_eq!(answered_by(&app, &session, say(None)).await, "llmsim?words=1");
    app.patch(&format!("/v1/llm-models/{marked}"), json!({ "is_default": true })).await;
    assert_eq!(answered_by(&app, &session, say(None)).await, "llmsim?words=2");

    let of_agent = model(&app, &provider, "llmsim?words=3").await;
    let changed = app.patch(&agent, json!({ "default_model_id": of_agent })).await;
    assert_eq!((changed.status, &changed.body["default_model_id"]), (200, &json!(of_agent)));
    assert_eq!(answered_by(&app, &session, say(None)).await, "llmsim?words=3");
    let of_session = model(&app, &provider, "llmsim?words=4").await;
    let changed = app.patch(&session, json!({ "model_id": of_session })).await;
    assert_eq!((changed.status, &changed.body["model_id"]), (200, &json!(of_session)));
    assert_eq!(answered_by(&app, &session, say(None)).await, "llmsim?words=4");
    assert_eq!(answered_by(&app, &session, say(Some(&oldest))).await, "llmsim?words=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_that_does_not_answer_is_passed_over() {
    let app = TestApp::start().await;
    let (session, _) = app.session().await;
    let provider = simulator(&app).await;
    let (wide, narrow) =
        (model(&app, &provider, "llmsim?words=1").await, model(&app, &provider, "llmsim?words=2").await);
    let (wide_path, narrow_path) = (format!("/v1/llm-models/{wide}"), format!("/v1/llm-models/{narrow}"));
    app.patch(&wide_path, json!({ "is_default": true })).await;
    app.patch(&session, json!({ "model_id": narrow })).await;
    assert_eq!(answered_by(&app, &session, say(None)).await, "llmsim?words=2");
    app.patch(&narrow_path, json!({ "status": "disabled" })).await;
    assert_eq!(answered_by(&app, &session, say(None)).await, "llmsim?words=1");
    app.patch(&narrow_path, json!({ "status": "active" })).await;
    app.patch(&format!("{PROVIDERS}/{provider}"), json!({ "status": "disabled" })).await;
    assert_eq!(answered_by(&app, &session, say(None)).await, "llmsim");
    assert_eq!(answered_by(&app, &session, say(Some(&wide))).await, "llmsim");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_faces_take_and_show_a_choice() {
    let app = TestApp::start().await;
    let provider = simulator(&app).await;
    let chosen = model(&app, &provider, "llmsim?echo").await;
    let agent = json!({ "name": "A", "system_prompt": "", "default_model_id": chosen });
    let agent = id(&app.post("/v1/agents", agent).await.body["id"]);
    let made = app
        .ask(
            "mutation($input: CreateSessionInput!) { createSession(input: $input) { session { id modelId model { modelId } agent { defaultModelId defaultModel { id } } } } }",
            json!({ "input": { "agentId": agent, "modelId": chosen } }),
        )
        .await["createSession"]["session"]
        .take();
    assert_eq!((&made["modelId"], &made["model"]["modelId"]), (&json!(chosen), &json!("llmsim?echo")));
    assert_eq!(made["agent"], json!({ "defaultModelId": chosen, "defaultModel": { "id": chosen } }));
    let session = format!("/v1/agents/{agent}/sessions/{}", id(&made["id"]));
    assert_eq!(app.get(&session).await.body["model_id"], json!(chosen));
    let sent = app.post(&format!("{session}/messages"), say(Some(&chosen))).await.body;
    assert_eq!(sent["model_id"], json!(chosen));
    let query = "query($id: ID!) { node(id: $id) { ... on Message { modelId model { id } } } }";
    let asked = app.ask(query, json!({ "id": sent["id"] })).await;
    assert_eq!(asked["node"], json!({ "modelId": chosen, "model": { "id": chosen } }));
    let mut stream = app.sse(&session, None).await;
    let frames = stream.until("session.completed").await;
    assert_eq!(crate::app::text_of(&frames), "hello");

    let cleared = app.patch(&format!("/v1/agents/{agent}"), json!({ "default_model_id": null })).await.body;
    assert_eq!(cleared.get("default_model_id"), None);
}
