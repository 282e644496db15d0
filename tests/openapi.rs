//! Holds what the server really answers against its OpenAPI. `answer` and `Sse` of app.rs come here, so every test of the suite does.

use std::collections::HashMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::app::{Frame, TestApp};

static API: LazyLock<Api> = LazyLock::new(Api::read);

struct Api {
    /// Segments of a path, and its methods.
    paths: Vec<(Vec<String>, HashMap<String, Route>)>,
    error: Validator,
    frame: Validator,
}

/// By status: the content type and its schema, where it has a body.
type Route = HashMap<u16, Option<(String, Validator)>>;

/// Fails the test if OpenAPI does not say that this may be answered. A path or method that is not there must be refused as REST refuses.
pub fn check(method: &str, path: &str, status: u16, content_type: Option<&str>, body: &Value) {
    if !(path.starts_with("/v1/") || path == "/health") || ["HEAD", "OPTIONS"].contains(&method) {
        return;
    }
    let what = format!("{method} {path} answered {status} {body}");
    let Some(route) = API.route(method, path) else {
        assert!([403, 404, 405].contains(&status), "{what}: OpenAPI has no such route");
        return holds(&API.error, body, &what);
    };
    let Some(answer) = route.get(&status) else {
        panic!(
            "{what}: OpenAPI does not have this status. If it is meant: `(status = {status}, description = ...)` at the handler"
        );
    };
    let Some((media_type, schema)) = answer else {
        return assert!(*body == json!(""), "{what}: OpenAPI says that there is no body");
    };
    assert_eq!(content_type, Some(media_type.as_str()), "{what}");
    holds(schema, body, &what);
}

/// Fails the test if OpenAPI does not say that this may be a frame of a stream.
pub fn check_frame(frame: &Frame) {
    let frame = json!({ "id": frame.id, "event": frame.event, "data": frame.data });
    holds(&API.frame, &frame, &format!("the frame {frame}"));
}

fn holds(schema: &Validator, body: &Value, what: &str) {
    if let Err(error) = schema.validate(body) {
        panic!("{what}, which does not fit its schema: {error} at `{}`", error.instance_path());
    }
}

impl Api {
    fn read() -> Self {
        let mut api = serde_json::to_value(everruns_rest::openapi()).unwrap();
        close(&mut api);
        let validator = |schema: &Value| {
            let schema = json!({ "allOf": [schema], "components": api["components"] });
            jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
        };
        let answer = |response: &Value| {
            let response = response["$ref"].as_str().map_or(response, |path| api.pointer(&path[1..]).unwrap());
            let content = response["content"].as_object()?;
            // A stream is read frame by frame; what is answered at once is the other one.
            let (media_type, content) = content.iter().find(|(media_type, _)| *media_type != "text/event-stream")?;
            Some((media_type.clone(), validator(&content["schema"])))
        };
        let route = |route: &Value| {
            let responses = route["responses"].as_object().unwrap().iter();
            responses.map(|(status, response)| (status.parse().unwrap(), answer(response))).collect()
        };
        let paths = api["paths"].as_object().unwrap().iter().map(|(path, item)| {
            let methods = item.as_object().unwrap().iter().map(|(method, at)| (method.to_uppercase(), route(at)));
            (path.split('/').map(str::to_owned).collect(), methods.collect())
        });
        let component = |name: &str| validator(&json!({ "$ref": format!("#/components/schemas/{name}") }));
        Self { paths: paths.collect(), error: component("Error"), frame: component("EventFrame") }
    }

    fn route(&self, method: &str, path: &str) -> Option<&Route> {
        let asked: Vec<&str> = path.split('/').collect();
        // A fixed segment wins over a parameter, as it does in the router.
        let paths = self.paths.iter().filter(|(path, _)| matches(path, &asked));
        let (_, methods) = paths.min_by_key(|(path, _)| path.iter().filter(|part| part.starts_with('{')).count())?;
        methods.get(method)
    }
}

/// `{path}` at the end takes the rest, `{other}` takes one segment that is not empty.
fn matches(path: &[String], asked: &[&str]) -> bool {
    let takes_rest = path.last().is_some_and(|last| last == "{path}");
    (path.len() == asked.len() || takes_rest && asked.len() > path.len())
        && path.iter().zip(asked).all(|(part, given)| part == given || part.starts_with('{') && !given.is_empty())
}

/// Objects that list their fields have no others: a field that OpenAPI does not know is a difference too.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.contains_key("properties") && fields.get("type") == Some(&json!("object")) {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_serves_the_openapi_that_tests_hold_it_against() {
    let app = TestApp::start().await;
    let served = app.get("/api-doc/openapi.json").await;
    assert_eq!(served.status, 200);
    assert_eq!(served.headers["content-type"], "application/json");
    assert_eq!(served.body, serde_json::to_value(everruns_rest::openapi()).unwrap());
}

#[test]
fn an_answer_that_openapi_does_not_know_is_noticed() {
    let agent = json!({ "id": "0199f000-0000-7000-8000-000000000002", "name": "A", "system_prompt": "", "tags": [],
        "status": "active", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z" });
    let path = "/v1/agents/0199f000-0000-7000-8000-000000000002";
    let json_type = Some("application/json");
    let with = |key: &str, value: Value| {
        let mut changed: Map<String, Value> = agent.as_object().unwrap().clone();
        changed.insert(key.to_owned(), value);
        Value::Object(changed)
    };
    check("GET", path, 200, json_type, &agent);
    let mut silent = agent.as_object().unwrap().clone();
    silent.remove("tags");
    let error = json!({ "error": "no", "status": 418, "code": "BAD_USER_INPUT" });
    for (status, content_type, body) in [
        (201, json_type, agent.clone()),
        (200, Some("text/plain"), agent.clone()),
        (200, json_type, with("surprise", json!(1))),
        (200, json_type, with("id", json!("a1"))),
        (200, json_type, with("created_at", json!("yesterday"))),
        (200, json_type, with("description", Value::Null)),
        (200, json_type, Value::Object(silent)),
        (418, json_type, error),
    ] {
        let noticed = std::panic::catch_unwind(|| check("GET", path, status, content_type, &body));
        assert!(noticed.is_err(), "{status} {content_type:?} {body}");
    }
}
