//! Asks model servers over the network, whatever they speak.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::address;
use super::answer::{Answer, next_piece};
use super::circuit::Circuits;
use super::fault::Fault;
use super::frames::{Frames, Lost, read_body};
use super::listed::read_list;
use super::model::{ChatRequest, ModelClient, ModelError, ModelPiece, ModelTarget, ModelTimeouts};
use super::protocol::Protocol;
use super::sse::Framing;
use crate::outbound;

/// Bytes read of the body of a failure; the rest is ignored.
const FAILURE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a list of models or of an answer that is not streamed.
pub(super) const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Models of which is remembered that they answer by Responses only. Beyond that they are forgotten, and learned anew.
const RESPONSES_MODELS_MAX: usize = 1000;

/// How servers word, in lower case, that a model answers no chat completions.
const RESPONSES_WORDS: [&str; 2] = ["v1/responses", "this is not a chat model"];

/// The client for all provider types but the simulator's.
pub(super) struct Network {
    clients: outbound::ModelClients,
    timeouts: ModelTimeouts,
    responses_models: ResponsesModels,
    circuits: Circuits,
}

/// The models that answer by Responses only, as base URL and name.
type ResponsesModels = Arc<Mutex<HashSet<(Option<String>, String)>>>;

/// A call that is being made.
struct Call {
    client: outbound::Client,
    target: ModelTarget,
    timeouts: ModelTimeouts,
    responses_models: ResponsesModels,
    circuits: Circuits,
}

impl Network {
    pub(super) fn new(clients: outbound::ModelClients, timeouts: ModelTimeouts) -> Network {
        Network { clients, timeouts, responses_models: Arc::default(), circuits: Circuits::default() }
    }

    fn client(&self, target: &ModelTarget) -> &outbound::Client {
        if target.by_operator() { &self.clients.operator } else { &self.clients.tenant }
    }

    /// The names of the provider's models that chat, in the provider's order; none where its type has no list. The
    /// target's model must be empty.
    pub(super) async fn list_models(&self, provider: &ModelTarget) -> Result<Vec<String>, ModelError> {
        let limit = self.timeouts.model_list;
        let asked = timeout(limit, read_list(self.client(provider), provider)).await;
        asked.unwrap_or_else(|_| Err(Fault::silent(provider, limit))).map_err(|fault| fault.report(provider))
    }
}

impl ModelClient for Network {
    fn stream(&self, target: &ModelTarget, request: ChatRequest) -> BoxStream<'static, Result<ModelPiece, ModelError>> {
        let call = Call {
            client: self.client(target).clone(),
            target: target.clone(),
            timeouts: self.timeouts,
            responses_models: self.responses_models.clone(),
            circuits: self.circuits.clone(),
        };
        let answer = async move {
            match call.begin(&request).await {
                Ok(answer) => Ok(stream::try_unfold(answer, next_piece)),
                Err(fault) => Err(fault.report(&call.target)),
            }
        };
        stream::once(answer).try_flatten().boxed()
    }
}

impl Call {
    /// Asks, where the model is not left alone.
    async fn begin(&self, request: &ChatRequest) -> Result<Answer, Fault> {
        let pass = self.circuits.enter(&self.target).map_err(|wait| Fault::resting(&self.target, wait))?;
        let until = Instant::now() + self.timeouts.answer;
        let late = || Err(Fault::cut(&self.target, Lost::Endless.cause()));
        match timeout_at(until, self.answer(request)).await.unwrap_or_else(|_| late()) {
            Ok((frames, protocol)) => {
                Ok(Answer::new(self.target.clone(), self.timeouts, frames, protocol.read(), until, pass))
            }
            Err(fault) => {
                pass.end(!fault.server_failed);
                Err(fault)
            }
        }
    }

    /// Asks, and asks again where the server says that the model wants to be asked otherwise.
    async fn answer(&self, request: &ChatRequest) -> Result<(Frames, Protocol), Fault> {
        let by_type = Protocol::of(&self.target);
        let model = (self.target.base_url.clone(), self.target.model.clone());
        let known = by_type == Protocol::ChatCompletions && self.by_responses().contains(&model);
        if !known && let Some(frames) = self.open(by_type, request).await? {
            return Ok((frames, by_type));
        }
        let frames = self.open(Protocol::Responses, request).await?;
        let frames = frames.ok_or_else(|| Fault::foreign(&self.target, "sent from Responses to Responses"))?;
        let mut known = self.by_responses();
        if known.len() >= RESPONSES_MODELS_MAX {
            known.clear();
        }
        known.insert(model);
        Ok((frames, Protocol::Responses))
    }

    fn by_responses(&self) -> MutexGuard<'_, HashSet<(Option<String>, String)>> {
        // Nothing panics under this lock, and its content is whole at any time.
        self.responses_models.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the request and reads the answer's head; `None` where the model wants Responses instead.
    async fn open(&self, protocol: Protocol, request: &ChatRequest) -> Result<Option<Frames>, Fault> {
        let Call { client, target, timeouts, .. } = self;
        let address = address::of_call(target, protocol).ok_or_else(|| Fault::unaddressed(target))?;
        let post = address::authorized(client.post(address), target).json(&protocol.body(target, request));
        let deadline = Instant::now() + timeouts.first_byte;
        let sent = timeout_at(deadline, post.send()).await.map_err(|_| Fault::silent(target, timeouts.first_byte))?;
        let mut response = sent.map_err(|error| Fault::unreached(target, error))?;
        let status = response.status();
        let patience = timeouts.between_bytes;
        if !status.is_success() {
            let (body, _) = read_body(&mut response, FAILURE_BYTES_MAX, patience).await;
            let body = String::from_utf8_lossy(&body);
            let asked_otherwise = protocol == Protocol::ChatCompletions && status.is_client_error() && {
                let body = body.to_lowercase();
                RESPONSES_WORDS.iter().any(|word| body.contains(word))
            };
            return if asked_otherwise {
                Ok(None)
            } else {
                Err(Fault::status(target, status.as_u16(), response.headers(), &body))
            };
        }
        read_head(response, target, deadline, patience, protocol.framing()).await.map(Some)
    }
}

/// What the head of a good answer says of its body.
async fn read_head(
    mut response: outbound::Response,
    target: &ModelTarget,
    deadline: Instant,
    patience: Duration,
    framing: Framing,
) -> Result<Frames, Fault> {
    let header = response.headers().get(http::header::CONTENT_TYPE);
    let media_type = header.and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    if media_type.starts_with("text/html") {
        Err(Fault::foreign(target, "the answer is a web page"))
    } else if framing == Framing::Events && media_type.starts_with("application/json") {
        // A server that does not stream: its whole completion, or its failure, is one frame.
        match read_body(&mut response, BODY_BYTES_MAX, patience).await {
            (body, Ok(())) => Ok(Frames::one(String::from_utf8_lossy(&body).into_owned())),
            (_, Err(lost)) => Err(Fault::cut(target, lost.cause())),
        }
    } else {
        let streams = ["text/event-stream", "application/x-ndjson"].iter().any(|kind| media_type.starts_with(kind));
        Ok(Frames::streamed(response, deadline, streams, framing))
    }
}
