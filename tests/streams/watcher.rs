//! A watcher over GraphQL: `sessionEvents` by graphql-transport-ws, its events shown as SSE would show them.

use everruns::edge::websocket::SUBPROTOCOL;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::app::{Caller, Frame, PATIENCE};

const EVENT: &str = " { id: cursor type: __typename _number: sequence
    ... on MessageReceived { message_id: messageId }
    ... on SessionStarted { session_id: sessionId turn_id: turnId }
    ... on StepStarted { step_id: stepId }
    ... on MessageDelta { delta step_id: stepId }
    ... on MessageCreated { message_id: messageId message_sequence: messageSequence step_id: stepId }
    ... on SessionCompleted { session_id: sessionId turn_id: turnId stop_reason: stopReason }
    ... on SessionFailed { session_id: sessionId turn_id: turnId error { message code } }
}";

/// An open subscription, alone on its socket.
pub struct Watcher(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Watcher {
    /// Watches a session, after this cursor where one is given.
    pub async fn open(app: &Caller, session_id: &str, after: Option<&str>) -> Self {
        Self::filtered(app, json!({ "id": session_id, "after": after })).await
    }

    /// Watches a session as these variables say: `id`, `after`, `types`, `agentId`.
    pub async fn filtered(app: &Caller, variables: Value) -> Self {
        Self::subscribe(app, &session_events(), variables).await
    }

    /// Watches a session where there may be no server, or one that goes away.
    pub async fn try_open(app: &Caller, session_id: &str, after: Option<&str>) -> Option<Self> {
        Self::try_subscribe(app, &session_events(), json!({ "id": session_id, "after": after })).await
    }

    /// Watches the organization as these variables say, from now on: `filter` and `types`.
    pub async fn organization(app: &Caller, variables: Value) -> Self {
        let query = format!(
            "subscription($filter: EventFilter, $types: [EventType!]) {{ events(filter: $filter, types: $types){EVENT} }}"
        );
        let mut watcher = Self::subscribe(app, &query, variables).await;
        // A socket begins its operations in their order: once the second is answered, the first one listens.
        watcher.say(json!({ "type": "subscribe", "id": "2", "payload": { "query": "{ __typename }" } })).await;
        while watcher.hear().await.unwrap() != json!({ "type": "complete", "id": "2" }) {}
        watcher
    }

    /// Watches what this operation says.
    pub async fn subscribe(app: &Caller, query: &str, variables: Value) -> Self {
        Self::try_subscribe(app, query, variables).await.expect("an acknowledged socket")
    }

    /// The same where there may be no server, or one that goes away.
    async fn try_subscribe(app: &Caller, query: &str, variables: Value) -> Option<Self> {
        let mut request = app.ws_url().into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
        let mut watcher = Self(connect_async(request).await.ok()?.0);
        let payload = app.authorization.as_ref().map(|authorization| json!({ "Authorization": authorization }));
        watcher.try_say(json!({ "type": "connection_init", "payload": payload })).await?;
        assert_eq!(watcher.hear().await?, json!({ "type": "connection_ack" }));
        let payload = json!({ "query": query, "variables": variables });
        watcher.try_say(json!({ "type": "subscribe", "id": "1", "payload": payload })).await?;
        Some(watcher)
    }

    /// The next event; none when the subscription has ended.
    pub async fn next(&mut self) -> Option<Frame> {
        self.try_next().await.unwrap_or_else(|message| panic!("{message}"))
    }

    /// The same, or what refused the subscription.
    pub async fn try_next(&mut self) -> Result<Option<Frame>, Value> {
        let Some(message) = self.hear().await else { return Ok(None) };
        match message["type"].as_str() {
            Some("next") if message["payload"]["errors"].is_null() => {
                Ok(Some(frame(&message["payload"]["data"]["events"])))
            }
            Some("complete") => Ok(None),
            _ => Err(message),
        }
    }

    /// All events up to and with the next one of this name.
    pub async fn until(&mut self, event: &str) -> Vec<Frame> {
        let mut frames: Vec<Frame> = Vec::new();
        while frames.last().is_none_or(|frame| frame.event != event) {
            let Some(frame) = self.next().await else { panic!("no {event} came after {frames:?}") };
            frames.push(frame);
        }
        frames
    }

    /// The same, without the two kinds that SSE does not show.
    pub async fn shown_until(&mut self, event: &str) -> Vec<Frame> {
        let mut frames = self.until(event).await;
        frames.retain(|frame| !["message.received", "caught.up"].contains(&frame.event.as_str()));
        frames
    }

    /// The code that the subscription was refused with.
    pub async fn refused(&mut self) -> String {
        let message = self.hear().await.unwrap();
        assert_eq!(message["type"], "error", "{message}");
        message["payload"][0]["extensions"]["code"].as_str().unwrap().to_owned()
    }

    async fn say(&mut self, message: Value) {
        self.try_say(message).await.expect("an open socket");
    }

    async fn try_say(&mut self, message: Value) -> Option<()> {
        self.0.send(Message::text(message.to_string())).await.ok()
    }

    async fn hear(&mut self) -> Option<Value> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("a message in time")? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Ping(_)) => {}
                _ => return None,
            }
        }
    }
}

fn session_events() -> String {
    let arguments = "$id: ID!, $after: EventCursor, $types: [EventType!], $agentId: ID";
    let field = "sessionEvents(sessionId: $id, after: $after, types: $types, agentId: $agentId)";
    format!("subscription({arguments}) {{ events: {field}{EVENT} }}")
}

/// What GraphQL showed, as SSE shows it.
fn frame(event: &Value) -> Frame {
    let mut data: Map<String, Value> = event.as_object().unwrap().clone();
    let [id, kind, number] = ["id", "type", "_number"].map(|name| data.remove(name).unwrap());
    let id = id.as_str().unwrap().to_owned();
    assert_eq!(id.split_once('.').unwrap().0, number.to_string());
    let kind = kind.as_str().unwrap();
    let second = kind.rfind(char::is_uppercase).unwrap();
    if let Some(sequence) = data.remove("message_sequence") {
        data.insert("sequence".into(), sequence);
    }
    if let Some(mut error) = data.remove("error") {
        data.insert("error".into(), error["message"].take());
        data.insert("code".into(), error["code"].take());
    }
    for word in ["stop_reason", "code"] {
        if let Some(Value::String(word)) = data.get_mut(word) {
            *word = word.to_lowercase();
        }
    }
    let event = format!("{}.{}", &kind[..second], &kind[second..]).to_lowercase();
    Frame { id, event, data: Value::Object(data) }
}
