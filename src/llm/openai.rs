//! Asks OpenAI, and every server that speaks its chat completions, over the network.

use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use secrecy::ExposeSecret;
use serde::Deserialize;
use tokio::time::{Instant, timeout, timeout_at};

use super::fault::Fault;
use super::frames::{Frames, read_body};
use super::model::{ChatRequest, ModelClient, ModelError, ModelPiece, ModelTarget, ModelTimeouts};
use super::openai_answer::{Answer, next_piece};
use super::openai_wire;
use crate::outbound;

/// OpenAI's API root, for a target that names none.
const PUBLIC_ROOT: &str = "https://api.openai.com/v1";
/// Bytes read of the body of a failure; the rest is ignored.
const FAILURE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a list of models or of an answer that is not streamed.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The client for provider types `openai` and `openai_compatible`.
pub(super) struct Openai {
    clients: outbound::ModelClients,
    timeouts: ModelTimeouts,
}

impl Openai {
    pub(super) fn new(clients: outbound::ModelClients, timeouts: ModelTimeouts) -> Openai {
        Openai { clients, timeouts }
    }

    fn client(&self, target: &ModelTarget) -> &outbound::Client {
        if target.by_operator { &self.clients.operator } else { &self.clients.tenant }
    }

    /// The ids of the provider's models, in the provider's order. The target's model must be empty.
    pub(super) async fn list_models(&self, provider: &ModelTarget) -> Result<Vec<String>, ModelError> {
        let get = authorized(self.client(provider).get(endpoint(provider, "models")), provider);
        let limit = self.timeouts.model_list;
        let asked = timeout(limit, read_list(get, provider)).await;
        asked.unwrap_or_else(|_| Err(Fault::silent(provider, limit))).map_err(|fault| fault.report(provider))
    }
}

impl ModelClient for Openai {
    fn stream(&self, target: &ModelTarget, request: ChatRequest) -> BoxStream<'static, Result<ModelPiece, ModelError>> {
        let post = self.client(target).post(endpoint(target, "chat/completions"));
        let post = authorized(post, target).json(&openai_wire::request_body(&target.model, &request));
        let (target, timeouts) = (target.clone(), self.timeouts);
        let answer = async move {
            match open(post, &target, timeouts).await {
                Ok(frames) => Ok(stream::try_unfold(Answer::new(target, timeouts, frames), next_piece)),
                Err(fault) => Err(fault.report(&target)),
            }
        };
        stream::once(answer).try_flatten().boxed()
    }
}

/// Sends the request and reads the answer's head.
async fn open(post: outbound::RequestBuilder, target: &ModelTarget, timeouts: ModelTimeouts) -> Result<Frames, Fault> {
    let deadline = Instant::now() + timeouts.first_byte;
    let sent = timeout_at(deadline, post.send()).await.map_err(|_| Fault::silent(target, timeouts.first_byte))?;
    let mut response = sent.map_err(|error| Fault::unreached(target, error))?;
    let status = response.status();
    let patience = timeouts.between_bytes;
    if !status.is_success() {
        let (body, _) = read_body(&mut response, FAILURE_BYTES_MAX, patience).await;
        return Err(Fault::status(target, status.as_u16(), &String::from_utf8_lossy(&body)));
    }
    let header = response.headers().get(http::header::CONTENT_TYPE);
    let media_type = header.and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    if media_type.starts_with("text/html") {
        Err(Fault::foreign(target, "the answer is a web page"))
    } else if media_type.starts_with("application/json") {
        // A server that does not stream: its whole completion, or its failure, is one frame.
        match read_body(&mut response, BODY_BYTES_MAX, patience).await {
            (body, Ok(())) => Ok(Frames::one(String::from_utf8_lossy(&body).into_owned())),
            (_, Err(lost)) => Err(Fault::cut(target, lost.cause())),
        }
    } else {
        Ok(Frames::streamed(response, deadline, media_type.starts_with("text/event-stream")))
    }
}

async fn read_list(get: outbound::RequestBuilder, provider: &ModelTarget) -> Result<Vec<String>, Fault> {
    #[derive(Deserialize)]
    struct List {
        data: Vec<Listed>,
    }
    #[derive(Deserialize)]
    struct Listed {
        id: String,
    }
    let mut response = get.send().await.map_err(|error| Fault::unreached(provider, error))?;
    let status = response.status();
    // The caller bounds the whole call, so that silence needs no limit of its own.
    let (body, read) = read_body(&mut response, BODY_BYTES_MAX, Duration::MAX).await;
    if !status.is_success() {
        return Err(Fault::status(provider, status.as_u16(), &String::from_utf8_lossy(&body)));
    }
    read.map_err(|lost| Fault::cut(provider, lost.cause()))?;
    let list: List = serde_json::from_slice(&body).map_err(|error| Fault::foreign(provider, error.to_string()))?;
    Ok(list.data.into_iter().map(|listed| listed.id).collect())
}

fn endpoint(target: &ModelTarget, path: &str) -> String {
    let root = target.base_url.as_deref().unwrap_or(PUBLIC_ROOT);
    format!("{}/{path}", root.trim_end_matches('/'))
}

fn authorized(request: outbound::RequestBuilder, target: &ModelTarget) -> outbound::RequestBuilder {
    match &target.api_key {
        Some(key) => request.bearer_auth(key.expose_secret()),
        None => request,
    }
}
