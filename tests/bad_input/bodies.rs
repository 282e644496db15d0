//! Requests that REST cannot read at all, whatever the operation: bodies, media types, sizes, methods, paths, hosts.

use reqwest::{Method, header};
use serde_json::{Value, json};

use super::{Case, Field, Given, NOT_FOUND, Refusal, bad, bare, get, rest_only, unreadable, with_body};

const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
const JSON: &str = "application/json";

pub fn cases(given: &Given) -> Vec<Case> {
    let sessions = format!("{}/sessions", given.agent_path);
    let messages = format!("{}/messages", given.session_path);
    let mut cases = Vec::new();
    for (method, path) in [
        (Method::POST, "/v1/agents"),
        (Method::PATCH, &given.agent_path),
        (Method::POST, &sessions),
        (Method::PATCH, &given.session_path),
        (Method::POST, &messages),
    ] {
        cases.extend(of_an_operation(&method, path));
        let empty = with_body(method.clone(), path, JSON, "");
        if path != sessions {
            cases.push(rest_only(format!("{method} {path}: no body"), empty, unreadable(400)));
            let refusal = unreadable(415);
            cases.push(rest_only(format!("{method} {path}: nothing at all"), bare(method, path), refusal));
        }
    }
    let twice = r#"{"name":"a","name":"b","system_prompt":""}"#;
    let twice = with_body(Method::POST, "/v1/agents", JSON, twice);
    cases.push(rest_only("a field twice", twice, bad("name", "")));
    cases.extend(of_methods(given));
    cases.extend(of_paths(given));
    cases.extend(of_hosts());
    cases
}

/// What is no JSON object, or not said to be one, or too large.
fn of_an_operation(method: &Method, path: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let broken: [&[u8]; 6] = [b"{", b"}", b"{'name':'a'}", b"\xff", b"nothing", b"\0"];
    for body in broken {
        let kind = format!("{method} {path}: broken JSON {}", String::from_utf8_lossy(body));
        cases.push(rest_only(kind, with_body(method.clone(), path, JSON, body), unreadable(400)));
    }
    for body in ["[]", "[null,null,null,null,null]", "\"text\"", "7", "true", "null"] {
        let kind = format!("{method} {path}: no object but {body}");
        cases.push(rest_only(kind, with_body(method.clone(), path, JSON, body), unreadable(400)));
    }
    // Whether the JSON or a field is to blame depends on which of the two is met first.
    let refusal = Refusal { field: Field::Free, ..unreadable(400) };
    let deep = format!("{{\"tags\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let no_text = b"{\"name\":\"\xff\",\"title\":\"\xff\",\"role\":\"\xff\"}".to_vec();
    for (kind, body) in [
        ("nested deeply", deep.into()),
        ("no UTF-8", no_text),
        ("two objects", b"{} {}".to_vec()),
        ("broken off in a field", br#"{"name":"#.to_vec()),
        ("broken off in a list", br#"{"tags":[{"#.to_vec()),
        ("without a colon", br#"{"name" "a"}"#.to_vec()),
    ] {
        cases.push(rest_only(format!("{method} {path}: {kind}"), with_body(method.clone(), path, JSON, body), refusal));
    }
    for media in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "json", ""] {
        let kind = format!("{method} {path}: {media:?}");
        cases.push(rest_only(kind, with_body(method.clone(), path, media, "{}"), unreadable(415)));
    }
    let mut untyped = bare(method.clone(), path);
    untyped.body = b"{}".to_vec();
    cases.push(rest_only(format!("{method} {path}: no content type"), untyped, unreadable(415)));
    let large = with_body(method.clone(), path, JSON, vec![b' '; BODY_BYTES_MAX + 1]);
    cases.push(rest_only(format!("{method} {path}: 16 MiB and a byte"), large, unreadable(413)));
    cases
}

/// Every path with every method that it does not take, but for OPTIONS, by which browsers ask whether a page may call.
fn of_methods(given: &Given) -> Vec<Case> {
    let session = &given.session_path;
    let mut cases = Vec::new();
    for (path, taken) in [
        ("/health".to_owned(), &["GET"][..]),
        ("/v1/agents".to_owned(), &["GET", "POST"]),
        (given.agent_path.clone(), &["GET", "PATCH", "DELETE"]),
        (format!("{}/sessions", given.agent_path), &["GET", "POST"]),
        (session.clone(), &["GET", "PATCH", "DELETE"]),
        (format!("{session}/cancel"), &["POST"]),
        (format!("{session}/messages"), &["GET", "POST"]),
        (format!("{session}/events"), &["GET"]),
    ] {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            if !taken.contains(&method.as_str()) {
                let rest = with_body(method.clone(), &path, JSON, "{}");
                cases.push(rest_only(format!("{method} {path}"), rest, unreadable(405)));
            }
        }
    }
    cases
}

fn of_paths(given: &Given) -> Vec<Case> {
    let (agent, session) = (&given.agent_path, &given.session_path);
    let paths = [
        "/v1".to_owned(),
        "/v1/".to_owned(),
        "/v1/nothing".to_owned(),
        "/v1/agents/".to_owned(),
        "/v1//agents".to_owned(),
        "/v1/Agents".to_owned(),
        format!("{agent}/"),
        format!("{agent}/nothing"),
        format!("{agent}/sessions/"),
        format!("{session}/"),
        format!("{session}/nothing"),
        format!("{session}/messages/1"),
        format!("{session}/events/1"),
    ];
    let mut cases = Vec::new();
    for path in paths {
        for method in [Method::GET, Method::POST] {
            let rest = with_body(method.clone(), &path, JSON, "{}");
            cases.push(rest_only(format!("{method} {path}"), rest, NOT_FOUND));
        }
    }
    cases
}

/// Callers whom a server without passwords must not believe.
fn of_hosts() -> Vec<Case> {
    let forbidden = Refusal { status: 403, code: "FORBIDDEN", field: Field::Absent };
    let body: Value = json!({ "name": "Foreign", "system_prompt": "" });
    let mut cases = Vec::new();
    for (kind, name, value) in [
        ("a foreign Host", header::HOST, "attacker.example"),
        ("a foreign Origin", header::ORIGIN, "https://attacker.example"),
        ("no Origin at all", header::ORIGIN, "null"),
    ] {
        let mut rest = with_body(Method::POST, "/v1/agents", JSON, body.to_string());
        rest.headers.push((name, value.to_owned()));
        cases.push(rest_only(kind, rest, forbidden));
    }
    let mut rest = get("/v1/agents");
    rest.headers.push((header::HOST, "attacker.example".to_owned()));
    cases.push(rest_only("a foreign Host that reads", rest, forbidden));
    cases
}
