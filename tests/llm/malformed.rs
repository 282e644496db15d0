//! Answers that begin well and go on as no protocol allows: each is an error, none a short answer.

use everruns::llm::*;

use super::faces::{FACES, Face};
use super::server::Reply;
use super::user;

/// What a server says that has begun, with these bytes after it.
fn begun(face: &Face, tail: &[u8]) -> Vec<u8> {
    let count = (face.text)().len().min(4) / 2;
    [face.body(&(face.text)()[..count]).as_bytes(), tail].concat()
}

fn media_type(face: &Face) -> &'static str {
    match face.provider_type {
        ProviderType::Ollama => "application/x-ndjson",
        _ => "text/event-stream",
    }
}

/// A reply with these headers and bytes.
fn reply(face: &Face, headers: &str, body: &[u8]) -> Reply {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {}\r\n{headers}\r\n", media_type(face));
    Reply::raw([head.as_bytes(), body].concat())
}

/// One frame around bytes that need not be JSON.
fn frame(face: &Face, data: &[u8]) -> Vec<u8> {
    match face.provider_type {
        ProviderType::Ollama => [data, b"\n"].concat(),
        _ => [b"data: ", data, b"\n\n"].concat(),
    }
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn replies(face: &Face) -> Vec<(&'static str, Reply)> {
    let plain = |tail: &[u8]| reply(face, "connection: close\r\n", &begun(face, tail));
    let framed = |data: &[u8]| plain(&frame(face, data));
    let chunked =
        |tail: &[u8]| reply(face, "transfer-encoding: chunked\r\n", &[chunk(&begun(face, b"")), tail.into()].concat());
    let sized = |size: usize| reply(face, &format!("content-length: {size}\r\n"), &begun(face, b""));
    vec![
        ("half a JSON", framed(b"{\"half")),
        ("no JSON", framed(b"canary")),
        ("a number", framed(b"7")),
        ("nothing", framed(b"null")),
        ("a list", framed(b"[true]")),
        ("nested without end", framed(&b"[".repeat(100_000))),
        ("texts for objects", framed(br#"{"choices":"x","type":7,"candidates":"x","message":"x","delta":"x"}"#)),
        ("no UTF-8", framed(b"{\"\xff\xfe\":1}")),
        ("no UTF-8 outside of a frame", plain(b"\xff\xfe\xfd")),
        ("a line without end", plain(&b"x".repeat(3_000_000))),
        ("a frame without end", framed(&b"x".repeat(2_000_000))),
        ("an answer beyond its length", sized(begun(face, b"").len() - 3)),
        ("an answer short of its length", sized(1_000_000)),
        ("a chunk without size", chunked(b"zz\r\n")),
        ("half a chunk", chunked(b"ff\r\ndata")),
        ("no last chunk", chunked(b"")),
        ("a reset in a chunk", chunked(b"ff\r\ndata").reset()),
        (
            "packed",
            reply(face, "content-encoding: gzip\r\nconnection: close\r\n", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xff\n\n\xab"),
        ),
    ]
}

#[tokio::test]
async fn what_goes_on_as_no_protocol_allows_is_cut() {
    for face in FACES {
        for (name, reply) in replies(&face) {
            let said = face.ask(reply, user("hello")).await;
            let error = said.end.as_ref().expect_err(name);
            assert_eq!(error.code, ModelErrorCode::Cut, "{} {name}: {error}", face.name);
            assert!(!error.message.contains("canary") && error.message.contains("broke off"), "{error}");
            assert!("Bon".starts_with(&said.text()) && said.calls.is_empty(), "{} {name}", face.name);
        }
    }
}
