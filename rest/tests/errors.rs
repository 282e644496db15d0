//! Every refusal has the error body, and every code its status.

use apollo_compiler::schema::ExtendedType;
use async_graphql::{Value, value};
use axum::{
    body::Body,
    http::{self, HeaderValue},
};
use tower::ServiceExt;

use crate::stub::{Stub, call, json, schema, send};

#[tokio::test]
async fn every_code_of_the_schema_has_its_status() {
    let ExtendedType::Enum(codes) = schema().types["ErrorCode"].clone() else { panic!("ErrorCode is no enum") };
    for code in codes.values.keys() {
        let (status, body) = call(Stub::error(code, None).router(), "GET", "/v1/agents/a1", None).await;
        let body = json(&body);
        assert_eq!((body["code"].as_str(), body["status"].as_u64()), (Some(code.as_str()), Some(status.into())));
        assert_eq!(status == 500, code == "INTERNAL_SERVER_ERROR", "{code}");
    }
}

#[tokio::test]
async fn a_field_is_named_as_rest_spells_it() {
    for (path, graphql, rest) in [
        ("/v1/agents/a1", "id", "agent_id"),
        ("/v1/agents/a1", "input.systemPrompt", "system_prompt"),
        ("/v1/agents?limit=7", "first", "limit"),
        ("/v1/agents/a1/sessions/s1", "input.id", "session_id"),
        ("/v1/agents/a1/sessions/s1", "filter.agentId", "agent_id"),
        ("/v1/agents/a1/sessions/s1", "input.content[1].image.mediaType", "content[1].media_type"),
    ] {
        let (status, body) = call(Stub::error("BAD_USER_INPUT", Some(graphql)).router(), "GET", path, None).await;
        assert_eq!(status, 400);
        assert_eq!(json(&body)["field"], rest);
    }
}

#[tokio::test]
async fn what_is_not_there_is_404() {
    let (status, body) = call(Stub::data(value!({"agent": null})).router(), "GET", "/v1/agents/a1", None).await;
    assert_eq!(status, 404);
    assert_eq!(body, r#"{"error":"agent not found","status":404,"code":"NOT_FOUND","field":"agent_id"}"#);
    let stub = Stub::data(value!({"session": null}));
    let (status, body) = call(stub.router(), "GET", "/v1/agents/a1/sessions/s1/messages", None).await;
    assert_eq!((status, json(&body)["field"].as_str()), (404, Some("session_id")));
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_are_refused_as_json() {
    let router = Stub::data(Value::Null).router();
    for path in ["/v1", "/v1/", "/v1/nothing", "/v1/agents/", "/v1/agents/a1/nothing", "/v1/agents/a1/sessions/s1/x"] {
        let (status, body) = call(router.clone(), "GET", path, None).await;
        assert_eq!((status, json(&body)["code"].as_str()), (404, Some("NOT_FOUND")), "{path}");
    }
    for (method, path) in
        [("PUT", "/v1/agents"), ("POST", "/v1/agents/a1"), ("GET", "/v1/agents/a1/sessions/s1/cancel")]
    {
        let (status, body) = call(router.clone(), method, path, None).await;
        assert_eq!((status, json(&body)["code"].as_str()), (405, Some("BAD_USER_INPUT")), "{method} {path}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let request = http::Request::put("/v1/agents").body(Body::empty()).unwrap();
    let response = Stub::data(Value::Null).router().oneshot(request).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (405, &HeaderValue::from_static("GET,HEAD,POST"))
    );
}

#[tokio::test]
async fn a_body_that_does_not_fit_names_its_field() {
    let messages = "/v1/agents/a1/sessions/s1/messages";
    for (path, body, field) in [
        ("/v1/agents", r#"{"system_prompt":""}"#, "name"),
        ("/v1/agents", r#"{"name":1,"system_prompt":""}"#, "name"),
        ("/v1/agents", r#"{"name":"a","system_prompt":"","tags":["x",2]}"#, "tags[1]"),
        ("/v1/agents", r#"{"name":"a","name":"b","system_prompt":""}"#, "name"),
        (messages, r#"{"content":"hi"}"#, "role"),
        (messages, r#"{"role":"assistant","content":"hi"}"#, "role"),
        (messages, r#"{"role":"user"}"#, "content"),
        (messages, r#"{"role":"user","content":{"txt":"hi"}}"#, "content"),
        (messages, r#"{"role":"user","content":[{"type":"sound"}]}"#, "content"),
    ] {
        let (status, answer) = call(Stub::data(Value::Null).router(), "POST", path, Some(body)).await;
        assert_eq!((status, json(&answer)["field"].as_str()), (400, Some(field)), "{body}: {answer}");
    }
}

#[tokio::test]
async fn a_body_of_another_kind_is_refused() {
    let router = Stub::data(Value::Null).router();
    let (status, body) = call(router.clone(), "POST", "/v1/agents", Some("{")).await;
    assert_eq!((status, json(&body)["status"].as_u64()), (400, Some(400)));
    let (status, _) = call(router.clone(), "POST", "/v1/agents", Some("[]")).await;
    assert_eq!(status, 400);
    let form = http::Request::post("/v1/agents").header("content-type", "application/x-www-form-urlencoded");
    let (status, body) = send(router.clone(), form.body(Body::from("{}")).unwrap()).await;
    assert_eq!((status, json(&body)["code"].as_str()), (415, Some("BAD_USER_INPUT")));
    let large = "x".repeat(16 * 1024 * 1024 + 1);
    let (status, body) = call(router, "POST", "/v1/agents", Some(&large)).await;
    assert_eq!((status, json(&body)["code"].as_str()), (413, Some("PAYLOAD_TOO_LARGE")));
}

#[tokio::test]
async fn a_parameter_of_the_wrong_type_is_named() {
    for query in ["limit=many", "limit=0", "limit=-1", "limit=", "limit=1&limit=2"] {
        let path = format!("/v1/agents?{query}");
        let (status, body) = call(Stub::data(Value::Null).router(), "GET", &path, None).await;
        assert_eq!((status, json(&body)["field"].as_str()), (400, Some("limit")), "{query}: {body}");
    }
}
