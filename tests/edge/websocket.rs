//! graphql-transport-ws, as a client sees it.

use everruns::edge::websocket::{MESSAGE_BYTES_MAX, OPERATIONS_MAX, SUBPROTOCOL};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{ask, killers, new_session};
use crate::app::TestApp;

/// A client that says exactly what it is told to.
struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

pub(super) fn upgrade_request(url: &str) -> Request {
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
    request
}

impl Client {
    async fn open(url: &str) -> Self {
        Self(connect_async(upgrade_request(url)).await.unwrap().0)
    }

    /// Opened and acknowledged.
    async fn ready(app: &TestApp) -> Self {
        let mut client = Self::open(&app.ws_url()).await;
        client.say(json!({ "type": "connection_init" })).await;
        assert_eq!(client.hear().await, json!({ "type": "connection_ack" }));
        client
    }

    async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn subscribe(&mut self, id: &str, query: &str) {
        self.say(json!({ "type": "subscribe", "id": id, "payload": { "query": query } })).await;
    }

    async fn hear(&mut self) -> Value {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The code that the server closes with.
    async fn closed(&mut self) -> u16 {
        match self.0.next().await {
            Some(Ok(Message::Close(Some(frame)))) => frame.code.into(),
            other => panic!("{other:?}"),
        }
    }

    /// Whether nothing came before the answer to a ping.
    async fn assert_silent(&mut self) {
        self.say(json!({ "type": "ping" })).await;
        assert_eq!(self.hear().await, json!({ "type": "pong" }));
    }
}

fn watch(session_id: &str) -> String {
    format!(r#"subscription {{ sessionEvents(sessionId: "{session_id}") {{ __typename }} }}"#)
}

fn caught_up(id: &str) -> Value {
    json!({ "type": "next", "id": id, "payload": { "data": { "sessionEvents": { "__typename": "CaughtUp" } } } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_without_the_subprotocol_is_closed() {
    let app = TestApp::start().await;
    let mut client = Client(connect_async(app.ws_url()).await.unwrap().0);
    assert_eq!(client.closed().await, 4406);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_addresses_accept_sockets() {
    let app = TestApp::start().await;
    for url in [app.ws_url(), format!("{}/ws", app.ws_url())] {
        let mut client = Client::open(&url).await;
        client.say(json!({ "type": "connection_init", "payload": { "any": "thing" } })).await;
        assert_eq!(client.hear().await, json!({ "type": "connection_ack" }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_sockets_tells_a_plain_request_so_in_graphqls_words() {
    let app = TestApp::start().await;
    let answer = app.get("/graphql/ws").await;
    assert_eq!(answer.status, 400);
    let error = &answer.body["errors"][0];
    assert_eq!(error["extensions"], json!({ "code": "BAD_USER_INPUT" }), "{}", answer.body);
    assert!(error["message"].is_string() && answer.body.get("data").is_none(), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_connection_init_closes_the_socket() {
    let app = TestApp::start().await;
    let mut client = Client::ready(&app).await;
    client.say(json!({ "type": "connection_init" })).await;
    assert_eq!(client.closed().await, 4429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscribe_before_the_ack_closes_the_socket() {
    let app = TestApp::start().await;
    let mut client = Client::open(&app.ws_url()).await;
    client.subscribe("1", "{ __typename }").await;
    assert_eq!(client.closed().await, 4401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_in_use_closes_the_socket() {
    let app = TestApp::start().await;
    let session_id = new_session(&app).await;
    let mut client = Client::ready(&app).await;
    client.subscribe("1", &watch(&session_id)).await;
    assert_eq!(client.hear().await, caught_up("1"));
    client.subscribe("1", "{ __typename }").await;
    assert_eq!(client.closed().await, 4409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_message_closes_the_socket() {
    let app = TestApp::start().await;
    for message in [
        Message::text("{"),
        Message::text("[]"),
        Message::text("{}"),
        Message::text(r#"{"type": "start"}"#),
        Message::text(r#"{"type": "connection_ack"}"#),
        Message::text(r#"{"type": "ping", "payload": 1}"#),
        Message::text(r#"{"type": "complete"}"#),
        Message::text(r#"{"type": "subscribe", "id": 1, "payload": {"query": "{ __typename }"}}"#),
        Message::text(r#"{"type": "subscribe", "id": "", "payload": {"query": "{ __typename }"}}"#),
        Message::text(r#"{"type": "subscribe", "id": "1"}"#),
        Message::text(r#"{"type": "subscribe", "id": "1", "payload": {}}"#),
        Message::text(r#"{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "variables": []}}"#),
        Message::binary(Bytes::from_static(b"{\"type\": \"ping\"}")),
    ] {
        let mut client = Client::ready(&app).await;
        client.0.send(message.clone()).await.unwrap();
        assert_eq!(client.closed().await, 4400, "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_ends_the_socket() {
    let app = TestApp::start().await;
    let mut client = Client::ready(&app).await;
    // The server does not wait for the rest of it, so the client may notice while it still writes.
    if client.0.send(Message::text(" ".repeat(MESSAGE_BYTES_MAX + 1))).await.is_ok() {
        match client.0.next().await {
            Some(Ok(Message::Close(Some(frame)))) => assert_eq!(u16::from(frame.code), 1009),
            Some(Ok(message)) => panic!("{message}"),
            Some(Err(_)) | None => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_is_answered_with_its_payload() {
    let app = TestApp::start().await;
    let mut client = Client::open(&app.ws_url()).await;
    client.say(json!({ "type": "ping", "payload": { "n": 1 } })).await;
    assert_eq!(client.hear().await, json!({ "type": "pong", "payload": { "n": 1 } }));
    client.say(json!({ "type": "pong" })).await;
    client.assert_silent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_and_mutations_answer_once_and_complete() {
    let app = TestApp::start().await;
    let mut client = Client::ready(&app).await;
    let mutation = r#"mutation { createAgent(input: {name: "A", systemPrompt: ""}) { agent { name } } }"#;
    for (query, data) in [
        ("{ __typename }", json!({ "__typename": "Query" })),
        (mutation, json!({ "createAgent": { "agent": { "name": "A" } } })),
    ] {
        client.subscribe("1", query).await;
        assert_eq!(client.hear().await, json!({ "type": "next", "id": "1", "payload": { "data": data } }));
        assert_eq!(client.hear().await, json!({ "type": "complete", "id": "1" }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_operation_is_an_error_message_and_nothing_else() {
    let app = TestApp::start().await;
    let mut client = Client::ready(&app).await;
    let [nested, doubling] = killers();
    let unknown = watch("0199f000-0000-7000-8000-000000000000");
    for query in ["{", "", "{ nothingOfThisName }", "subscription { nothingOfThisName }", &nested, &doubling, &unknown]
    {
        client.subscribe("1", query).await;
        let message = client.hear().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("1")), "{message}");
        assert!(message["payload"][0]["message"].is_string(), "{message}");
        client.assert_silent().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_live_until_the_client_completes_it() {
    let app = TestApp::start().await;
    let session_id = new_session(&app).await;
    let mut client = Client::ready(&app).await;
    client.subscribe("1", &watch(&session_id)).await;
    assert_eq!(client.hear().await, caught_up("1"));
    let send = format!(
        r#"mutation {{ sendMessage(input: {{sessionId: "{session_id}", content: [{{text: "Hello"}}]}}) {{ turn {{ id }} }} }}"#
    );
    ask(&app, &send).await;
    let next = client.hear().await;
    assert_eq!(next["payload"]["data"]["sessionEvents"]["__typename"], "MessageReceived");
    client.say(json!({ "type": "complete", "id": "1" })).await;
    client.say(json!({ "type": "complete", "id": "unknown" })).await;
    // The id is free again at once, so nothing of the first subscription can follow.
    client.subscribe("1", "{ __typename }").await;
    let mut message = client.hear().await;
    while message["payload"]["data"].get("sessionEvents").is_some() {
        message = client.hear().await;
    }
    assert_eq!(message, json!({ "type": "next", "id": "1", "payload": { "data": { "__typename": "Query" } } }));
    assert_eq!(client.hear().await, json!({ "type": "complete", "id": "1" }));
    client.assert_silent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_operation_too_many_is_refused_alone() {
    let app = TestApp::start().await;
    let session_id = new_session(&app).await;
    let mut client = Client::ready(&app).await;
    for operation in 0..OPERATIONS_MAX {
        let id = operation.to_string();
        client.subscribe(&id, &watch(&session_id)).await;
        assert_eq!(client.hear().await, caught_up(&id));
    }
    client.subscribe("more", "{ __typename }").await;
    let message = client.hear().await;
    assert_eq!(message["payload"][0]["extensions"], json!({ "code": "RATE_LIMITED", "retryAfter": 1 }), "{message}");
    client.say(json!({ "type": "complete", "id": "0" })).await;
    client.subscribe("more", "{ __typename }").await;
    assert_eq!(client.hear().await["type"], "next");
}
