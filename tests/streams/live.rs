//! What a watcher sees who stays, whenever it came.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use super::watcher::Watcher;
use super::*;
use crate::app::{TestApp, text_of};
use crate::llm::server::{Reply, Server};
use crate::turns::{finish, piece, start_with};

/// Streams held open at once: many more than the database has connections for.
const STREAMS: usize = 100;
/// Turns that a watcher sleeps through, and the words of each: more than the feed keeps and a socket takes.
const SLEPT_TURNS: usize = 40;
const SLEPT_WORDS: usize = 20_000;
/// What the sleeper reads at once, in bytes.
const SLEEPER_BYTES: usize = 64 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_replays_from_the_start_and_follows_live() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    app.say(&path, "/sim words=20").await;
    let first = recorded(&app, &path, 1).await;
    let (mut stream, mut watcher) = (app.sse(&path, None).await, Watcher::open(&app, &session_id, None).await);
    assert_eq!(joined(&ends(&mut stream, 1).await), joined(&first));
    assert_eq!(joined(&watcher.shown_until("session.completed").await), joined(&first));
    app.say(&path, "/sim words=30").await;
    let live = ends(&mut stream, 1).await;
    assert_eq!(joined(&watcher.shown_until("session.completed").await), joined(&live));
    assert_eq!(joined(&recorded(&app, &path, 2).await), joined(&[first, live].concat()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deltas_of_a_step_are_its_messages_text() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    let (mut stream, mut watcher) = (app.sse(&path, None).await, Watcher::open(&app, &session_id, None).await);
    app.say(&path, "/sim words=300").await;
    let (live, asked) = (ends(&mut stream, 1).await, watcher.until("session.completed").await);
    let stored = app.get(&format!("{path}/messages")).await.body["data"][1]["content"]["text"].take();
    assert_eq!(stored.as_str().unwrap().split(' ').count(), 300);
    for frames in [live, asked, recorded(&app, &path, 1).await] {
        assert_eq!(stored, text_of(&frames));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_who_join_at_different_moments_see_the_same() {
    let parts = ["The ", "naïve ", "crêpes 🥞 ", "of 東京", "."];
    let later = parts[1..].iter().map(|part| piece(part)).chain([finish("stop")]);
    let (reply, gate) = Reply::events(piece(parts[0])).gated(later);
    let model = Server::start([reply]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let mut first = app.sse(&path, None).await;
    app.say(&path, "What do you see?").await;
    let mut seen = first.until("message.delta").await;
    let mut joining = Vec::new();
    for _ in &parts[1..] {
        let watchers = (app.sse(&path, None).await, Watcher::open(&app, &session_id, None).await);
        let last = seen.last().unwrap().id.clone();
        let resumed = (app.sse(&path, Some(&last)).await, Watcher::open(&app, &session_id, Some(&last)).await);
        joining.push((watchers, resumed, seen.len()));
        gate.open();
        seen.extend(first.until("message.delta").await);
    }
    gate.open();
    seen.extend(first.until("session.completed").await);
    assert_eq!(text_of(&seen), parts.concat());
    for ((mut stream, mut watcher), (mut resumed, mut resumed_watcher), missed) in joining {
        assert_eq!(joined(&stream.until("session.completed").await), joined(&seen));
        assert_eq!(joined(&watcher.shown_until("session.completed").await), joined(&seen));
        assert_eq!(joined(&resumed.until("session.completed").await), joined(&seen[missed..]));
        assert_eq!(joined(&resumed_watcher.shown_until("session.completed").await), joined(&seen[missed..]));
    }
    assert_eq!(joined(&recorded(&app, &path, 1).await), joined(&seen));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_of_an_idle_session_is_caught_up_and_sees_what_comes() {
    let app = TestApp::start().await;
    let (_, session_id) = app.session().await;
    let mut watcher = Watcher::open(&app, &session_id, None).await;
    let caught_up = watcher.next().await.unwrap();
    assert_eq!((caught_up.event.as_str(), caught_up.id.as_str()), ("caught.up", "0.0"));
    let send = "mutation($input: SendMessageInput!) { sendMessage(input: $input) { eventCursor message { id } } }";
    let input = json!({ "sessionId": session_id, "content": [{ "text": "Hello" }] });
    let sent = app.ask(send, json!({ "input": input })).await["sendMessage"].take();
    assert_eq!(sent["eventCursor"], caught_up.id);
    let received = watcher.next().await.unwrap();
    assert_eq!((received.event.as_str(), received.id.as_str()), ("message.received", "1.0"));
    assert_eq!(received.data, json!({ "message_id": sent["message"]["id"] }));
    let turn = watcher.until("session.completed").await;
    assert!(turn.iter().all(|frame| frame.event != "caught.up"), "{turn:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn caught_up_stands_once_between_what_was_and_what_comes() {
    let (reply, gate) = Reply::events(piece("Well, ")).gated([piece("hello.") + &finish("stop")]);
    let model = Server::start([reply]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    app.say(&path, "Hello").await;
    app.sse(&path, None).await.until("message.delta").await;
    let mut watcher = Watcher::open(&app, &session_id, None).await;
    let backfill = watcher.until("caught.up").await;
    assert_eq!(text_of(&backfill), "Well, ");
    let [.., delta, caught_up] = backfill.as_slice() else { panic!("{backfill:?}") };
    assert_eq!(delta.id, caught_up.id);
    gate.open();
    let live = watcher.until("session.completed").await;
    assert_eq!(text_of(&live), "hello.");
    assert!(live.iter().all(|frame| frame.event != "caught.up"), "{live:?}");
    // A watcher who comes when all is over is caught up at the end.
    let replayed = Watcher::open(&app, &session_id, None).await.until("caught.up").await;
    assert_eq!(replayed[replayed.len() - 2].event, "session.completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_may_ask_for_some_types_only() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    let types = json!(["SESSION_COMPLETED", "MESSAGE_CREATED", "CAUGHT_UP"]);
    let mut watcher = Watcher::filtered(&app, json!({ "id": session_id, "types": types })).await;
    watcher.until("caught.up").await;
    app.say(&path, "Hello").await;
    let seen = watcher.until("session.completed").await;
    assert_eq!(
        seen.iter().map(|frame| frame.event.as_str()).collect::<Vec<_>>(),
        ["message.created", "session.completed"]
    );
    let mut late = Watcher::filtered(&app, json!({ "id": session_id, "types": ["SESSION_COMPLETED"] })).await;
    assert_eq!(late.next().await.as_ref(), seen.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_hold_no_connection() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS / 2 {
        streams.push(app.sse(&path, None).await);
    }
    let mut watchers = Vec::new();
    for _ in 0..STREAMS / 2 {
        let mut watcher = Watcher::open(&app, &session_id, None).await;
        watcher.until("caught.up").await;
        watchers.push(watcher);
    }
    assert_eq!(app.get(&path).await.status, 200);
    app.say(&path, "/sim words=10").await;
    let expected = joined(&recorded(&app, &path, 1).await);
    for stream in &mut streams {
        assert_eq!(joined(&ends(stream, 1).await), expected);
    }
    for watcher in &mut watchers {
        assert_eq!(joined(&watcher.shown_until("session.completed").await), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_who_slept_through_many_turns_misses_nothing() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    // A small window, so that what it does not read is not written either.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let host = app.url("").replace("http://", "");
    let mut sleeper = socket.connect(host.parse().unwrap()).await.unwrap();
    let request = format!("GET {path}/events HTTP/1.0\r\nhost: {host}\r\naccept: text/event-stream\r\n\r\n");
    sleeper.write_all(request.as_bytes()).await.unwrap();
    let mut opening = [0; 12];
    sleeper.read_exact(&mut opening).await.unwrap();
    assert!(opening.ends_with(b" 200"), "{opening:?}");
    let mut awake = Watcher::filtered(&app, json!({ "id": session_id, "types": ["SESSION_COMPLETED"] })).await;
    for _ in 0..SLEPT_TURNS {
        app.say(&path, &format!("/sim words={SLEPT_WORDS}")).await;
        awake.until("session.completed").await;
    }
    let expected = recorded(&app, &path, SLEPT_TURNS).await;
    let before = app.counters.statements();
    let mut read = Vec::new();
    let mut chunk = vec![0; SLEEPER_BYTES];
    let last = format!("id: {}\n", expected.last().unwrap().id);
    // To the end of the last event: a piece may end inside of it, right after its id.
    let whole = |read: &[u8]| {
        let tail = String::from_utf8_lossy(&read[read.len().saturating_sub(SLEEPER_BYTES)..]).into_owned();
        tail.split_once(&last).is_some_and(|(_, rest)| rest.contains("\n\n"))
    };
    while !whole(&read) {
        let count = sleeper.read(&mut chunk).await.unwrap();
        assert!(count > 0, "the stream ended before the last event");
        read.extend_from_slice(&chunk[..count]);
    }
    let text = String::from_utf8(read).unwrap();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    let seen: Vec<_> = body.split_inclusive("\n\n").filter_map(Frame::parse).collect();
    assert!(joined(&seen) == joined(&expected), "{} of {} frames", seen.len(), expected.len());
    // The feed no longer had it all: the rows did.
    assert!(app.counters.statements() > before);
}
