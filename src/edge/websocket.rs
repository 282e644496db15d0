//! GraphQL over a WebSocket: the subprotocol `graphql-transport-ws`, whose close codes and messages are those of its specification
//! (github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md).
//!
//! One task serves one socket. It asks its operations for their next result only when the socket has taken the one before, so nothing
//! piles up between the two: a client that reads slowly slows its own operations and nobody else.

use std::collections::HashMap;
use std::time::Duration;

use ::http::HeaderMap;
use ::http::header::AUTHORIZATION;
use async_graphql::parser::types::OperationType;
use async_graphql::{Executor, Response as GraphqlResponse};
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::{self, BoxStream, SelectAll, Stream, StreamExt};
use futures_util::{Sink, SinkExt};
use serde_json::{Map, Value as Json};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::envelope::{
    Printed, is_refused_subscription, is_request_error, read_request, refusal, refusal_for_now, shown,
};
use super::websocket_messages::{ClientMessage, Close, ServerMessage, authorization};
use super::{guard, http};
use crate::error::ErrorCode;

/// The subprotocol that a client must offer.
pub const SUBPROTOCOL: &str = "graphql-transport-ws";
/// The largest message from a client, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// The largest message to a client, in bytes; a larger result ends its operation with an error.
pub const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What each socket reads into, in bytes: thousands of them are open, and most are silent.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// How much is gathered before it is written, in bytes; each message is flushed anyway.
const WRITE_BUFFER_BYTES: usize = 4 * 1024;
/// The most operations that run at once on a socket; one more is answered with `error` and RATE_LIMITED.
pub const OPERATIONS_MAX: usize = 100;
/// How long a client may take to send `connection_init`.
pub const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the server sends a WebSocket ping. A client that was silent from one ping to the next but one is gone.
pub const PING_INTERVAL: Duration = Duration::from_secs(25);
/// How long a client may leave a message unread.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a closed socket waits for the client's own close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What a subscription over plain HTTP is told.
pub(super) const SUBSCRIPTIONS_GO_HERE: &str =
    "A subscription is answered over a WebSocket at this address, with the subprotocol graphql-transport-ws";

/// Accepts the upgrade and serves the socket until it closes.
pub(super) async fn open<E: Executor>(
    State(executor): State<E>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            let error = refusal(ErrorCode::BadUserInput, rejection.body_text());
            let response = GraphqlResponse::from_errors(vec![error]);
            return (rejection.status(), axum::Json(Printed::new(&response))).into_response();
        }
    };
    let credentials = everruns_rest::credentials(&headers).unwrap_or_default();
    upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(ANSWER_BYTES_MAX + 2 * WRITE_BUFFER_BYTES)
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .on_upgrade(|mut socket: WebSocket| async move {
            if socket.protocol().is_some() {
                serve(socket, executor, credentials).await;
            } else {
                close(&mut socket, Close::unacceptable_subprotocol()).await;
            }
        })
}

/// Speaks the subprotocol over any pair of message stream and sink, until one side has enough. What the upgrade said of who asks counts where
/// `connection_init` says nothing; each operation is judged by itself.
pub async fn serve<S, F, E>(socket: S, executor: E, credentials: HeaderMap)
where
    S: Stream<Item = Result<Message, F>> + Sink<Message> + Unpin,
    E: Executor,
{
    let mut connection = Connection {
        socket,
        executor,
        credentials,
        acknowledged: false,
        operations: HashMap::new(),
        results: SelectAll::new(),
    };
    if let Err(Ended::Refused(reason)) = connection.run().await {
        // Whatever still runs stops now, not when the client has said good-bye.
        connection.results.clear();
        close(&mut connection.socket, reason).await;
    }
}

/// Why a connection ends.
enum Ended {
    /// The client broke the protocol and is told so.
    Refused(Close),
    /// The client left, or does not read; there is nobody to tell.
    Gone,
}

impl From<Close> for Ended {
    fn from(reason: Close) -> Self {
        Self::Refused(reason)
    }
}

struct Connection<S, E> {
    socket: S,
    executor: E,
    /// The headers that say who asks.
    credentials: HeaderMap,
    acknowledged: bool,
    operations: HashMap<String, Operation>,
    results: SelectAll<Abortable<Results>>,
}

/// What one operation says: its id with each result, and with `None` at its end.
type Results = BoxStream<'static, (String, Option<GraphqlResponse>)>;

struct Operation {
    /// Drops the operation's stream.
    stop: AbortHandle,
    is_subscription: bool,
    /// Whether a result was sent already.
    answered: bool,
}

impl<S, F, E> Connection<S, E>
where
    S: Stream<Item = Result<Message, F>> + Sink<Message> + Unpin,
    E: Executor,
{
    async fn run(&mut self) -> Result<(), Ended> {
        let opened = Instant::now();
        let init_deadline = tokio::time::sleep_until(opened + INIT_TIMEOUT);
        tokio::pin!(init_deadline);
        let mut pings = interval_at(opened + PING_INTERVAL, PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = true;
        loop {
            tokio::select! {
                // What the client said comes first: its `complete` stops an operation, its pong counts before the next ping.
                biased;
                message = self.socket.next() => {
                    heard = true;
                    match message {
                        Some(Ok(message)) => self.receive(message).await?,
                        Some(Err(_)) => return Err(Close::unreadable().into()),
                        None => return Err(Ended::Gone),
                    }
                }
                () = &mut init_deadline, if !self.acknowledged => return Err(Close::init_timeout().into()),
                _ = pings.tick() => {
                    if !std::mem::take(&mut heard) {
                        return Err(Ended::Gone);
                    }
                    self.send_raw(Message::Ping(Default::default())).await?;
                }
                Some((id, result)) = self.results.next() => self.answer(id, result).await?,
            }
        }
    }

    async fn receive(&mut self, message: Message) -> Result<(), Ended> {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => return Err(Close::malformed("binary messages are not taken").into()),
            // The library answers a ping by itself, and a close with the next read.
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => {
                self.operations.clear();
                self.results.clear();
                return Ok(());
            }
        };
        match ClientMessage::read(&text)? {
            ClientMessage::ConnectionInit { .. } if self.acknowledged => Err(Close::second_init().into()),
            ClientMessage::ConnectionInit { payload } => {
                if let Some(authorization) = payload.as_ref().and_then(authorization) {
                    self.credentials.insert(AUTHORIZATION, authorization);
                }
                self.acknowledged = true;
                self.send(ServerMessage::ConnectionAck).await
            }
            ClientMessage::Ping { payload } => self.send(ServerMessage::Pong { payload: payload.as_ref() }).await,
            ClientMessage::Pong { .. } => Ok(()),
            ClientMessage::Subscribe { id, payload } => self.subscribe(id, payload).await,
            ClientMessage::Complete { id } => {
                if let Some(operation) = self.operations.remove(&id) {
                    operation.stop.abort();
                }
                Ok(())
            }
        }
    }

    async fn subscribe(&mut self, id: String, payload: Map<String, Json>) -> Result<(), Ended> {
        if !self.acknowledged {
            return Err(Close::unauthorized().into());
        }
        if self.operations.contains_key(&id) {
            return Err(Close::duplicate(&id).into());
        }
        let request = read_request(Json::Object(payload)).map_err(|error| Close::malformed(&error.message))?;
        if self.operations.len() == OPERATIONS_MAX {
            let message = format!("A socket runs at most {OPERATIONS_MAX} operations at once");
            let error = refusal_for_now(ErrorCode::RateLimited, message);
            return self.send(ServerMessage::Error { id: &id, payload: &[error] }).await;
        }
        let mut request = match guard::admit(request) {
            Ok(request) => http::signed(request, &self.credentials),
            Err(error) => return self.send(ServerMessage::Error { id: &id, payload: &[error] }).await,
        };
        let is_subscription = guard::operation_type(&mut request) == Some(OperationType::Subscription);
        let results = if is_subscription {
            self.executor.execute_stream(request, None)
        } else {
            let executor = self.executor.clone();
            stream::once(async move { executor.execute(request).await }).boxed()
        };
        let (stop, stopped) = AbortHandle::new_pair();
        let named = id.clone();
        let results = results.map(Some).chain(stream::iter([None])).map(move |result| (named.clone(), result));
        self.results.push(Abortable::new(results.boxed(), stopped));
        self.operations.insert(id, Operation { stop, is_subscription, answered: false });
        Ok(())
    }

    /// Passes on what an operation said: a result, or `None` at its end.
    async fn answer(&mut self, id: String, result: Option<GraphqlResponse>) -> Result<(), Ended> {
        let Some(response) = result else {
            self.operations.remove(&id);
            return self.send(ServerMessage::Complete { id: &id }).await;
        };
        let Some(operation) = self.operations.get_mut(&id) else { return Ok(()) };
        let first = !std::mem::replace(&mut operation.answered, true);
        let refused = is_request_error(&response) || (operation.is_subscription && is_refused_subscription(&response));
        if first && refused {
            return self.fail(&id, &response).await;
        }
        let next = ServerMessage::next(&id, &response).print()?;
        if next.len() > ANSWER_BYTES_MAX {
            let message = format!("The result is larger than {ANSWER_BYTES_MAX} bytes; ask for less of it");
            let error = refusal(ErrorCode::PayloadTooLarge, message);
            return self.fail(&id, &GraphqlResponse::from_errors(vec![error])).await;
        }
        self.send_raw(Message::text(next)).await
    }

    /// Ends an operation with `error`, after which no message names its id.
    async fn fail(&mut self, id: &str, response: &GraphqlResponse) -> Result<(), Ended> {
        if let Some(operation) = self.operations.remove(id) {
            operation.stop.abort();
        }
        self.send(ServerMessage::Error { id, payload: shown(&response.errors) }).await
    }

    async fn send(&mut self, message: ServerMessage<'_>) -> Result<(), Ended> {
        self.send_raw(Message::text(message.print()?)).await
    }

    async fn send_raw(&mut self, message: Message) -> Result<(), Ended> {
        match timeout(WRITE_TIMEOUT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Ended::Gone),
        }
    }
}

/// Sends a close frame and waits a moment for the client's, as a connection that is cut at once may lose the frame.
async fn close<S, F>(socket: &mut S, reason: Close)
where
    S: Stream<Item = Result<Message, F>> + Sink<Message> + Unpin,
{
    let frame = CloseFrame { code: reason.code, reason: reason.text.into() };
    let farewell = async {
        if socket.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    // A client that does not answer is cut off.
    let _ = timeout(CLOSE_TIMEOUT, farewell).await;
}
