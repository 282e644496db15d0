//! GraphQL over HTTP.

use everruns::edge::http::BODY_BYTES_MAX;
use reqwest::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::{ask, killers};
use crate::app::TestApp;

const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";

async fn post(app: &TestApp, accept: &str, body: impl Into<reqwest::Body>) -> Response {
    let request = app.http.post(app.url("/graphql")).header(CONTENT_TYPE, "application/json").header(ACCEPT, accept);
    request.body(body).send().await.unwrap()
}

/// The status, the code and the field of the first error, and whether there is `data`.
async fn refusal(response: Response) -> (u16, String, Option<String>) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    assert!(body.get("data").is_none(), "{body}");
    let extensions = &body["errors"][0]["extensions"];
    (status, extensions["code"].as_str().unwrap().to_owned(), extensions["field"].as_str().map(str::to_owned))
}

fn bad(status: u16, field: Option<&str>) -> (u16, String, Option<String>) {
    (status, "BAD_USER_INPUT".to_owned(), field.map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_answered_in_the_media_type_that_was_asked_for() {
    let app = TestApp::start().await;
    for (accept, expected) in [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        (GRAPHQL_RESPONSE, GRAPHQL_RESPONSE),
        ("application/graphql-response+json; charset=utf-8, application/json; charset=utf-8", GRAPHQL_RESPONSE),
        ("application/json, application/graphql-response+json; q=0.5", "application/json"),
        ("text/html,*/*;q=0.8", "application/json"),
    ] {
        let response = post(&app, accept, r#"{"query": "{ server { status } }"}"#).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_TYPE], expected, "{accept}");
        assert!(response.json::<Value>().await.unwrap()["data"]["server"]["status"].is_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_operation_has_no_data_and_a_status_by_media_type() {
    let app = TestApp::start().await;
    for query in ["{", "{ nothingOfThisName }", "query A { __typename } query B { __typename }"] {
        let body = json!({ "query": query }).to_string();
        assert_eq!(refusal(post(&app, GRAPHQL_RESPONSE, body.clone()).await).await, bad(400, None), "{query}");
        assert_eq!(refusal(post(&app, "application/json", body).await).await, bad(200, None), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_request_is_refused_by_the_name_of_its_member() {
    let app = TestApp::start().await;
    for (body, field) in [
        ("", None),
        ("{", None),
        ("[]", None),
        (r#"[{"query": "{ __typename }"}]"#, None),
        ("{}", Some("query")),
        (r#"{"query": null}"#, Some("query")),
        (r#"{"query": 1}"#, Some("query")),
        (r#"{"query": "{ __typename }", "operationName": 1}"#, Some("operationName")),
        (r#"{"query": "{ __typename }", "variables": "{}"}"#, Some("variables")),
        (r#"{"query": "{ __typename }", "extensions": []}"#, Some("extensions")),
    ] {
        for accept in ["application/json", GRAPHQL_RESPONSE] {
            assert_eq!(refusal(post(&app, accept, body).await).await, bad(400, field), "{body}");
        }
    }
    let nulls =
        r#"{"query": "{ __typename }", "operationName": null, "variables": null, "extensions": null, "other": 1}"#;
    assert_eq!(post(&app, "*/*", nulls).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_json_bodies_are_taken() {
    let app = TestApp::start().await;
    let query = r#"{"query": "{ __typename }"}"#;
    for content_type in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "application/graphql"]
    {
        let request = app.http.post(app.url("/graphql")).header(CONTENT_TYPE, content_type).body(query);
        assert_eq!(refusal(request.send().await.unwrap()).await, bad(415, None), "{content_type}");
    }
    assert_eq!(refusal(app.http.post(app.url("/graphql")).body(query).send().await.unwrap()).await, bad(415, None));
    let request =
        app.http.post(app.url("/graphql")).header(CONTENT_TYPE, "Application/JSON; charset=utf-8").body(query);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_413() {
    let app = TestApp::start().await;
    let too_large = (413, "PAYLOAD_TOO_LARGE".to_owned(), None);
    let body = post(&app, "*/*", vec![b' '; BODY_BYTES_MAX + 1]).await;
    assert_eq!(refusal(body).await, too_large);
    let document = json!({ "query": format!("{{ __typename }} #{}", "-".repeat(64 * 1024)) }).to_string();
    assert_eq!(refusal(post(&app, "*/*", document).await).await, too_large);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_runs_queries() {
    let app = TestApp::start().await;
    let get = |parameters: &[(&str, &str)]| {
        app.http.get(reqwest::Url::parse_with_params(&app.url("/graphql"), parameters).unwrap()).send()
    };
    let document = "query A($yes: Boolean!) { server @include(if: $yes) { __typename } } mutation B { __typename }";
    let parameters = [("query", document), ("operationName", "A"), ("variables", r#"{"yes": true}"#)];
    let answer: Value = get(&parameters).await.unwrap().json().await.unwrap();
    assert_eq!(answer, json!({ "data": { "server": { "__typename": "Server" } } }));
    assert_eq!(refusal(get(&[]).await.unwrap()).await, bad(400, Some("query")));
    assert_eq!(
        refusal(get(&[("query", "{ __typename }"), ("variables", "{")]).await.unwrap()).await,
        bad(400, Some("variables"))
    );
    assert_eq!(
        refusal(get(&[("query", "{ __typename }"), ("query", "{ __typename }")]).await.unwrap()).await,
        bad(400, None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_changes_nothing() {
    let app = TestApp::start().await;
    for query in [
        r#"mutation { createAgent(input: {name: "By GET", systemPrompt: ""}) { agent { id } } }"#,
        r#"subscription { sessionEvents(sessionId: "x") { __typename } }"#,
    ] {
        let url = reqwest::Url::parse_with_params(&app.url("/graphql"), [("query", query)]).unwrap();
        let response = app.http.get(url).send().await.unwrap();
        assert_eq!(response.headers()[ALLOW], "POST");
        assert_eq!(refusal(response).await, bad(405, None));
    }
    assert_eq!(ask(&app, "{ agents { nodes { id } } }").await, json!({ "data": { "agents": { "nodes": [] } } }));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_are_not_allowed() {
    let app = TestApp::start().await;
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let response = app.http.request(method, app.url("/graphql")).send().await.unwrap();
        assert_eq!(response.headers()[ALLOW], "GET, POST");
        assert_eq!(refusal(response).await, bad(405, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_over_post_is_told_where_to_go() {
    let app = TestApp::start().await;
    let answer = ask(&app, r#"subscription { sessionEvents(sessionId: "x") { __typename } }"#).await;
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("graphql-transport-ws"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killer_queries_are_refused_by_post_and_get() {
    let app = TestApp::start().await;
    for query in killers() {
        assert_eq!(
            refusal(post(&app, GRAPHQL_RESPONSE, json!({ "query": query }).to_string()).await).await,
            bad(400, None)
        );
        let url = reqwest::Url::parse_with_params(&app.url("/graphql"), [("query", query)]).unwrap();
        assert_eq!(refusal(app.http.get(url).send().await.unwrap()).await, bad(200, None));
    }
}
