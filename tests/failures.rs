//! Faults of the server's own: what the caller is told, and what the log has.

use async_graphql::{Executor, Pos, Request, Response as GraphqlResponse};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use everruns::config::Switch;
use everruns::edge;
use everruns::error::Error;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use reqwest::header::RETRY_AFTER;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::net::TcpListener;

use crate::app::{Caller, TestApp};
use crate::log::Log;

/// An executor whose database is out of reach.
#[derive(Clone)]
struct OutOfReach;

impl Executor for OutOfReach {
    async fn execute(&self, _: Request) -> GraphqlResponse {
        let error = async_graphql::Error::from(Error::unavailable("canary"));
        GraphqlResponse::from_errors(vec![error.into_server_error(Pos::default())])
    }

    fn execute_stream(
        &self,
        request: Request,
        _: Option<std::sync::Arc<async_graphql::Data>>,
    ) -> BoxStream<'static, GraphqlResponse> {
        stream::once(async move { Self.execute(request).await }).boxed()
    }
}

#[tokio::test]
async fn what_cannot_be_done_now_says_when_to_try_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let caller = Caller::new(listener.local_addr().unwrap().port());
    let router = edge::router(OutOfReach, Switch::On).merge(everruns_rest::router(OutOfReach).0);
    tokio::spawn(axum::serve(listener, router).into_future());

    let request = caller.http.post(caller.url("/graphql")).header("accept", "application/graphql-response+json");
    let answer = request.json(&json!({ "query": "{ __typename }" })).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()[RETRY_AFTER]), (503, &"1".parse().unwrap()));
    let text = answer.text().await.unwrap();
    assert!(text.contains(r#""extensions":{"code":"UNAVAILABLE","retryAfter":1}"#), "{text}");
    assert!(!text.contains("canary"), "{text}");

    for path in ["/v1/agents", "/v1/agents/a/sessions/s/events"] {
        let answer = caller.get(path).await;
        assert_eq!((answer.status, &answer.headers[RETRY_AFTER]), (503, &"1".parse().unwrap()), "{path}");
        assert_eq!(answer.body["code"], "UNAVAILABLE");
    }
}

#[tokio::test]
async fn a_cause_that_fails_many_fields_is_logged_once() {
    let (log, _guard) = Log::listen();
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    for text in ["one", "two"] {
        app.say(&path, text).await;
    }
    let mut stream = app.sse(&path, None).await;
    for _ in 0..2 {
        stream.until("session.completed").await;
    }
    break_steps(app.config.database_url.expose_secret()).await;
    let query = "query($id: ID!) { session(id: $id) { messages { nodes { step { id } } } } }";
    app.graphql(query, json!({ "id": session_id })).await;
    log.clear();
    let answer = app.graphql(query, json!({ "id": session_id })).await.body;
    assert_eq!(answer["errors"].as_array().unwrap().len(), 2, "{answer}");
    let text = log.text();
    let logged: Vec<_> = text.lines().filter(|line| line.contains("a request failed")).collect();
    assert_eq!(logged.len(), 1, "{text}");
    assert!(logged[0].contains("steps"), "the log has the cause: {text}");
}

/// From now on nobody can read steps.
async fn break_steps(database_url: &str) {
    let rename = "ALTER TABLE steps RENAME TO gone";
    if let Some(path) = database_url.strip_prefix("sqlite://") {
        let mut conn = <diesel::SqliteConnection as diesel::Connection>::establish(path).unwrap();
        diesel::connection::SimpleConnection::batch_execute(&mut conn, rename).unwrap();
    } else {
        AsyncPgConnection::establish(database_url).await.unwrap().batch_execute(rename).await.unwrap();
    }
}
