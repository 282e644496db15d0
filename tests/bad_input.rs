//! What is refused: one table of bad requests. Each is asked of REST and, where GraphQL has the question, of GraphQL; each is told what is wrong
//! and changes nothing.

mod accounts;
mod agents;
mod bodies;
mod capabilities;
mod choices;
mod content;
mod credentials;
mod files;
mod given;
mod ids;
mod models;
mod pages;
mod providers;
mod repeats;
mod sessions;

use reqwest::{Method, header};
use serde_json::{Value, json};

use self::given::{ADA, Given};
use crate::app::{Answer, answer};
use crate::shapes::{ids as ids_of, keys};

/// One bad request.
struct Case {
    /// What is bad about it.
    kind: String,
    rest: Option<Rest>,
    graphql: Option<Graphql>,
    /// What both are sent as `Authorization`, in so many headers, where it is not what the table sends.
    authorization: Option<Vec<String>>,
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

const NOT_FOUND: Refusal = Refusal { status: 404, code: "NOT_FOUND", field: Field::Free };
const UNAUTHENTICATED: Refusal = Refusal { status: 401, code: "UNAUTHENTICATED", field: Field::Absent };
const FORBIDDEN: Refusal = Refusal { status: 403, code: "FORBIDDEN", field: Field::Absent };
/// Ids that name nothing, of an agent and of a session.
const NO_AGENT: &str = "01890000-0000-7000-8000-000000000001";
const NO_SESSION: &str = "01890000-0000-7000-8000-000000000002";

/// Input that is wrong in one field, as each face spells it.
const fn bad(rest: &'static str, graphql: &'static str) -> Refusal {
    Refusal { status: 400, code: "BAD_USER_INPUT", field: Field::Named { rest, graphql } }
}

/// A request that is wrong as a whole.
fn unreadable(status: u16) -> Refusal {
    Refusal { status, code: if status == 413 { "PAYLOAD_TOO_LARGE" } else { "BAD_USER_INPUT" }, field: Field::Absent }
}

fn case(kind: impl Into<String>, rest: Rest, graphql: Graphql, refusal: Refusal) -> Case {
    Case { kind: kind.into(), rest: Some(rest), graphql: Some(graphql), authorization: None, refusal }
}

fn rest_only(kind: impl Into<String>, rest: Rest, refusal: Refusal) -> Case {
    Case { kind: kind.into(), rest: Some(rest), graphql: None, authorization: None, refusal }
}

fn graphql_only(kind: impl Into<String>, graphql: Graphql, refusal: Refusal) -> Case {
    Case { kind: kind.into(), rest: None, graphql: Some(graphql), authorization: None, refusal }
}

impl Case {
    /// The same, asked with these credentials.
    fn sending(self, authorization: &[&str]) -> Self {
        Self { authorization: Some(authorization.iter().map(|&text| text.to_owned()).collect()), ..self }
    }
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
    /// What is wrong with REST's answer to a case.
    async fn try_rest(&self, rest: &Rest, authorization: &[String], refusal: Refusal) -> Option<String> {
        let mut request = self.app.http.request(rest.method.clone(), self.app.url(&rest.path)).body(rest.body.clone());
        for (name, value) in &rest.headers {
            request = request.header(name, value);
        }
        let Answer { status, headers, body } = answer(sending(request, authorization)).await;
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
    async fn try_graphql(&self, asked: &Graphql, authorization: &[String], refusal: Refusal) -> Option<String> {
        let answer = self.graphql(asked.document, &asked.variables, authorization).await;
        let error = &answer["errors"][0];
        let extensions = &error["extensions"];
        let field = match refusal.field {
            Field::Named { graphql, .. } => json!(graphql),
            Field::Absent => Value::Null,
            Field::Free => extensions["field"].clone(),
        };
        let fits = extensions["code"] == refusal.code
            && extensions["field"] == field
            && error["message"].as_str().is_some_and(|message| !message.is_empty())
            && answer.get("data").is_none_or(holds_nothing);
        let document = asked.document.split(" {").next().unwrap_or_default();
        (!fits).then(|| format!("{document} answered {answer}, not {} of {field}", refusal.code))
    }
}

fn sending(request: reqwest::RequestBuilder, authorization: &[String]) -> reqwest::RequestBuilder {
    authorization.iter().fold(request, |request, value| request.header(header::AUTHORIZATION, value.as_bytes()))
}

/// Whether nothing but null stands in the data.
fn holds_nothing(data: &Value) -> bool {
    match data {
        Value::Object(fields) => fields.values().all(holds_nothing),
        other => other.is_null(),
    }
}

/// Tries the table, row by row.
async fn try_all(given: &Given, table: impl IntoIterator<Item = Vec<Case>>) {
    let codes = given.app.ask("{ server { errorCodes } }", json!({})).await["server"]["errorCodes"].take();
    let codes: Vec<Value> = serde_json::from_value(codes).unwrap();
    let mut before = given.stored().await;
    assert_eq!(ids_of(&before["agents"]["nodes"]), [&given.agent]);
    let mut wrong = Vec::new();
    for Case { kind, rest, graphql, authorization, refusal } in table.into_iter().flatten() {
        assert!(codes.contains(&json!(refusal.code)), "{kind}: the schema has no code {}", refusal.code);
        let authorization = authorization.as_ref().unwrap_or(&given.authorization);
        let mut faults = Vec::new();
        if let Some(rest) = rest {
            faults.extend(given.try_rest(&rest, authorization, refusal).await);
        }
        if let Some(graphql) = graphql {
            faults.extend(given.try_graphql(&graphql, authorization, refusal).await);
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

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_by_both_faces_with_its_field_and_changes_nothing() {
    let given = Given::start().await;
    let table = [
        agents::cases(&given),
        sessions::cases(&given),
        content::cases(&given),
        capabilities::cases(&given),
        files::cases(&given),
        providers::cases(&given),
        models::cases(&given),
        choices::cases(&given),
        pages::cases(&given),
        ids::cases(&given),
        bodies::cases(&given),
        repeats::cases(&given),
    ];
    try_all(&given, table).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_credentials_and_bad_input_about_them_are_refused_by_both_faces_and_change_nothing() {
    let given = Given::start_full().await;
    let table = [
        accounts::cases(&given),
        bodies::of_accounts(&given),
        repeats::of_api_keys(),
        credentials::cases(&given).await,
        credentials::without_scopes(&given).await,
    ];
    try_all(&given, table).await;
}
