//! How long a model server may be silent, and how long it may talk.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use everruns::config::ModelSettings;
use everruns::llm::*;
use everruns::outbound::CONNECT_TIMEOUT;
use tokio::net::TcpSocket;
use tokio::time::Instant;

use super::faces::face;
use super::server::{Reply, Server};
use super::{Said, ask, ask_at, compatible, patient_models, user};

/// The pace of a server that drips, and the silence that is borne.
const PACE: Duration = Duration::from_millis(2);
const LIMIT: Duration = Duration::from_millis(500);

async fn ask_within(timeouts: ModelTimeouts, target: &ModelTarget) -> Said {
    ask(patient_models(ModelSettings::default(), timeouts).client(target), target, user("hello")).await
}

/// The clock moves by itself while nobody has anything to do, so the limits are those of every server.
#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_says_nothing_has_a_minute() {
    let server = Server::start([Reply::raw("").held()]);
    let begin = Instant::now();
    let error = ask_at(&server.root).await.end.unwrap_err();
    assert_eq!(begin.elapsed().as_secs(), 60);
    assert!(error.message.contains("did not begin to answer within 60 s"), "{error}");
    assert_eq!((error.code, error.retry), (ModelErrorCode::Unavailable, Retry::Worth { after: None }));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_stand_has_ten_seconds() {
    let (_full, address) = full_queue();
    let begin = Instant::now();
    let error = ask_at(&format!("http://{address}/v1")).await.end.unwrap_err();
    assert_eq!(begin.elapsed().as_secs(), CONNECT_TIMEOUT.as_secs());
    assert!(error.message.contains("cannot be connected to"), "{error}");
    assert_eq!((error.code, error.retry), (ModelErrorCode::Unavailable, Retry::Worth { after: None }));
}

/// A listener that nobody accepts from, whose queue is full: what connects waits.
fn full_queue() -> ((tokio::net::TcpListener, Vec<TcpStream>), SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
    let queued: Vec<_> = std::iter::from_fn(connect).take(100).collect();
    assert!(queued.len() < 100, "the queue has an end");
    ((listener, queued), address)
}

#[tokio::test]
async fn bytes_may_drip_for_longer_than_a_silence_may_last() {
    let timeouts = ModelTimeouts { between_bytes: LIMIT, ..ModelTimeouts::DEFAULT };
    let face = face("chat completions");
    let server = Server::start([face.reply(&(face.text)()).paced(PACE)]);
    let begin = Instant::now();
    let said = ask_within(timeouts, &face.target(&server)).await;
    assert_eq!((said.text().as_str(), said.end.map(|end| end.stop)), ("Bonjour é🥞", Ok(ModelStop::EndTurn)));
    assert!(begin.elapsed() > LIMIT);
}

#[tokio::test]
async fn bytes_that_drip_more_slowly_than_they_may_are_cut() {
    let timeouts = ModelTimeouts { between_bytes: PACE, ..ModelTimeouts::DEFAULT };
    let face = face("chat completions");
    let server = Server::start([face.reply(&(face.text)()).paced(LIMIT)]);
    assert_eq!(ask_within(timeouts, &face.target(&server)).await.end.unwrap_err().code, ModelErrorCode::Cut);
}

#[tokio::test]
async fn an_answer_that_never_ends_is_cut() {
    let piece = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
    let timeouts = ModelTimeouts { answer: LIMIT, ..ModelTimeouts::DEFAULT };
    for endless in [Reply::events(piece.repeat(1_000)), Reply::raw(format!("{head}{}", " ".repeat(10_000)))] {
        let server = Server::start([endless.paced(PACE)]);
        let begin = Instant::now();
        let error = ask_within(timeouts, &compatible(&server.root)).await.end.unwrap_err();
        assert_eq!(error.code, ModelErrorCode::Cut);
        assert!(begin.elapsed() >= timeouts.answer);
    }
}
