//! The messages and close codes of `graphql-transport-ws`.

use async_graphql::{Response, ServerError};
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::envelope::Printed;

/// The longest reason that a WebSocket's close frame can carry, in bytes.
const CLOSE_REASON_BYTES_MAX: usize = 123;

/// What a client may say.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ClientMessage {
    ConnectionInit {
        /// Room for a credential.
        payload: Option<Map<String, Json>>,
    },
    Ping {
        payload: Option<Map<String, Json>>,
    },
    Pong {
        #[serde(rename = "payload")]
        _payload: Option<Map<String, Json>>,
    },
    Subscribe {
        id: String,
        payload: Map<String, Json>,
    },
    Complete {
        id: String,
    },
}

impl ClientMessage {
    /// Reads a message; one that the protocol does not know closes the socket with 4400.
    pub(super) fn read(text: &str) -> Result<Self, Close> {
        let message = serde_json::from_str(text).map_err(|error| Close::malformed(&error.to_string()))?;
        match &message {
            Self::Subscribe { id, .. } | Self::Complete { id } if id.is_empty() => {
                Err(Close::malformed("`id` must not be empty"))
            }
            _ => Ok(message),
        }
    }
}

/// The `Authorization` that a `connection_init` carries: in its payload or in the payload's `headers`, in one of two spellings. What is no text
/// there is a credential that is not valid.
pub(super) fn authorization(payload: &Map<String, Json>) -> Option<HeaderValue> {
    let of = |members: &Map<String, Json>| members.get("Authorization").or(members.get("authorization")).cloned();
    let nested = || payload.get("headers").and_then(Json::as_object).and_then(of);
    let given = of(payload).or_else(nested).filter(|given| !given.is_null())?;
    let value = given.as_str().and_then(|text| HeaderValue::from_str(text).ok());
    Some(value.unwrap_or(const { HeaderValue::from_static("") }))
}

/// What the server says.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerMessage<'a> {
    ConnectionAck,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<&'a Map<String, Json>>,
    },
    Next {
        id: &'a str,
        payload: Printed<'a>,
    },
    Error {
        id: &'a str,
        payload: &'a [ServerError],
    },
    Complete {
        id: &'a str,
    },
}

impl<'a> ServerMessage<'a> {
    pub(super) fn next(id: &'a str, response: &'a Response) -> Self {
        Self::Next { id, payload: Printed::new(response) }
    }

    /// The message as text. What we say always has a JSON form; were it not so, the socket would have nothing left to say.
    pub(super) fn print(&self) -> Result<String, Close> {
        serde_json::to_string(self).map_err(|_| Close::new(1011, "Internal server error".to_owned()))
    }
}

/// Why the server closes a socket: a code of the protocol and a text for whoever reads the client's log.
#[derive(Debug)]
pub(super) struct Close {
    pub(super) code: u16,
    pub(super) text: String,
}

impl Close {
    pub(super) fn malformed(why: &str) -> Self {
        Self::new(4400, format!("Invalid message: {why}"))
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(4401, "Unauthorized".to_owned())
    }

    pub(super) fn unacceptable_subprotocol() -> Self {
        Self::new(4406, "Subprotocol not acceptable".to_owned())
    }

    pub(super) fn init_timeout() -> Self {
        Self::new(4408, "Connection initialisation timeout".to_owned())
    }

    pub(super) fn duplicate(id: &str) -> Self {
        Self::new(4409, format!("Subscriber for {id} already exists"))
    }

    pub(super) fn second_init() -> Self {
        Self::new(4429, "Too many initialisation requests".to_owned())
    }

    /// 1009 is the WebSocket's own code for what is too large, by far the likeliest of the two.
    pub(super) fn unreadable() -> Self {
        Self::new(1009, "The message is too large, or its frame is malformed".to_owned())
    }

    fn new(code: u16, mut text: String) -> Self {
        text.truncate(text.floor_char_boundary(CLOSE_REASON_BYTES_MAX));
        Self { code, text }
    }
}
