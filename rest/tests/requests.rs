//! Paths, parameters and bodies become the variables of an operation.

use async_graphql::{Value, value};
use axum::{body::Body, http};
use serde_json::json;

use crate::stub::{Stub, agent, call, send};

async fn asked(method: &str, path: &str, body: Option<&str>) -> (String, serde_json::Value) {
    let stub = Stub::data(Value::Null);
    call(stub.router(), method, path, body).await;
    stub.last()
}

#[tokio::test]
async fn a_list_has_its_defaults_in_the_document() {
    let page = json!({"after": null});
    assert_eq!(asked("GET", "/v1/agents", None).await, ("ListAgents".to_owned(), page));
    let page = json!({"agentId": "a1", "limit": 5, "after": "c"});
    assert_eq!(asked("GET", "/v1/agents/a1/sessions?limit=5&after=c", None).await, ("ListSessions".to_owned(), page));
}

#[tokio::test]
async fn messages_without_a_page_are_the_newest() {
    let path = "/v1/agents/a1/sessions/s1/messages";
    assert_eq!(asked("GET", path, None).await.0, "NewestMessages");
    assert_eq!(asked("GET", &format!("{path}?limit=3"), None).await.0, "ListMessages");
    assert_eq!(asked("GET", &format!("{path}?after=c"), None).await.0, "ListMessages");
}

#[tokio::test]
async fn a_patch_tells_absent_from_null() {
    let (_, variables) = asked("PATCH", "/v1/agents/a1", Some(r#"{"description":null,"status":"active"}"#)).await;
    assert_eq!(variables, json!({"input": {"id": "a1", "description": null, "status": "ACTIVE"}}));
    let (_, variables) = asked("PATCH", "/v1/agents/a1/sessions/s1", Some(r#"{"title":"t"}"#)).await;
    assert_eq!(variables, json!({"input": {"id": "s1", "agentId": "a1", "title": "t"}}));
}

#[tokio::test]
async fn a_session_needs_no_body() {
    let path = "/v1/agents/a1/sessions";
    let bare = json!({"agentId": "a1", "title": null, "tags": null, "modelId": null, "idempotencyKey": null});
    assert_eq!(asked("POST", path, None).await, ("CreateSession".to_owned(), bare.clone()));
    assert_eq!(asked("POST", path, Some("")).await.1, bare);
    assert_eq!(asked("POST", path, Some("{}")).await.1, bare);
}

#[tokio::test]
async fn content_is_an_object_a_string_or_parts() {
    let path = "/v1/agents/a1/sessions/s1/messages";
    for (content, parts) in [
        (r#"{"text":"hi"}"#, json!([{"text": "hi"}])),
        (r#""hi""#, json!([{"text": "hi"}])),
        (
            r#"[{"type":"text","text":"hi"},{"type":"image","media_type":"image/png","data":"AA=="}]"#,
            json!([{"text": "hi"}, {"image": {"mediaType": "image/png", "data": "AA=="}}]),
        ),
    ] {
        let body = format!(r#"{{"role":"user","content":{content}}}"#);
        let (name, variables) = asked("POST", path, Some(&body)).await;
        assert_eq!(name, "SendMessage");
        let given = json!({"agentId": "a1", "sessionId": "s1", "content": parts, "modelId": null,
            "whenBusy": "ENQUEUE", "idempotencyKey": null});
        assert_eq!(variables, given);
    }
}

#[tokio::test]
async fn an_idempotency_key_goes_with_what_takes_one() {
    for (path, body, key) in [
        ("/v1/agents/a1/sessions", "{}", json!("k")),
        ("/v1/agents/a1/sessions/s1/cancel", "{}", json!(null)),
        ("/v1/auth/login", r#"{"email":"a@b","password":"p"}"#, json!(null)),
    ] {
        let request =
            http::Request::post(path).header("idempotency-key", "k").header("content-type", "application/json");
        let stub = Stub::data(value!({}));
        send(stub.router(), request.body(Body::from(body)).unwrap()).await;
        assert_eq!(stub.last().1["idempotencyKey"], key, "{path}");
    }
}

#[tokio::test]
async fn a_cancel_names_the_session_and_answers_it() {
    let session = value!({"id": "s1", "agent_id": "a1", "tags": [], "status": "$PENDING"});
    let stub = Stub::data(value!({"cancelTurn": {"session": session}}));
    let (status, body) = call(stub.router(), "POST", "/v1/agents/a1/sessions/s1/cancel", None).await;
    assert_eq!((status, body.as_str()), (200, r#"{"id":"s1","agent_id":"a1","tags":[],"status":"pending"}"#));
    assert_eq!(stub.last(), ("CancelSession".to_owned(), json!({"agentId": "a1", "sessionId": "s1"})));
}

#[tokio::test]
async fn an_authorization_header_is_ignored() {
    let request = http::Request::get("/v1/agents/a1").header("authorization", "evr_your-api-key");
    let stub = Stub::data(value!({"agent": agent()}));
    assert_eq!(send(stub.router(), request.body(Body::empty()).unwrap()).await.0, 200);
}
