//! One turn: what its model is asked, what it says, how it ends.

use std::time::Duration;

use super::{Runner, request, step};
use crate::db::{commit, read};
use crate::error::{ErrorCode, Result};
use crate::events::{Channel, TurnErrorCode};
use crate::llm::{ModelError, ModelErrorCode, ModelTarget};
use crate::messages::{Exchange, Outcome};
use crate::turns::{Claimed, Step, Turn, TurnError};

/// How long to wait before an end that could not be stored is stored again.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// Answers a claimed turn to its end; tells whether another one of its session waits. A turn that is lost meanwhile (claimed by another, its
/// session deleted) is left without a word.
pub(super) async fn answer(runner: &Runner, claimed: Claimed, target: Result<ModelTarget, ModelError>) -> bool {
    let Claimed { turn, mut step, system_prompt, events } = claimed;
    let channel = runner.feed.channel(turn.session_id);
    let running = runner.signals.start(turn.session_id, turn.id).await;
    channel.publish(events);
    let outcome = if turn.cancel_requested_at.is_some() {
        // The server that was asked to end it was lost before it did.
        Outcome::Cancelled
    } else {
        tokio::select! {
            biased;
            () = running.stopped() => Outcome::Cancelled,
            outcome = ask(runner, &turn, system_prompt, &mut step, target, &channel) => outcome,
        }
    };
    finish(runner, turn, step, outcome, &channel).await
}

/// Asks the model and follows its answer.
async fn ask(
    runner: &Runner,
    turn: &Turn,
    system_prompt: String,
    step: &mut Step,
    target: Result<ModelTarget, ModelError>,
    channel: &Channel,
) -> Outcome {
    let answered = async {
        let target = target?;
        let history = history(runner, turn).await.map_err(|error| {
            tracing::error!(?error, "a turn could not be prepared");
            internal()
        })?;
        if history.is_empty() {
            // The session is gone; nothing of this will be stored.
            return Err(internal());
        }
        let request = request::of(system_prompt, history);
        step::run(runner.models.client(&target).stream(&target, request), step, channel).await
    };
    match answered.await {
        Ok(reason) => Outcome::Completed(reason),
        Err(error) => Outcome::Failed(error),
    }
}

async fn history(runner: &Runner, turn: &Turn) -> Result<Vec<Exchange>> {
    read!(&runner.store, messages::history(turn))
}

/// Stores the end, again and again while the database is out of reach: what was said shall not be lost.
async fn finish(runner: &Runner, turn: Turn, step: Step, outcome: Outcome, channel: &Channel) -> bool {
    loop {
        let (turn, step, outcome) = (turn.clone(), step.clone(), outcome.clone());
        match commit!(&runner.store, messages::finish(turn, step, outcome)) {
            Ok((events, another_waits)) => {
                channel.publish(events);
                return another_waits;
            }
            Err(error) if error.code == ErrorCode::Conflict => return false,
            Err(error) => tracing::error!(?error, "the end of a turn could not be stored"),
        }
        tokio::time::sleep(STORE_RETRY).await;
    }
}

fn internal() -> TurnError {
    TurnError {
        code: TurnErrorCode::Internal,
        message: "The server failed to prepare this turn. Send the message again.".into(),
    }
}

impl From<ModelError> for TurnError {
    fn from(error: ModelError) -> Self {
        let code = match error.code {
            ModelErrorCode::Unavailable => TurnErrorCode::ModelUnavailable,
            ModelErrorCode::Refused => TurnErrorCode::ModelRefused,
            ModelErrorCode::Cut => TurnErrorCode::ModelCut,
            ModelErrorCode::ContextTooLong => TurnErrorCode::ContextTooLong,
        };
        Self { code, message: error.message }
    }
}
