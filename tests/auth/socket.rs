//! A WebSocket of a caller who says who it is, or does not; and stories of one.

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::header::{COOKIE, ORIGIN};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::AGENTS;
use crate::app::{ADMIN, Caller, PATIENCE, TestApp};

pub(super) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opened with these headers, and acknowledged with this payload.
    pub(super) async fn open(app: &Caller, headers: &[(&'static str, &str)], payload: Value) -> Self {
        let mut request = app.ws_url().into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let mut socket = Self(connect_async(request).await.unwrap().0);
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
        socket
    }

    /// The same with these tokens.
    pub(super) async fn signed_in(app: &Caller, tokens: &Value) -> Self {
        let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        Self::open(app, &[], json!({ "Authorization": bearer })).await
    }

    async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    pub(super) async fn subscribe(&mut self, id: &str, query: &str) {
        self.say(json!({ "type": "subscribe", "id": id, "payload": { "query": query } })).await;
    }

    pub(super) async fn hear(&mut self) -> Value {
        match tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a message in time") {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The code that this is refused with; nothing where it is answered.
    pub(super) async fn code(&mut self, query: &str) -> Option<String> {
        self.subscribe("q", query).await;
        let message = self.hear().await;
        let errors = if message["type"] == "error" { &message["payload"] } else { &message["payload"]["errors"] };
        let code = errors[0]["extensions"]["code"].as_str().map(str::to_owned);
        if message["type"] == "next" {
            assert_eq!(self.hear().await, json!({ "type": "complete", "id": "q" }));
        }
        code
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_says_who_it_is_in_its_first_message() {
    let app = TestApp::start_admin().await;
    let tokens = app.login(ADMIN).await;
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let made = app.signed_in(&tokens).post("/v1/auth/api-keys", json!({ "name": "mine" })).await;
    for payload in [
        json!({ "Authorization": bearer }),
        json!({ "authorization": bearer }),
        json!({ "headers": { "Authorization": bearer } }),
        json!({ "headers": { "authorization": made.body["key"] } }),
    ] {
        assert_eq!(Socket::open(&app, &[], payload).await.code(AGENTS).await, None);
    }
    let mut by_header = Socket::open(&app, &[("authorization", &bearer)], Value::Null).await;
    assert_eq!(by_header.code(AGENTS).await, None);
    // What the first message says wins.
    let mut other = Socket::open(&app, &[("authorization", &bearer)], json!({ "Authorization": "evr_x" })).await;
    assert_eq!(other.code(AGENTS).await.as_deref(), Some("UNAUTHENTICATED"));
    for payload in [json!({ "Authorization": 1 }), json!({ "Authorization": "Bearer\nx" }), json!({}), Value::Null] {
        let mut socket = Socket::open(&app, &[], payload).await;
        assert_eq!(socket.code(AGENTS).await.as_deref(), Some("UNAUTHENTICATED"));
        // Each operation is judged by itself.
        assert_eq!(socket.code("{ server { status } }").await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_of_a_foreign_page_does_not_open_a_socket_but_a_credential_does() {
    let app = TestApp::start_admin().await;
    let tokens = app.login(ADMIN).await;
    let token = tokens["access_token"].as_str().unwrap();
    let cookie = format!("everruns_access={token}");
    let mut own = Socket::open(&app, &[(COOKIE.as_str(), &cookie)], Value::Null).await;
    assert_eq!(own.code(AGENTS).await, None);
    let foreign = [(COOKIE.as_str(), cookie.as_str()), (ORIGIN.as_str(), "https://attacker.example")];
    let mut socket = Socket::open(&app, &foreign, Value::Null).await;
    assert_eq!(socket.code(AGENTS).await.as_deref(), Some("UNAUTHENTICATED"));
    let mut socket = Socket::open(&app, &foreign, json!({ "Authorization": format!("Bearer {token}") })).await;
    assert_eq!(socket.code(AGENTS).await, None);
}
