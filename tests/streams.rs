//! Watching: replay, then live, over SSE and over GraphQL; what was seen does not depend on who left when.

mod faces;
mod live;
mod organization;
mod refusals;
mod replicas;
mod resume;
pub mod watcher;

use serde_json::json;

use crate::app::{Caller, Frame, Sse};

/// These frames with each step's neighbouring deltas joined, since how a text is cut is not fixed.
fn joined(frames: &[Frame]) -> Vec<Frame> {
    let mut whole: Vec<Frame> = Vec::new();
    for frame in frames {
        match whole.last_mut() {
            Some(last)
                if [&last.event, &frame.event] == ["message.delta"; 2]
                    && last.data["step_id"] == frame.data["step_id"] =>
            {
                let text = [&last.data, &frame.data].map(|data| data["delta"].as_str().unwrap_or_default()).concat();
                *last = Frame { data: json!({ "delta": text, "step_id": frame.data["step_id"] }), ..frame.clone() };
            }
            _ => whole.push(frame.clone()),
        }
    }
    whole
}

/// The session's stored stream from the start, up to the end of its turn number `turns`.
async fn recorded(app: &Caller, path: &str, turns: usize) -> Vec<Frame> {
    ends(&mut app.sse(path, None).await, turns).await
}

/// Everything up to the end of so many turns.
async fn ends(stream: &mut Sse, turns: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    for _ in 0..turns {
        frames.extend(stream.until("session.completed").await);
    }
    frames
}
