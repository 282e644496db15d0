//! What a step is: one call of the model, with the tools that it called and what it cost.

use async_graphql::SimpleObject;
use diesel::{Insertable, Queryable, Selectable};

use crate::clock::Timestamp;
use crate::db::ids::{Id, Noun};
use crate::db::tables::{steps, tool_calls};
use crate::db::types::{BigInteger, Json, text_enum};

/// One call of the model, with what it said and the tools that it called.
#[derive(Queryable, Selectable, Insertable, SimpleObject, Clone, Debug)]
#[diesel(table_name = steps)]
#[graphql(complex)]
pub struct Step {
    #[graphql(skip)]
    pub organization_id: Id,
    #[graphql(skip)]
    pub session_id: Id,
    /// Number of its step.started event: the first half of its deltas' cursors.
    #[graphql(skip)]
    pub started_sequence: i64,
    /// The step's id.
    pub id: Id,
    /// Id of the turn.
    pub turn_id: Id,
    /// Its place in the turn, from 0.
    #[graphql(name = "index")]
    pub step_index: i64,
    /// Which try of the turn it belongs to, from 1: a turn whose server was lost is begun again.
    pub attempt: i64,
    /// How far it is.
    pub status: StepStatus,
    /// The model that was asked; empty while a step that just began still looks for it.
    pub model: String,
    /// What the model said. Of a running step, follow the deltas: the row is written when it ends.
    pub text: String,
    /// What the model thought before it spoke, where it tells.
    pub reasoning: Option<String>,
    #[graphql(skip)]
    pub input_tokens: i64,
    #[graphql(skip)]
    pub output_tokens: i64,
    #[graphql(skip)]
    pub cached_input_tokens: i64,
    #[graphql(skip)]
    pub reasoning_tokens: i64,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

text_enum! {
    /// How far a step is.
    pub enum StepStatus {
        /// The model is answering.
        Running = "running",
        /// The model answered.
        Completed = "completed",
        /// The model failed.
        Failed = "failed",
        /// Somebody cancelled it; what it said until then is kept.
        Cancelled = "cancelled",
        /// Its server was lost; another step took its place.
        Abandoned = "abandoned",
    }
}

/// One call of a tool.
#[derive(Queryable, Selectable, Insertable, SimpleObject, Clone, Debug)]
#[diesel(table_name = tool_calls)]
pub struct ToolCall {
    #[graphql(skip)]
    pub organization_id: Id,
    #[graphql(skip)]
    pub session_id: Id,
    /// The call's id.
    pub id: Id,
    #[graphql(skip)]
    pub turn_id: Id,
    /// Id of the step.
    pub step_id: Id,
    /// Its place among the calls of its step, from 0.
    #[graphql(skip)]
    pub position: i64,
    /// The same for every try of this call: by it a tool knows what it has done already.
    #[graphql(skip)]
    pub call_key: String,
    /// The tool's name.
    pub name: String,
    /// What the model passed.
    pub arguments: Json,
    /// How far it is.
    pub status: ToolCallStatus,
    /// What the tool answered.
    pub result: Option<Json>,
    /// Why the tool failed.
    pub error: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What the provider attached to the call and wants back with it; before it stand the provider's type and a space.
    #[graphql(skip)]
    pub signature: Option<String>,
    /// The provider's own name of the call.
    #[graphql(skip)]
    pub provider_call_id: Option<String>,
}

text_enum! {
    /// How far a call of a tool is.
    pub enum ToolCallStatus {
        /// The tool is running.
        Started = "started",
        /// The tool answered.
        Completed = "completed",
        /// The tool failed.
        Failed = "failed",
    }
}

/// What the models counted, in tokens; 0 where a model does not say.
#[derive(SimpleObject, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens that the model read.
    pub input_tokens: BigInteger,
    /// Tokens that the model wrote.
    pub output_tokens: BigInteger,
    /// Of those read, the ones that it had in its cache.
    pub cached_input_tokens: BigInteger,
    /// Of those written, the ones that it thought with.
    pub reasoning_tokens: BigInteger,
    /// Model calls.
    pub steps: BigInteger,
}

impl Step {
    /// A step that begins now.
    pub fn running(organization_id: Id, session_id: Id, turn_id: Id, model: String) -> Self {
        Self {
            organization_id,
            session_id,
            started_sequence: 0,
            id: Id::new(Noun::Step),
            turn_id,
            step_index: 0,
            attempt: 1,
            status: StepStatus::Running,
            model,
            text: String::new(),
            reasoning: None,
            input_tokens: 0,
            output_tokens: 0,
            cached_input_tokens: 0,
            reasoning_tokens: 0,
            started_at: Timestamp::now(),
            finished_at: None,
        }
    }

    /// The step after this one; it has not begun.
    pub fn next(&self) -> Self {
        let next = Self::running(self.organization_id, self.session_id, self.turn_id, self.model.clone());
        Self { step_index: self.step_index + 1, attempt: self.attempt, ..next }
    }
}

impl ToolCall {
    /// The call of `name` that this step made as its number `position`, which begins now.
    pub fn started(step: &Step, position: i64, name: String, arguments: Json) -> Self {
        let id = Id::new(Noun::ToolCall);
        Self {
            organization_id: step.organization_id,
            session_id: step.session_id,
            id,
            turn_id: step.turn_id,
            step_id: step.id,
            position,
            call_key: id.to_string(),
            name,
            arguments,
            status: ToolCallStatus::Started,
            result: None,
            error: None,
            started_at: Timestamp::now(),
            finished_at: None,
            signature: None,
            provider_call_id: None,
        }
    }

    /// The same call with its end: what the tool answered, or why it did not.
    pub fn ended(self, outcome: Result<Json, String>) -> Self {
        let (status, result, error) = match outcome {
            Ok(result) => (ToolCallStatus::Completed, Some(result), None),
            Err(error) => (ToolCallStatus::Failed, None, Some(error)),
        };
        Self { status, result, error, finished_at: Some(Timestamp::now()), ..self }
    }
}
