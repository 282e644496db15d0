//! Host and Origin in mode none.

use everruns::config::Origins;
use reqwest::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HOST, ORIGIN};
use reqwest::{Method, StatusCode};
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

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_origin_may_read_and_write_and_its_host_is_a_name_of_the_server() {
    let origins: Origins = "https://App.example/, http://other.example:8080 ,".parse().unwrap();
    let app = TestApp::start_with(|config| config.cors_allowed_origins = origins).await;
    for origin in ["https://app.example", "http://other.example:8080"] {
        let ask = app.http.request(Method::OPTIONS, app.url("/graphql")).header(ORIGIN, origin);
        let answer = ask.header("access-control-request-method", "POST").send().await.unwrap();
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], origin);
        let post = app.http.post(app.url("/graphql")).header(ORIGIN, origin);
        let answer = post.json(&json!({ "query": "{ __typename }" })).send().await.unwrap();
        assert_eq!(
            (answer.status(), &answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN]),
            (StatusCode::OK, &origin.parse().unwrap())
        );
    }
    for (host, status) in [("app.example", 200), ("other.example:9000", 200), ("another.example", 403)] {
        let answer = app.http.get(app.url("/health")).header(HOST, host).send().await.unwrap();
        assert_eq!(answer.status(), status, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machines_own_name_is_a_name_of_the_server() {
    // Only Linux has it in a file.
    let Ok(name) = std::fs::read_to_string("/proc/sys/kernel/hostname") else { return };
    let app = TestApp::start().await;
    let answer = app.http.get(app.url("/health")).header(HOST, name.trim()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[test]
fn what_is_no_origin_is_refused_by_its_text() {
    for bad in [
        "*",
        "null",
        "app.example",
        "https://*.example",
        "https://a.example/path",
        "https://a.example?q",
        "https://a.example#f",
        "https://me@a.example",
        "https://",
        "https://a b",
    ] {
        let refusal = format!("https://fine.example,{bad}").parse::<Origins>().unwrap_err();
        assert!(refusal.contains(&format!("`{bad}`")), "{refusal}");
    }
    let same: [Origins; 2] = ["https://a.example,http://b.example", "HTTPS://a.example:443/ , http://b.example:80"]
        .map(|list| list.parse().unwrap());
    assert_eq!(same[0], same[1]);
    assert_eq!("".parse(), Ok(Origins::default()));
}
