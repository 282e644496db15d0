//! Bad files: where they stand, and what they hold.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Case, Given, bad, bare, case, get, graphql, graphql_only, json_body, rest_only};

const FILE: &str = "query File($id: ID!, $path: String!) { session(id: $id) { file(path: $path) { path } } }";
const WRITE: &str =
    "mutation Write($input: WriteSessionFileInput!) { writeSessionFile(input: $input) { file { path } } }";
const DELETE: &str =
    "mutation Delete($input: DeleteSessionFileInput!) { deleteSessionFile(input: $input) { deletedPath } }";
const FILE_BYTES_MAX: usize = 1024 * 1024;

pub fn cases(given: &Given) -> Vec<Case> {
    let files = format!("{}/files", given.session_path);
    let named = |path: &Value| json!({ "input": { "sessionId": given.session, "path": path } });
    let written = |path: &Value| json!({ "input": { "sessionId": given.session, "path": path, "content": "a" } });
    let mut cases = Vec::new();
    for path in ["a//b", "a/../b", "./b", "a/", "a/.", "a\0b", "/", "//a", &"x".repeat(1025), &"é".repeat(513)] {
        // Escaped as a whole: a client would resolve dots and slashes by itself.
        let at = format!("{files}/{}", path.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>());
        let shown: String = path.chars().take(8).collect();
        let (change, path) = (bad("path", "input.path"), json!(path));
        let asked = graphql(FILE, json!({ "id": given.session, "path": path }));
        let body = json!({ "content": "a" });
        cases.push(case(format!("get the file {shown:?}"), get(&at), asked, bad("path", "path")));
        let write = graphql(WRITE, written(&path));
        cases.push(case(format!("write the file {shown:?}"), json_body(Method::PUT, &at, &body), write, change));
        let delete = graphql(DELETE, named(&path));
        cases.push(case(format!("delete the file {shown:?}"), bare(Method::DELETE, &at), delete, change));
    }
    for path in [json!(""), json!("."), json!(".."), json!(7), Value::Null, json!(["a"])] {
        let path_of = bad("", "input.path");
        cases.push(graphql_only(format!("write the file {path}"), graphql(WRITE, written(&path)), path_of));
        cases.push(graphql_only(format!("delete the file {path}"), graphql(DELETE, named(&path)), path_of));
    }
    let nowhere = json!({ "input": { "sessionId": given.session, "content": "a" } });
    cases.push(graphql_only("write a file nowhere", graphql(WRITE, nowhere), bad("", "input.path")));
    let bytes = json_body(Method::PUT, &format!("{files}/%FF"), &json!({ "content": "a" }));
    cases.push(rest_only("a file's path that is no text", bytes, bad("path", "")));
    cases.extend(of_content(given, &format!("{files}/notes.txt")));
    cases
}

/// What a file may not hold, and how it may not be written.
fn of_content(given: &Given, path: &str) -> Vec<Case> {
    let (content, encoding) = (bad("content", "input.content"), bad("encoding", "input.encoding"));
    let rest = |body: &Value| json_body(Method::PUT, path, body);
    let mut cases = Vec::new();
    for (kind, body, refusal) in [
        ("no content", json!({}), content),
        ("null for content", json!({ "content": null }), content),
        ("a number as content", json!({ "content": 7 }), content),
        ("a list as content", json!({ "content": ["a"] }), content),
        ("NUL in a text", json!({ "content": "a\0" }), content),
        ("a text that is too long", json!({ "content": "x".repeat(FILE_BYTES_MAX + 1) }), content),
        ("no base64", json!({ "content": "no base64!", "encoding": "base64" }), content),
        ("base64 without padding", json!({ "content": "AAA", "encoding": "base64" }), content),
        ("too long base64", json!({ "content": "AAAA".repeat(FILE_BYTES_MAX / 3 + 1), "encoding": "base64" }), content),
        ("far too long base64", json!({ "content": "AAAA".repeat(600_000), "encoding": "base64" }), content),
        ("an unknown encoding", json!({ "content": "a", "encoding": "latin1" }), encoding),
        ("a number as encoding", json!({ "content": "a", "encoding": 7 }), encoding),
    ] {
        let mut input = body.clone();
        (input["sessionId"], input["path"]) = (json!(given.session), json!("notes.txt"));
        if let Some(encoding) = body["encoding"].as_str() {
            input["encoding"] = json!(encoding.to_uppercase());
        }
        let graphql = graphql(WRITE, json!({ "input": input }));
        cases.push(case(format!("a file: {kind}"), rest(&body), graphql, refusal));
    }
    cases.push(rest_only("an encoding in capitals", rest(&json!({ "content": "a", "encoding": "TEXT" })), encoding));
    cases
}
