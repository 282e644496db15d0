//! The tool calls of a step, all running at the same time: each with a limit of time, none able to take its turn down.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::step::{storable, storable_json};
use super::tools::{self, ToolContext};
use crate::capabilities::Tool;
use crate::db::types::Json;
use crate::error::{Error, Result};
use crate::turns::ToolCall;

/// Tool calls of one step; what a model asks for beyond them is answered with an error.
const CALLS_MAX: i64 = 64;
/// Of those, the ones that run at once.
const CALLS_AT_ONCE: usize = 16;
/// How long a tool may run.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of JSON that a tool may answer; more is cut, with a note.
const RESULT_BYTES_MAX: usize = 256 * 1024;
/// Characters of an error that a model and people are told.
const ERROR_CHARACTERS_MAX: usize = 2_000;

/// What is told of a call whose server was lost, where it may not run again.
const LOST: &str = "unknown: the server was lost while it ran";

/// Calls that are running. Dropped, they stop at once.
pub(super) struct RunningCalls(JoinSet<ToolCall>);

impl RunningCalls {
    /// Starts them with the tools that the agent has. Calls that a lost server left (`again`) run only where that does no harm.
    pub(super) fn start(context: &ToolContext, tools: &[&'static Tool], calls: &[ToolCall], again: bool) -> Self {
        let slots = Arc::new(Semaphore::new(CALLS_AT_ONCE));
        let mut running = JoinSet::new();
        for call in calls.iter().cloned() {
            let (tools, context, slots) = (tools.to_vec(), context.clone(), slots.clone());
            running.spawn(async move {
                let outcome = match pick(&tools, &call, again) {
                    Ok(tool) => {
                        // Closed never: nobody does.
                        let _slot = slots.acquire().await;
                        run(context, tool, &call).await
                    }
                    Err(refusal) => Err(refusal),
                };
                call.ended(outcome.map(|result| Json(cut(storable_json(result)))).map_err(shorten))
            });
        }
        Self(running)
    }

    /// The calls that have ended since it was asked last, in the order in which they did; waits for one.
    pub(super) async fn ended(&mut self) -> Result<Vec<ToolCall>> {
        let mut ended: Vec<ToolCall> =
            self.0.join_next().await.transpose().map_err(Error::internal)?.into_iter().collect();
        while let Some(Ok(call)) = self.0.try_join_next() {
            ended.push(call);
        }
        Ok(ended)
    }
}

/// The tool that is called, or why nothing is.
fn pick(tools: &[&'static Tool], call: &ToolCall, again: bool) -> Result<&'static Tool, String> {
    if call.position >= CALLS_MAX {
        return Err(format!("not run: at most {CALLS_MAX} tools can be called at once; call it again"));
    }
    let Some(tool) = tools.iter().find(|tool| tool.name == call.name) else {
        let names: Vec<_> = tools.iter().map(|tool| tool.name).collect();
        return Err(match names[..] {
            [] => "there are no tools: answer without them".to_owned(),
            _ => format!("there is no tool of this name; there are {}", names.join(", ")),
        });
    };
    if again && !tool.idempotent {
        return Err(LOST.to_owned());
    }
    Ok(tool)
}

async fn run(context: ToolContext, tool: &'static Tool, call: &ToolCall) -> Result<Value, String> {
    let arguments = match &call.arguments.0 {
        arguments @ Value::Object(_) => arguments.clone(),
        _ => return Err("the arguments must be a JSON object".to_owned()),
    };
    let running = AssertUnwindSafe(tools::run(context, tool.name, arguments)).catch_unwind();
    match tokio::time::timeout(CALL_TIMEOUT, running).await {
        Ok(Ok(outcome)) => outcome.map_err(|refusal| refusal.0),
        Ok(Err(_)) => {
            tracing::error!(tool = tool.name, call = %call.id, "a tool panicked");
            Err("the tool failed: a fault of the server".to_owned())
        }
        Err(_) => Err(format!("the tool took longer than {} seconds", CALL_TIMEOUT.as_secs())),
    }
}

fn cut(result: Value) -> Value {
    let text = result.to_string();
    if text.len() <= RESULT_BYTES_MAX {
        return result;
    }
    let kept = &text[..text.floor_char_boundary(RESULT_BYTES_MAX)];
    json!({ "note": format!("the result had {} bytes and is cut to {RESULT_BYTES_MAX}", text.len()), "cut_result": kept })
}

fn shorten(error: String) -> String {
    match error.char_indices().nth(ERROR_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", storable(error[..end].to_owned())),
        None => storable(error),
    }
}
