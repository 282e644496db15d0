//! One turn: what its model is asked, what it says, how it ends.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::{Runner, request, step};
use crate::db::{commit, read};
use crate::error::{ErrorCode, Result};
use crate::events::{Channel, Event, TurnErrorCode};
use crate::llm::{ModelError, ModelErrorCode};
use crate::messages::{Exchange, Outcome};
use crate::turns::{Claimed, Step, Turn, TurnError};

/// How long to wait before an end that could not be stored is stored again.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// How often an end is stored as it is while the database refuses it for another reason: one that is restarting does so for a moment.
const STORE_TRIES: u32 = 3;
/// Events shown at once of a turn that was lost.
const SHOWN_MAX: i64 = 100;

/// Answers a claimed turn to its end; tells whether another one of its session waits. A turn that is lost meanwhile (claimed by another, its
/// session deleted) is left without a word.
pub(super) async fn answer(runner: &Runner, claimed: Claimed) -> bool {
    let Claimed { turn, mut step, system_prompt, events } = claimed;
    let channel = runner.feed.channel(turn.session_id);
    let running = runner.signals.start(turn.session_id, turn.id).await;
    channel.publish(events);
    let asked = AssertUnwindSafe(ask(runner, &turn, system_prompt, &mut step, &channel)).catch_unwind();
    let outcome = tokio::select! {
        biased;
        () = running.stopped() => Outcome::Cancelled,
        outcome = asked => outcome.unwrap_or_else(|_| {
            tracing::error!(turn = %turn.id, "answering a turn panicked");
            Outcome::Failed(internal())
        }),
    };
    finish(runner, turn, step, outcome, &channel).await
}

/// Asks the model and follows its answer.
async fn ask(runner: &Runner, turn: &Turn, system_prompt: String, step: &mut Step, channel: &Channel) -> Outcome {
    let history = match history(runner, turn).await {
        Ok(history) => history,
        Err(error) => {
            tracing::error!(?error, "a turn could not be prepared");
            return Outcome::Failed(internal());
        }
    };
    // Its own row is the last one; without it the session is gone, and nothing of this will be stored.
    let Some(own) = history.last() else { return Outcome::Failed(internal()) };
    if own.turn.cancel_requested_at.is_some() {
        // Asked for before anybody listened: between the claim and here, or of a server that was lost.
        return Outcome::Cancelled;
    }
    let answered = async {
        let target = runner.models.resolve().await?;
        step.model.clone_from(&target.model);
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

/// Stores the end, again and again while the database is out of reach: what was said shall not be lost. An end that cannot be stored as it is
/// becomes a failure.
async fn finish(runner: &Runner, turn: Turn, mut step: Step, mut outcome: Outcome, channel: &Channel) -> bool {
    let mut refused = 0;
    loop {
        let (ended, said, how) = (turn.clone(), step.clone(), outcome.clone());
        match commit!(&runner.store, messages::finish(ended, said, how)) {
            Ok((events, another_waits)) => {
                channel.publish(events);
                return another_waits;
            }
            Err(error) if error.code == ErrorCode::Conflict => {
                show_stored(runner, &turn, &step, channel).await;
                return true;
            }
            Err(error) if error.code == ErrorCode::Unavailable || refused < STORE_TRIES => {
                tracing::error!(?error, "the end of a turn could not be stored yet");
                refused += u32::from(error.code != ErrorCode::Unavailable);
                tokio::time::sleep(STORE_RETRY).await;
            }
            Err(error) if matches!(outcome, Outcome::Failed(_)) => {
                tracing::error!(?error, turn = %turn.id, "the end of a turn could not be stored");
                return false;
            }
            Err(error) => {
                tracing::error!(?error, turn = %turn.id, "the end of a turn could not be stored, it is stored as failed");
                outcome = Outcome::Failed(internal());
                step.text.clear();
                step.reasoning = None;
            }
        }
    }
}

/// Shows what is stored after a step that is no longer ours: perhaps its own end, whose commit went through although its answer was lost.
async fn show_stored(runner: &Runner, turn: &Turn, step: &Step, channel: &Channel) {
    let from = step.started_sequence;
    match read_after(runner, turn, from).await {
        Ok(events) => channel.publish(events),
        Err(error) => tracing::warn!(?error, "watchers see the end of a turn when they come back"),
    }
}

async fn read_after(runner: &Runner, turn: &Turn, from: i64) -> Result<Vec<Event>> {
    read!(&runner.store, events::list(turn.organization_id, turn.session_id, from, None, SHOWN_MAX))
}

fn internal() -> TurnError {
    TurnError {
        code: TurnErrorCode::Internal,
        message: "The server failed to answer this message. Send it again.".into(),
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
