//! What is refused: one table of bad requests. Each is asked of REST and, where GraphQL has the question, of GraphQL; each is told what is wrong
//! and changes nothing.

mod agents;
mod bodies;
mod content;
mod ids;
mod pages;
mod sessions;

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::app::{Answer, TestApp, answer};
use crate::shapes::{ids as ids_of, keys};

/// One bad request.
struct Case {
    /// What is bad about it.
    kind: String,
    rest: Option<Rest>,
    graphql: Option<Graphql>,
    refusal: Refusal,
}

/// A request to REST.
struct Rest {
    method: Method,
    path: String,
    headers: Vec<(header::HeaderName, String)>,
    body: Vec<u8>,
}

/// A question to GraphQL.
struct Graphql {
    document: &'static str,
    variables: Value,
}

/// What must come back.
#[derive(Clone, Copy)]
struct Refusal {
    /// REST's status.
    status: u16,
    code: &'static str,
    field: Field,
}

/// What `field` says; an error that says NOT_FOUND may name what it looked for.
#[derive(Clone, Copy)]
enum Field {
    Named { rest: &'static str, graphql: &'static str },
    Absent,
    Free,
}

/// What stands before the table is tried.
struct Given {
    app: TestApp,
    agent: String,
    /// The path of the agent under /v1.
    agent_path: String,
    session: String,
    /// The path of the session under /v1.
    session_path: String,
}

const NOT_FOUND: Refusal = Refusal { status: 404, code: "NOT_FOUND", field: Field::Free };
/// Ids that name nothing, of an agent and of a session.
const NO_AGENT: &str = "01890000-0000-7000-8000-000000000001";
const NO_SESSION: &str = "01890000-0000-7000-8000-000000000002";

/// Input that is wrong in one field, as each face spells it.
fn bad(rest: &'static str, graphql: &'static str) -> Refusal {
    Refusal { status: 400, code: "BAD_USER_INPUT", field: Field::Named { rest, graphql } }
}

/// A request that is wrong as a whole.
fn unreadable(status: u16) -> Refusal {
    Refusal { status, code: if status == 413 { "PAYLOAD_TOO_LARGE" } else { "BAD_USER_INPUT" }, field: Field::Absent }
}

fn case(kind: impl Into<String>, rest: Rest, graphql: Graphql, refusal: Refusal) -> Case {
    Case { kind: kind.into(), rest: Some(rest), graphql: Some(graphql), refusal }
}

fn rest_only(kind: impl Into<String>, rest: Rest, refusal: Refusal) -> Case {
    Case { kind: kind.into(), rest: Some(rest), graphql: None, refusal }
}

fn graphql_only(kind: impl Into<String>, graphql: Graphql, refusal: Refusal) -> Case {
    Case { kind: kind.into(), rest: None, graphql: Some(graphql), refusal }
}

/// A request without a body.
fn bare(method: Method, path: impl Into<String>) -> Rest {
    Rest { method, path: path.into(), headers: Vec::new(), body: Vec::new() }
}

fn get(path: impl Into<String>) -> Rest {
    bare(Method::GET, path)
}

/// A request with a body of this type.
fn with_body(method: Method, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Rest {
    let headers = vec![(header::CONTENT_TYPE, content_type.to_owned())];
    Rest { headers, body: body.into(), ..bare(method, path) }
}

fn json_body(method: Method, path: &str, body: &Value) -> Rest {
    with_body(method, path, "application/json", body.to_string())
}

fn graphql(document: &'static str, variables: Value) -> Graphql {
    Graphql { document, variables }
}

impl Given {
    async fn start() -> Self {
        let app = TestApp::start().await;
        let (session_path, session) = app.session().await;
        app.say(&session_path, "hello").await;
        app.sse(&session_path, None).await.until("session.completed").await;
        let agent_path = session_path.split("/sessions").next().unwrap().to_owned();
        Self { agent: agent_path.rsplit('/').next().unwrap().to_owned(), app, agent_path, session, session_path }
    }

    /// Everything that is stored, as far as callers can see it.
    async fn stored(&self) -> Value {
        let query = "{ agents { nodes { id name updatedAt } } archived: agents(filter: { status: ARCHIVED }) { totalCount }
            sessions { nodes { id title tags status updatedAt headCursor messages { nodes { id withdrawnAt } } turns { nodes { id status } } } } }";
        self.app.ask(query, json!({})).await
    }

    /// What is wrong with REST's answer to a case.
    async fn try_rest(&self, rest: &Rest, refusal: Refusal) -> Option<String> {
        let mut request = self.app.http.request(rest.method.clone(), self.app.url(&rest.path)).body(rest.body.clone());
        for (name, value) in &rest.headers {
            request = request.header(name, value);
        }
        let Answer { status, headers, body } = answer(request).await;
        let media = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap().to_owned());
        if body.is_string() {
            return Some(format!("{status} without JSON: {body}"));
        }
        let field = match refusal.field {
            Field::Named { rest, .. } => Some(rest),
            Field::Absent => None,
            Field::Free => body["field"].as_str(),
        };
        let mut expected = json!({ "error": body["error"], "status": refusal.status, "code": refusal.code });
        if let Some(field) = field {
            expected["field"] = field.into();
        }
        let fits = status == refusal.status
            && media.as_deref() == Some("application/json")
            && body["error"].as_str().is_some_and(|error| !error.is_empty())
            && body == expected
            && keys(&body) == keys(&expected);
        (!fits).then(|| format!("{} {} answered {status} {media:?} {body}, not {expected}", rest.method, rest.path))
    }

    /// What is wrong with GraphQL's answer to a case.
    async fn try_graphql(&self, asked: &Graphql, refusal: Refusal, codes: &[Value]) -> Option<String> {
        let answer = self.app.graphql(asked.document, asked.variables.clone()).await.body;
        let error = &answer["errors"][0];
        let extensions = &error["extensions"];
        let field = match refusal.field {
            Field::Named { graphql, .. } => json!(graphql),
            Field::Absent => Value::Null,
            Field::Free => extensions["field"].clone(),
        };
        let fits = extensions["code"] == refusal.code
            && codes.contains(&extensions["code"])
            && extensions["field"] == field
            && error["message"].as_str().is_some_and(|message| !message.is_empty())
            && answer
                .get("data")
                .is_none_or(|data| data.as_object().is_none_or(|data| data.values().all(Value::is_null)));
        let document = asked.document.split(" {").next().unwrap_or_default();
        (!fits).then(|| format!("{document} answered {answer}, not {} of {field}", refusal.code))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_by_both_faces_with_its_field_and_changes_nothing() {
    let given = Given::start().await;
    let codes = given.app.ask("{ server { errorCodes } }", json!({})).await["server"]["errorCodes"].take();
    let codes: Vec<Value> = serde_json::from_value(codes).unwrap();
    let table = [
        agents::cases(&given),
        sessions::cases(&given),
        content::cases(&given),
        pages::cases(&given),
        ids::cases(&given),
        bodies::cases(&given),
    ];
    let mut before = given.stored().await;
    assert_eq!(ids_of(&before["agents"]["nodes"]), [&given.agent]);
    let mut wrong = Vec::new();
    for Case { kind, rest, graphql, refusal } in table.into_iter().flatten() {
        let mut faults = Vec::new();
        if let Some(rest) = rest {
            faults.extend(given.try_rest(&rest, refusal).await);
        }
        if let Some(graphql) = graphql {
            faults.extend(given.try_graphql(&graphql, refusal, &codes).await);
        }
        let after = given.stored().await;
        if after != before {
            faults.push("changed what is stored".to_owned());
            before = after;
        }
        wrong
            .extend(faults.into_iter().map(|fault| format!("{kind}: {}", fault.chars().take(600).collect::<String>())));
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
