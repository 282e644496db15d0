//! How tools run: each takes its arguments and answers JSON, or an error in words for a model. What they are called and take stands in
//! `capabilities`.

mod clock;
mod files;
mod html;
mod math;
mod todos;
mod weather;
mod web;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::db::Store;
use crate::db::ids::Id;
use crate::error::{Error, ErrorCode};

pub use web::Web;

/// What a tool may use.
#[derive(Clone)]
pub(super) struct ToolContext {
    pub(super) store: Store,
    pub(super) web: Web,
    pub(super) organization_id: Id,
    pub(super) session_id: Id,
    /// The turn's: what a tool writes, it writes only while the turn is still ours.
    pub(super) epoch: i64,
}

/// What a tool answers, or why it does not.
pub(super) type Outcome = Result<Value, Refusal>;

/// Why a tool does not answer, in words for a model: never a cause.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) String);

/// Runs the tool of this name with these arguments.
pub(super) async fn run(context: ToolContext, name: &str, arguments: Value) -> Outcome {
    match name {
        "current_time" => clock::current_time(read(arguments)?),
        "noop" => read(arguments).map(|Nothing {}| json!({ "ok": true })),
        "test_math_add" => math::calculate(read(arguments)?, |a, b| a + b),
        "test_math_subtract" => math::calculate(read(arguments)?, |a, b| a - b),
        "test_math_multiply" => math::calculate(read(arguments)?, |a, b| a * b),
        "test_math_divide" => math::divide(read(arguments)?),
        "test_weather_current" => weather::current(read(arguments)?),
        "test_weather_forecast" => weather::forecast(read(arguments)?),
        "write_todos" => todos::write(read(arguments)?),
        "read_file" => files::read(&context, read(arguments)?).await,
        "write_file" => files::write(&context, read(arguments)?).await,
        "edit_file" => files::edit(&context, read(arguments)?).await,
        "list_directory" => files::list(&context, read(arguments)?).await,
        "grep_files" => files::grep(&context, read(arguments)?).await,
        "delete_file" => files::delete(&context, read(arguments)?).await,
        "stat_file" => files::stat(&context, read(arguments)?).await,
        "web_fetch" => context.web.fetch(read(arguments)?).await,
        _ => Err("the tool is not there yet".into()),
    }
}

/// No arguments.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Reads arguments; what does not fit is told by name.
fn read<T: DeserializeOwned>(arguments: Value) -> Result<T, Refusal> {
    serde_json::from_value(arguments).map_err(|error| Refusal(format!("the arguments do not fit: {error}")))
}

impl From<String> for Refusal {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Refusal {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        if matches!(error.code, ErrorCode::InternalServerError | ErrorCode::Unavailable) {
            tracing::error!(?error, "a tool failed");
        }
        Self(error.message.into_owned())
    }
}
