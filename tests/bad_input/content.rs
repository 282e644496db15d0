//! Bad messages: their role and content.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Case, Given, Refusal, bad, case, graphql, graphql_only, json_body, rest_only};

const SEND: &str = "mutation Send($input: SendMessageInput!) { sendMessage(input: $input) { message { id } } }";
const TEXT_BYTES_MAX: usize = 1024 * 1024;

pub fn cases(given: &Given) -> Vec<Case> {
    let path = format!("{}/messages", given.session_path);
    let post = |body: Value| json_body(Method::POST, &path, &body);
    let send = |content: Value| graphql(SEND, json!({ "input": { "sessionId": given.session, "content": content } }));
    let mut cases = Vec::new();
    for (kind, parts, refusal) in parts() {
        let content: Vec<Value> = parts.iter().map(as_input).collect();
        let rest = post(json!({ "role": "user", "content": parts }));
        cases.push(case(format!("content: {kind}"), rest, send(json!(content)), refusal));
    }
    for (kind, body, field) in bodies() {
        cases.push(rest_only(format!("a message: {kind}"), post(body), bad(field, "")));
    }
    for (kind, content, field) in inputs() {
        cases.push(graphql_only(format!("content: {kind}"), send(content), bad("", field)));
    }
    let nothing = json!({ "input": { "sessionId": given.session } });
    cases.push(graphql_only("a message without content", graphql(SEND, nothing), bad("", "input.content")));
    let nowhere = json!({ "input": { "content": [{ "text": "a" }] } });
    cases.push(graphql_only("a message without session", graphql(SEND, nowhere), bad("", "input.sessionId")));
    cases
}

/// A part of REST as GraphQL takes it.
fn as_input(part: &Value) -> Value {
    match part["type"].as_str() {
        Some("text") => json!({ "text": part["text"] }),
        _ => json!({ "image": { "mediaType": part["media_type"], "data": part["data"] } }),
    }
}

/// Content that is bad in both faces.
fn parts() -> Vec<(&'static str, Vec<Value>, Refusal)> {
    let content = bad("content", "input.content");
    let text_field = bad("content.text", "input.content.text");
    let media_type = bad("content.media_type", "input.content.mediaType");
    let data_field = bad("content.data", "input.content.data");
    let text = |text: &str| json!({ "type": "text", "text": text });
    let image = |media_type: &str, data: &str| json!({ "type": "image", "media_type": media_type, "data": data });
    let png = |data: &str| vec![image("image/png", data)];
    let half = "x".repeat(TEXT_BYTES_MAX / 2);
    vec![
        ("no part", vec![], content),
        ("too many parts", vec![text("x"); 101], content),
        ("empty text", vec![text("")], text_field),
        ("blank text", vec![text(" \n\t")], text_field),
        ("only empty texts", vec![text(""), text("")], text_field),
        ("too long text", vec![text(&"x".repeat(TEXT_BYTES_MAX + 1))], text_field),
        ("texts too long together", vec![text(&half), text(&half)], text_field),
        ("text too long beside an image", vec![image("image/png", "AAAA"), text(&half), text(&half)], text_field),
        ("NUL in text", vec![text("a\0")], text_field),
        ("NUL in text beside an image", vec![image("image/png", "AAAA"), text("\0")], text_field),
        ("an unknown media type", vec![image("image/svg+xml", "AAAA")], media_type),
        ("a media type in capitals", vec![image("IMAGE/PNG", "AAAA")], media_type),
        ("an empty media type", vec![image("", "AAAA")], media_type),
        ("NUL in a media type", vec![image("image/png\0", "AAAA")], media_type),
        ("an empty image", png(""), data_field),
        ("an image that is no base64", png("no base64!!!"), data_field),
        ("an image without padding", png("AAA"), data_field),
        ("an image of padding", png("===="), data_field),
        ("an image with padding inside", png("A=AA"), data_field),
        ("a data URL", png("data:image/png;base64,AAAA"), data_field),
        ("NUL in an image", png("AAA\0"), data_field),
        ("an image of 5 MiB and a byte", png(&"A".repeat((5 * 1024 * 1024 + 1) / 3 * 4)), data_field),
        ("one bad image of two", vec![image("image/png", "AAAA"), image("image/png", "A")], data_field),
    ]
}

/// Bodies that only REST can be sent.
fn bodies() -> Vec<(&'static str, Value, &'static str)> {
    let said = |content: Value| json!({ "role": "user", "content": content });
    vec![
        ("no role", json!({ "content": "a" }), "role"),
        ("the assistant's role", json!({ "role": "assistant", "content": "a" }), "role"),
        ("an unknown role", json!({ "role": "system", "content": "a" }), "role"),
        ("a role in capitals", json!({ "role": "USER", "content": "a" }), "role"),
        ("null for role", json!({ "role": null, "content": "a" }), "role"),
        ("a number as role", json!({ "role": 1, "content": "a" }), "role"),
        ("no content", json!({ "role": "user" }), "content"),
        ("null for content", said(Value::Null), "content"),
        ("a number as content", said(json!(7)), "content"),
        ("an empty object as content", said(json!({})), "content"),
        ("a number as text", said(json!({ "text": 7 })), "content"),
        ("null for text", said(json!({ "text": null })), "content"),
        ("an empty string as content", said(json!("")), "content.text"),
        ("an empty text as content", said(json!({ "text": "" })), "content.text"),
        ("NUL in a bare string", said(json!("\0")), "content.text"),
        ("a list of strings", said(json!(["a"])), "content"),
        ("a part as a list", said(json!([["text", "a"]])), "content"),
        ("an image as a list", said(json!([["image", "image/png", "AAAA"]])), "content"),
        ("a part without type", said(json!([{ "text": "a" }])), "content"),
        ("a part of an unknown type", said(json!([{ "type": "sound", "data": "AAAA" }])), "content"),
        ("a part without text", said(json!([{ "type": "text" }])), "content"),
        ("an image without data", said(json!([{ "type": "image", "media_type": "image/png" }])), "content"),
        ("an image without media type", said(json!([{ "type": "image", "data": "AAAA" }])), "content"),
    ]
}

/// Inputs that only GraphQL can be sent.
fn inputs() -> Vec<(&'static str, Value, &'static str)> {
    let image = json!({ "mediaType": "image/png", "data": "AAAA" });
    vec![
        ("null", Value::Null, "input.content"),
        ("a null part", json!([null]), "input.content.0"),
        ("a part of nothing", json!([{}]), "input.content.0"),
        ("a part of text and image", json!([{ "text": "a", "image": image }]), "input.content.0"),
        ("a null text", json!([{ "text": "a" }, { "text": null }]), "input.content.1"),
        ("a number as text", json!([{ "text": 7 }]), "input.content.0.text"),
        ("an unknown part", json!([{ "sound": "a" }]), "input.content.0.sound"),
        ("an image without data", json!([{ "image": { "mediaType": "image/png" } }]), "input.content.0.image.data"),
        ("an image without media type", json!([{ "image": { "data": "AAAA" } }]), "input.content.0.image.mediaType"),
    ]
}
