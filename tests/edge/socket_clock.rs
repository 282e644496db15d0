//! What a socket does as time passes: a socket without a network, on a clock that the test drives.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use async_graphql::{Data, Executor, Request, Response, Value};
use axum::extract::ws::Message;
use everruns::edge::websocket::{INIT_TIMEOUT, PING_INTERVAL, WRITE_TIMEOUT, serve};
use futures_util::stream::{self, BoxStream, StreamExt};
use futures_util::{Sink, Stream};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, advance};
use tokio_util::sync::PollSender;

/// The server's end of a socket that holds one unread message in each direction.
struct Pipe {
    from_client: mpsc::Receiver<Message>,
    to_client: PollSender<Message>,
}

impl Stream for Pipe {
    type Item = Result<Message, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.from_client.poll_recv(context).map(|message| message.map(Ok))
    }
}

impl Sink<Message> for Pipe {
    type Error = tokio_util::sync::PollSendError<Message>;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.to_client.poll_reserve(context)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Self::Error> {
        self.to_client.send_item(message)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }
}

/// Answers every subscription with numbers for ever, and counts how many were asked for.
#[derive(Clone, Default)]
struct Numbers(Arc<AtomicUsize>);

impl Executor for Numbers {
    async fn execute(&self, _: Request) -> Response {
        Response::new(Value::Null)
    }

    fn execute_stream(&self, _: Request, _: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        let asked = self.0.clone();
        stream::repeat_with(move || Response::new(asked.fetch_add(1, Ordering::Relaxed))).boxed()
    }
}

struct Client {
    to_server: mpsc::Sender<Message>,
    from_server: mpsc::Receiver<Message>,
    asked: Arc<AtomicUsize>,
    opened: Instant,
}

impl Client {
    fn open() -> Self {
        let numbers = Numbers::default();
        let (to_server, from_client) = mpsc::channel(1);
        let (to_client, from_server) = mpsc::channel(1);
        let asked = numbers.0.clone();
        tokio::spawn(serve(Pipe { from_client, to_client: PollSender::new(to_client) }, numbers, Default::default()));
        Self { to_server, from_server, asked, opened: Instant::now() }
    }

    async fn ready() -> Self {
        let mut client = Self::open();
        client.say(r#"{"type":"connection_init"}"#).await;
        assert_eq!(client.hear().await, Some(Message::text(r#"{"type":"connection_ack"}"#)));
        client
    }

    async fn say(&self, text: &str) {
        self.to_server.send(Message::text(text)).await.unwrap();
    }

    /// The next message. With nothing else to do, the clock goes on to it by itself.
    async fn hear(&mut self) -> Option<Message> {
        self.from_server.recv().await
    }

    async fn subscribe(&self) {
        self.say(r#"{"type":"subscribe","id":"1","payload":{"query":"subscription { numbers }"}}"#).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_say_hello_is_closed() {
    let mut client = Client::open();
    client.say(r#"{"type":"ping"}"#).await;
    assert_eq!(client.hear().await, Some(Message::text(r#"{"type":"pong"}"#)));
    match client.hear().await {
        Some(Message::Close(Some(frame))) => assert_eq!(frame.code, 4408),
        other => panic!("{other:?}"),
    }
    assert_eq!(client.opened.elapsed(), INIT_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_socket_is_kept_alive_while_the_client_answers() {
    let mut client = Client::ready().await;
    for count in 1..=10 {
        assert_eq!(client.hear().await, Some(Message::Ping(Default::default())));
        assert_eq!(client.opened.elapsed(), PING_INTERVAL * count);
        client.to_server.send(Message::Pong(Default::default())).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_no_ping_is_gone() {
    let mut client = Client::ready().await;
    assert_eq!(client.hear().await, Some(Message::Ping(Default::default())));
    assert_eq!(client.hear().await, None);
    assert_eq!(client.opened.elapsed(), PING_INTERVAL * 2);
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_asked_for_no_more_than_the_client_reads() {
    let mut client = Client::ready().await;
    client.subscribe().await;
    advance(Duration::from_secs(1)).await;
    let ahead = client.asked.load(Ordering::Relaxed);
    assert!(ahead <= 3, "one in the socket, one waiting for it: {ahead}");
    for read in 1..=100 {
        assert!(matches!(client.hear().await, Some(Message::Text(_))));
        assert!(client.asked.load(Ordering::Relaxed) <= read + 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_closed_and_its_operations_dropped() {
    let client = Client::ready().await;
    client.subscribe().await;
    client.to_server.closed().await;
    assert_eq!(client.opened.elapsed(), WRITE_TIMEOUT);
    assert_eq!(Arc::strong_count(&client.asked), 1, "nothing asks for numbers any more");
}
