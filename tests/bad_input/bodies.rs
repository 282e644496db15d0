//! Requests that REST cannot read at all, whatever the operation: bodies, media types, sizes, methods, paths, hosts.

use reqwest::{Method, header};
use serde_json::{Value, json};

use super::{Case, FORBIDDEN, Field, Given, NOT_FOUND, Refusal, bad, bare, get, rest_only, unreadable, with_body};

const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
const JSON: &str = "application/json";

pub fn cases(given: &Given) -> Vec<Case> {
    let (agent, session) = (&given.agent_path, &given.session_path);
    let sessions = format!("{agent}/sessions");
    let provider = format!("/v1/llm-providers/{}", given.provider);
    let mut cases = Vec::new();
    for (method, path, field) in [
        (Method::POST, "/v1/agents", "tags"),
        (Method::PATCH, agent.as_str(), "tags"),
        (Method::PUT, &format!("{agent}/capabilities"), "capability_ids"),
        (Method::POST, &sessions, "tags"),
        (Method::PATCH, session, "tags"),
        (Method::POST, &format!("{session}/messages"), "role"),
        (Method::PUT, &format!("{session}/files/a"), "content"),
        (Method::POST, "/v1/llm-providers", "api_key"),
        (Method::PATCH, &provider, "api_key"),
        (Method::POST, &format!("{provider}/models"), "model_id"),
        (Method::PATCH, &format!("/v1/llm-models/{}", given.model), "model_id"),
    ] {
        cases.extend(of_an_operation(&method, path, field));
        if path != sessions {
            cases.extend(of_no_body(&method, path));
        }
    }
    let twice = r#"{"name":"a","name":"b","system_prompt":""}"#;
    let twice = with_body(Method::POST, "/v1/agents", JSON, twice);
    cases.push(rest_only("a field twice", twice, bad("name", "")));
    cases.extend(of_every_path(given));
    cases.extend(of_paths(given));
    cases.extend(of_hosts());
    cases
}

/// The same of the operations that accounts are made of.
pub fn of_accounts(given: &Given) -> Vec<Case> {
    let mut cases = Vec::new();
    for (path, field, needed) in [
        ("/v1/auth/login", "password", true),
        ("/v1/auth/register", "password", true),
        ("/v1/auth/refresh", "refresh_token", false),
        ("/v1/auth/logout", "everywhere", false),
        ("/v1/auth/api-keys", "scopes", true),
    ] {
        cases.extend(of_an_operation(&Method::POST, path, field));
        if needed {
            cases.extend(of_no_body(&Method::POST, path));
        }
    }
    let keys = format!("/v1/auth/api-keys/{}", given.agent);
    for (path, taken) in [
        ("/v1/auth/config", &["GET"][..]),
        ("/v1/auth/login", &["POST"]),
        ("/v1/auth/register", &["POST"]),
        ("/v1/auth/refresh", &["POST"]),
        ("/v1/auth/logout", &["POST"]),
        ("/v1/auth/me", &["GET"]),
        ("/v1/auth/api-keys", &["GET", "POST"]),
        (&keys, &["DELETE"]),
        ("/v1/auth/oauth/google", &["GET"]),
        ("/v1/auth/callback/google", &["GET"]),
    ] {
        cases.extend(of_methods(path, taken));
    }
    for path in ["/v1/auth", "/v1/auth/", "/v1/auth/nothing", "/v1/auth/login/", "/v1/auth/oauth/", "/v1/auth/callback"]
    {
        cases.extend(of_a_path(path));
    }
    cases
}

/// A body that is missing where one is needed.
fn of_no_body(method: &Method, path: &str) -> [Case; 2] {
    let empty = with_body(method.clone(), path, JSON, "");
    let nothing = bare(method.clone(), path);
    [
        rest_only(format!("{method} {path}: no body"), empty, unreadable(400)),
        rest_only(format!("{method} {path}: nothing at all"), nothing, unreadable(415)),
    ]
}

/// What is no JSON object, or not said to be one, or too large. `field` is one that the body has, and no number.
fn of_an_operation(method: &Method, path: &str, field: &str) -> Vec<Case> {
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
    let deep = format!("{{\"{field}\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let no_text = [b"{\"", field.as_bytes(), b"\":\"\xff\"}"].concat();
    for (kind, body) in [
        ("nested deeply", deep.into()),
        ("no UTF-8", no_text),
        ("two objects", b"{} {}".to_vec()),
        ("broken off in a field", format!("{{\"{field}\":").into()),
        ("broken off in a list", format!("{{\"{field}\":[{{").into()),
        ("without a colon", format!("{{\"{field}\" \"a\"}}").into()),
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

/// A path with every method that it does not take, but for OPTIONS, by which browsers ask whether a page may call.
fn of_methods(path: &str, taken: &[&str]) -> Vec<Case> {
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let others = methods.into_iter().filter(|method| !taken.contains(&method.as_str()));
    let refused = others.map(|method| {
        let kind = format!("{method} {path}");
        rest_only(kind, with_body(method, path, JSON, "{}"), unreadable(405))
    });
    refused.collect()
}

fn of_every_path(given: &Given) -> Vec<Case> {
    let (agent, session) = (&given.agent_path, &given.session_path);
    let provider = format!("/v1/llm-providers/{}", given.provider);
    let paths = [
        ("/health", &["GET"][..]),
        ("/v1/agents", &["GET", "POST"]),
        (agent, &["GET", "PATCH", "DELETE"]),
        (&format!("{agent}/capabilities"), &["GET", "PUT"]),
        (&format!("{agent}/sessions"), &["GET", "POST"]),
        (session, &["GET", "PATCH", "DELETE"]),
        (&format!("{session}/cancel"), &["POST"]),
        (&format!("{session}/messages"), &["GET", "POST"]),
        (&format!("{session}/events"), &["GET"]),
        (&format!("{session}/files"), &["GET"]),
        (&format!("{session}/files/notes.txt"), &["GET", "PUT", "DELETE"]),
        ("/v1/capabilities", &["GET"]),
        ("/v1/llm-providers", &["GET", "POST"]),
        (&provider, &["GET", "PATCH", "DELETE"]),
        (&format!("{provider}/models"), &["GET", "POST"]),
        ("/v1/llm-models", &["GET"]),
        (&format!("/v1/llm-models/{}", given.model), &["GET", "PATCH", "DELETE"]),
    ];
    paths.into_iter().flat_map(|(path, taken)| of_methods(path, taken)).collect()
}

fn of_paths(given: &Given) -> Vec<Case> {
    let (agent, session, provider) = (&given.agent_path, &given.session_path, &given.provider);
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
        format!("{agent}/capabilities/noop"),
        format!("{session}/"),
        format!("{session}/nothing"),
        format!("{session}/messages/1"),
        format!("{session}/events/1"),
        format!("{session}/files/"),
        "/v1/capabilities/noop".to_owned(),
        "/v1/llm-providers/".to_owned(),
        format!("/v1/llm-providers/{provider}/models/"),
        format!("/v1/llm-providers/{provider}/models/{}", given.model),
        "/v1/llm-models/".to_owned(),
    ];
    paths.iter().flat_map(|path| of_a_path(path)).collect()
}

/// A path at which there is nothing.
fn of_a_path(path: &str) -> Vec<Case> {
    let methods = [Method::GET, Method::POST].into_iter();
    methods
        .map(|method| rest_only(format!("{method} {path}"), with_body(method, path, JSON, "{}"), NOT_FOUND))
        .collect()
}

/// Callers whom a server without passwords must not believe.
fn of_hosts() -> Vec<Case> {
    let body: Value = json!({ "name": "Foreign", "system_prompt": "" });
    let mut cases = Vec::new();
    for (kind, name, value) in [
        ("a foreign Host", header::HOST, "attacker.example"),
        ("a foreign Origin", header::ORIGIN, "https://attacker.example"),
        ("no Origin at all", header::ORIGIN, "null"),
    ] {
        let mut rest = with_body(Method::POST, "/v1/agents", JSON, body.to_string());
        rest.headers.push((name, value.to_owned()));
        cases.push(rest_only(kind, rest, FORBIDDEN));
    }
    let mut rest = get("/v1/agents");
    rest.headers.push((header::HOST, "attacker.example".to_owned()));
    cases.push(rest_only("a foreign Host that reads", rest, FORBIDDEN));
    cases
}
