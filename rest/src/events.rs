//! …/events: the facts of a session, as server-sent events that follow live or as a JSON page.

use std::{convert::Infallible, future::ready, time::Duration};

use async_graphql::{Response as Answer, Value};
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures_util::{
    FutureExt, Stream, StreamExt,
    stream::{self, BoxStream},
};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::IntoParams;

use crate::{
    error::Error,
    graph::{self, Graph},
    operations::{Document, Operation, word_of_type},
    print,
    request::{Page, Path, Query, SessionPath},
};

/// A silent stream gets a comment this often, so that nothing between the two ends takes it for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Frames that are ready together leave together, up to about this many bytes.
const CHUNK_BYTES: usize = 16 * 1024;

/// Stands before the first frame: how long a client waits before it comes back.
const RETRY: &[u8] = b"retry: 2000\n";

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only OpenAPI reads it")]
pub(crate) struct Resume {
    /// The `id:` of the last frame that was seen. It wins over `after`.
    #[param(rename = "Last-Event-ID", value_type = String, required = false)]
    last_event_id: Option<String>,
}

#[derive(Serialize)]
struct After {
    after: Option<String>,
}

/// Watch a session's events
///
/// Server-sent events: the stored ones from the start, or after the given cursor, then the live ones; the stream stays
/// open. With `Accept: application/json` a page of the stored events, which has no `message.delta`. `limit` is for
/// that page.
#[utoipa::path(get, path = "/v1/agents/{agent_id}/sessions/{session_id}/events", tag = "events",
    params(SessionPath, Page, Resume), responses((status = 200,
        description = "The events. A frame's `event` and `data` are the `type` and `data` of a page")))]
pub(crate) async fn list_events(
    graph: Graph,
    Path(path): Path<SessionPath>,
    Query(page): Query<Page>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if prefers_json(&headers) {
        return Ok(graph.ask(Operation::ListEvents, (path, page)).await?.into_response());
    }
    let last_seen = headers.get("last-event-id").map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    let after = After { after: last_seen.or(page.after) };
    let document = Operation::WatchEvents.document();
    let mut answers = graph.watch(Operation::WatchEvents, (path, after))?;
    let first = answers.next().await.ok_or_else(Error::no_stream)?;
    let mut opening = RETRY.to_vec();
    frame(document, first, &mut opening)?;
    let chunks = stream::once(ready(Bytes::from(opening))).chain(frames(document, answers));
    Ok(event_stream(Body::from_stream(chunks.map(Ok::<_, Infallible>))))
}

fn event_stream(body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform")),
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, body).into_response()
}

/// The frames of a subscription, one buffer per write. An error ends them: a client resumes after its last `id:`.
fn frames(document: &'static Document, answers: BoxStream<'static, Answer>) -> impl Stream<Item = Bytes> {
    let chunks = stream::unfold(Some(answers), move |answers| async move {
        let mut answers = answers?;
        let Ok(first) = timeout(KEEP_ALIVE, answers.next()).await else {
            return Some((Bytes::from_static(b":\n\n"), Some(answers)));
        };
        let mut answer = first?;
        let mut chunk = Vec::new();
        while frame(document, answer, &mut chunk).is_ok() {
            if chunk.len() >= CHUNK_BYTES {
                return Some((Bytes::from(chunk), Some(answers)));
            }
            answer = match answers.next().now_or_never() {
                Some(Some(next)) => next,
                Some(None) => break,
                None => return Some((Bytes::from(chunk), Some(answers))),
            };
        }
        Some((Bytes::from(chunk), None))
    });
    chunks.filter(|chunk| ready(!chunk.is_empty()))
}

/// Prints one event; an event of a type that REST has no word for is no frame.
fn frame(document: &Document, answer: Answer, out: &mut Vec<u8>) -> Result<(), Error> {
    let data = graph::data(document, answer)?;
    let event = match &data {
        Value::Object(root) => root.values().next(),
        _ => None,
    };
    let Some(Value::Object(event)) = event else { return Ok(()) };
    let (Some(Value::String(cursor)), Some(Value::String(typename))) = (event.get("id"), event.get("event")) else {
        return Ok(());
    };
    let Some(word) = word_of_type(typename) else { return Ok(()) };
    out.extend_from_slice(format!("id: {cursor}\nevent: {word}\ndata: ").as_bytes());
    print::fragment(document, "data", event, typename, out)?;
    out.extend_from_slice(b"\n\n");
    Ok(())
}

/// Whether the client names `application/json`, and not `text/event-stream` at least as much. Wildcards are streams.
fn prefers_json(headers: &HeaderMap) -> bool {
    let json = quality(headers, "application/json");
    json > 0.0 && json > quality(headers, "text/event-stream")
}

/// The `q` of a media type in the Accept headers, 0 where it is not named.
fn quality(headers: &HeaderMap, media_type: &str) -> f32 {
    let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let ranges = lines.flat_map(|line| line.split(',')).filter_map(|range| {
        let mut parameters = range.split(';').map(str::trim);
        let named = parameters.next()?.eq_ignore_ascii_case(media_type);
        let quality = parameters.find_map(|parameter| parameter.strip_prefix("q=")?.parse().ok());
        named.then_some(quality.unwrap_or(1.0))
    });
    ranges.fold(0.0, f32::max)
}
