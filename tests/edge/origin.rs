//! Host and Origin in mode none.

use reqwest::StatusCode;
use reqwest::header::{HOST, ORIGIN};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;

use super::websocket::upgrade_request;
use crate::app::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_the_servers_is_forbidden_on_every_path() {
    let app = TestApp::start().await;
    for path in ["/health", "/v1/agents", "/graphiql", "/nothing/here"] {
        let response = app.http.get(app.url(path)).header(HOST, "attacker.example:9000").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(
            body,
            json!({ "error": "The Host header does not name this server", "status": 403, "code": "FORBIDDEN" })
        );
    }
    let request = app.http.post(app.url("/graphql")).header(HOST, "attacker.example");
    let response = request.json(&json!({ "query": "{ __typename }" })).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["errors"][0]["extensions"]["code"], "FORBIDDEN");
    assert!(body.get("data").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_own_hosts_pass() {
    let app = TestApp::start().await;
    for host in ["localhost", "LOCALHOST:1234", "app.localhost:80", "127.0.0.1:9000", "127.9.9.9", "[::1]:9000"] {
        let request = app.http.post(app.url("/graphql")).header(HOST, host);
        let response = request.json(&json!({ "query": "{ __typename }" })).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{host}");
    }
    for host in ["localhost.attacker.example", "notlocalhost", "10.0.0.1", "[2001:db8::1]", "a b"] {
        let request = app.http.post(app.url("/graphql")).header(HOST, host);
        let response = request.json(&json!({ "query": "{ __typename }" })).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_page_cannot_post() {
    let app = TestApp::start().await;
    let post = |origin: &str| {
        let request = app.http.post(app.url("/graphql")).header(HOST, "localhost:9000").header(ORIGIN, origin);
        request.json(&json!({ "query": "{ __typename }" })).send()
    };
    for origin in [
        "http://attacker.example",
        "null",
        "http://localhost:9001",
        "https://localhost",
        "file://",
        "http://127.0.0.1:9000",
    ] {
        assert_eq!(post(origin).await.unwrap().status(), StatusCode::FORBIDDEN, "{origin}");
    }
    assert_eq!(post("http://localhost:9000").await.unwrap().status(), StatusCode::OK);
    let read = app.http.get(app.url("/graphiql")).header(ORIGIN, "http://attacker.example").send().await.unwrap();
    assert_eq!(read.status(), StatusCode::OK, "a page may ask for what it cannot read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_page_cannot_open_a_socket() {
    let app = TestApp::start().await;
    for path in ["", "/ws"] {
        let mut request = upgrade_request(&format!("{}{path}", app.ws_url()));
        request.headers_mut().insert("origin", "http://attacker.example".parse().unwrap());
        match connect_async(request).await {
            Err(Error::Http(response)) => assert_eq!(response.status().as_u16(), 403),
            other => panic!("{other:?}"),
        }
        let own = app.url("").trim_end_matches('/').to_owned();
        let mut request = upgrade_request(&format!("{}{path}", app.ws_url()));
        request.headers_mut().insert("origin", own.parse().unwrap());
        connect_async(request).await.unwrap();
    }
}
