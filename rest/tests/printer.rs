//! Bodies are the answer's data, printed along the selection.

use async_graphql::{Value, value};

use crate::stub::{Stub, agent, call, json};

const AGENT: &str = r#"{"id":"a1","name":"Ada","system_prompt":"Be kind.","tags":["x"],"status":"active","created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z"}"#;

#[tokio::test]
async fn an_object_is_printed_in_the_order_of_its_document() {
    let (status, body) = call(Stub::data(value!({"agent": agent()})).router(), "GET", "/v1/agents/a1", None).await;
    assert_eq!((status, body.as_str()), (200, AGENT));
}

#[tokio::test]
async fn a_payload_is_stepped_through() {
    let created = Stub::data(value!({"createAgent": {"agent": agent()}}));
    let sent = Some(r#"{"name":"Ada","system_prompt":"Be kind.","tags":["x"]}"#);
    assert_eq!(call(created.router(), "POST", "/v1/agents", sent).await, (201, AGENT.to_owned()));
}

#[tokio::test]
async fn a_connection_is_a_page() {
    for (more, next) in [(true, r#","next":"c9""#), (false, "")] {
        let page = value!({"data": [agent(), agent()], "pageInfo": {"hasNextPage": more, "endCursor": "c9"}});
        let (_, body) = call(Stub::data(value!({"agents": page})).router(), "GET", "/v1/agents", None).await;
        assert_eq!(body, format!(r#"{{"data":[{AGENT},{AGENT}]{next}}}"#));
    }
}

#[tokio::test]
async fn an_empty_list_is_a_page_without_rows() {
    let page = value!({"agents": {"data": [], "pageInfo": {"hasNextPage": false, "endCursor": null}}});
    assert_eq!(call(Stub::data(page).router(), "GET", "/v1/agents", None).await.1, r#"{"data":[]}"#);
}

#[tokio::test]
async fn health_keeps_its_capitals() {
    let server = value!({"status": "ok", "version": "0.1.0", "runner_mode": "$IN_PROCESS", "auth_mode": "$NONE"});
    let (status, body) = call(Stub::data(value!({"server": server})).router(), "GET", "/health", None).await;
    let expected = r#"{"status":"ok","version":"0.1.0","runner_mode":"InProcess","auth_mode":"None"}"#;
    assert_eq!((status, body.as_str()), (200, expected));
}

fn message(parts: &Value) -> Value {
    value!({"session": {"messages": {"data": [{
        "id": "m1", "session_id": "s1", "sequence": 1, "role": "$USER",
        "content": {"text": "say \"hi\"\n", "parts": parts.clone()}, "created_at": "2026-01-01T00:00:00Z",
    }], "pageInfo": {"hasNextPage": false, "endCursor": "c"}}}})
}

#[tokio::test]
async fn parts_stand_only_where_there_is_more_than_text() {
    let path = "/v1/agents/a1/sessions/s1/messages";
    let (_, body) = call(Stub::data(message(&Value::Null)).router(), "GET", path, None).await;
    assert!(body.contains(r#""role":"user","content":{"text":"say \"hi\"\n"},"created_at""#), "{body}");
    let parts = value!([
        {"type": "TextPart", "text": "look"},
        {"type": "ImagePart", "media_type": "image/png", "data": "AA=="},
    ]);
    let (_, body) = call(Stub::data(message(&parts)).router(), "GET", path, None).await;
    let expected = r#"[{"type":"text","text":"look"},{"type":"image","media_type":"image/png","data":"AA=="}]"#;
    assert_eq!(json(&body)["data"][0]["content"]["parts"], json(expected));
}

#[tokio::test]
async fn a_delete_answers_nothing() {
    let archived = Stub::data(value!({"archiveAgent": {"agent": {"id": "a1"}}}));
    assert_eq!(call(archived.router(), "DELETE", "/v1/agents/a1", None).await, (204, String::new()));
    let deleted = Stub::data(value!({"deleteSession": {"deletedSessionId": "s1"}}));
    assert_eq!(call(deleted.router(), "DELETE", "/v1/agents/a1/sessions/s1", None).await, (204, String::new()));
}
