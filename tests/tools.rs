//! What each tool answers, called by the simulator in a session of its own.

mod files;
mod web;

use axum::Router;
use serde_json::{Value, json};

use crate::app::{Caller, TestApp};

const CALLS: &str = "query($id: ID!) { session(id: $id) { turns(last: 1) { nodes { steps {
    toolCalls { id name arguments status result error startedAt finishedAt }
} } } } }";

/// A web server of a test's own; gives back its address.
pub async fn serve(pages: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, pages).await });
    format!("http://{address}")
}

/// A server whose tools may go to this machine.
pub async fn start_with_web() -> TestApp {
    TestApp::start_with(|config| config.outbound_allowed_hosts = "127.0.0.1".parse().unwrap()).await
}

/// The tool calls of the session's last turn, in their order.
pub async fn calls_of(app: &Caller, session_id: &str) -> Vec<Value> {
    let asked = app.ask(CALLS, json!({ "id": session_id })).await;
    let steps = asked["session"]["turns"]["nodes"][0]["steps"].as_array().unwrap();
    steps.iter().flat_map(|step| step["toolCalls"].as_array().unwrap().clone()).collect()
}

/// A session in which tools are called.
pub struct Toolbox<'a> {
    app: &'a TestApp,
    path: String,
    session_id: String,
}

impl<'a> Toolbox<'a> {
    pub async fn of(app: &'a TestApp, capability_id: &str) -> Self {
        let (path, session_id) = app.session_with(&[capability_id]).await;
        Self { app, path, session_id }
    }

    /// What this tool answers, or why it does not.
    pub async fn call(&self, tool: &str, arguments: Value) -> Result<Value, String> {
        let head =
            self.app.ask("query($id: ID!) { session(id: $id) { headCursor } }", json!({ "id": self.session_id })).await;
        let mut stream = self.app.sse(&self.path, head["session"]["headCursor"].as_str()).await;
        self.app.say(&self.path, &format!("/sim call={tool} {arguments}")).await;
        stream.until("session.completed").await;
        let mut call = calls_of(self.app, &self.session_id).await.remove(0);
        match call["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(call["result"].take()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tool_that_is_offered_runs() {
    let app = TestApp::start().await;
    let listed = app.get("/v1/capabilities").await.body;
    for capability in listed["data"].as_array().unwrap() {
        for tool in capability["tools"].as_array().unwrap() {
            let toolbox = Toolbox::of(&app, capability["id"].as_str().unwrap()).await;
            let answer = toolbox.call(tool["name"].as_str().unwrap(), json!({})).await;
            let required = tool["parameters"]["required"].as_array().unwrap();
            match required.first() {
                Some(first) => {
                    let missing = format!("missing field `{}`", first.as_str().unwrap());
                    assert!(answer.as_ref().unwrap_err().contains(&missing), "{tool}: {answer:?}");
                }
                None => assert!(answer.is_ok(), "{tool}: {answer:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_is_told_in_any_zone_and_format() {
    let app = TestApp::start().await;
    let clock = Toolbox::of(&app, "current_time").await;
    let before = jiff::Timestamp::now().as_second();
    let told = clock.call("current_time", json!({})).await.unwrap();
    assert_eq!(told["timezone"], "UTC");
    let told: jiff::Timestamp = told["time"].as_str().unwrap().parse().unwrap();
    assert!((before..=before + 60).contains(&told.as_second()));
    let tokyo = clock.call("current_time", json!({ "timezone": "Asia/Tokyo" })).await.unwrap();
    assert!(tokyo["time"].as_str().unwrap().ends_with("+09:00"), "{tokyo}");
    let unix = clock.call("current_time", json!({ "format": "unix" })).await.unwrap();
    assert!((before..=before + 60).contains(&unix["time"].as_i64().unwrap()));
    let year = clock.call("current_time", json!({ "format": "%Y" })).await.unwrap();
    assert_eq!(year["time"].as_str().unwrap().len(), 4);
    let human = clock.call("current_time", json!({ "format": "human", "timezone": "Europe/Berlin" })).await.unwrap();
    assert!(human["time"].as_str().unwrap().contains(year["time"].as_str().unwrap()), "{human}");
    for refused in [json!({ "format": "french" }), json!({ "format": "%!" }), json!({ "timezone": "" })] {
        assert!(clock.call("current_time", refused.clone()).await.is_err(), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn weather_is_made_up_and_stays_the_same() {
    let app = TestApp::start().await;
    let weather = Toolbox::of(&app, "test_weather").await;
    let one = weather.call("test_weather_current", json!({ "city": "Berlin" })).await.unwrap();
    let mut other = weather.call("test_weather_current", json!({ "city": " berlin" })).await.unwrap();
    other["city"] = "Berlin".into();
    assert_eq!(one, other);
    assert!(one["note"].as_str().unwrap().contains("not the real weather"));
    let days = weather.call("test_weather_forecast", json!({ "city": "Berlin", "days": 5 })).await.unwrap();
    assert_eq!(days["forecast"].as_array().unwrap().len(), 5);
    assert!(weather.call("test_weather_forecast", json!({ "city": "Berlin", "days": 11 })).await.is_err());
    assert!(weather.call("test_weather_current", json!({ "city": " " })).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_to_do_list_is_checked_and_counted() {
    let app = TestApp::start().await;
    let list = Toolbox::of(&app, "stateless_todo_list").await;
    let todos = json!([
        { "content": "Read", "status": "completed" },
        { "content": "Write", "status": "in_progress", "activeForm": "Writing" },
        { "content": "Rest", "status": "pending" },
    ]);
    let written = list.call("write_todos", json!({ "todos": todos })).await.unwrap();
    let counts = json!({ "total": 3, "pending": 1, "in_progress": 1, "completed": 1, "todos": todos });
    assert_eq!(written, counts);
    for refused in [json!([{ "content": "x", "status": "done" }]), json!([{ "content": " ", "status": "pending" }])] {
        assert!(list.call("write_todos", json!({ "todos": refused })).await.is_err());
    }
}
