//! …/messages: what was said.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    error::Error,
    graph::{Graph, Printed},
    operations::Operation,
    request::{Json, Page, Path, Query, SessionPath, objects},
};

#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"role": "user", "content": {"text": "How do I reset my password?"}}))]
pub(crate) struct SendMessage {
    #[expect(dead_code, reason = "it has one value, so reading it is checking it")]
    role: Role,
    content: Content,
    /// The model that shall answer it; without one, the session's.
    #[schema(format = "uuid")]
    model_id: Option<String>,
}

/// Who says it: only a user's message can be posted.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Role {
    User,
}

/// A text, or parts in the order of reading.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "content is {\"text\": …}, a string or a list of parts")]
enum Content {
    /// What answers show of a message may be sent as it is: where there are parts, they say it all.
    Object {
        text: String,
        #[serde(default, deserialize_with = "objects")]
        parts: Vec<Part>,
    },
    Text(String),
    Parts(#[serde(deserialize_with = "objects")] Vec<Part>),
}

#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part {
    Text { text: String },
    Image(Image),
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all(serialize = "camelCase"))]
struct Image {
    /// `image/png`, `image/jpeg`, `image/gif` or `image/webp`.
    #[schema(example = "image/png")]
    media_type: String,
    /// Base64 of at most 5 MiB.
    data: String,
}

#[derive(Deserialize, Serialize, IntoParams)]
#[serde(rename_all(serialize = "camelCase"))]
#[into_params(parameter_in = Query)]
pub(crate) struct Sending {
    /// What becomes of the message while the session is at a turn: `enqueue` (where absent) answers it after that one and those that wait, `reject`
    /// refuses it (409), `interrupt` ends the running turn and answers it after those that wait.
    #[serde(default)]
    when_busy: WhenBusy,
}

#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all(serialize = "SCREAMING_SNAKE_CASE", deserialize = "snake_case"))]
#[schema(rename_all = "snake_case")]
enum WhenBusy {
    #[default]
    Enqueue,
    Reject,
    Interrupt,
}

/// The variables that a body gives.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    content: Vec<PartInput>,
    model_id: Option<String>,
}

/// `ContentPartInput` of the schema, which is `@oneOf`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum PartInput {
    Text(String),
    Image(Image),
}

impl From<SendMessage> for Said {
    fn from(SendMessage { content, model_id, .. }: SendMessage) -> Self {
        let content = match content {
            Content::Text(text) => vec![PartInput::Text(text)],
            Content::Object { text, parts } if parts.is_empty() => vec![PartInput::Text(text)],
            Content::Object { parts, .. } | Content::Parts(parts) => parts.into_iter().map(PartInput::from).collect(),
        };
        Self { content, model_id }
    }
}

impl From<Part> for PartInput {
    fn from(part: Part) -> Self {
        match part {
            Part::Text { text } => Self::Text(text),
            Part::Image(image) => Self::Image(image),
        }
    }
}

/// List a session's messages
///
/// In the order of storing. Without `limit` and `after` the newest 500.
#[utoipa::path(get, path = "/v1/agents/{agent_id}/sessions/{session_id}/messages", tag = "messages",
    params(SessionPath, Page), responses((status = 200, description = "A page of messages")))]
pub(crate) async fn list_messages(
    graph: Graph,
    Path(path): Path<SessionPath>,
    Query(page): Query<Page>,
) -> Result<Printed, Error> {
    match page {
        Page { limit: None, after: None } => graph.ask(Operation::NewestMessages, path).await,
        page => graph.ask(Operation::ListMessages, (path, page)).await,
    }
}

/// Send a message
///
/// Starts a turn of the agent, or queues one behind the turn that runs. The answer is watched in the events.
#[utoipa::path(post, path = "/v1/agents/{agent_id}/sessions/{session_id}/messages", tag = "messages",
    params(SessionPath, Sending), request_body = SendMessage,
    responses((status = 201, description = "The message, stored"),
        (status = 409, description = "The agent is archived, or the session is busy and `when_busy` is `reject`")))]
pub(crate) async fn send_message(
    graph: Graph,
    Path(path): Path<SessionPath>,
    Query(sending): Query<Sending>,
    Json(body): Json<SendMessage>,
) -> Result<(StatusCode, Printed), Error> {
    Ok((StatusCode::CREATED, graph.ask(Operation::SendMessage, (path, sending, Said::from(body))).await?))
}
