//! One turn: what its model is asked, what it says, which tools it calls, how it ends.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::calls::RunningCalls;
use super::step::Said;
use super::tools::ToolContext;
use super::{Runner, request, step};
use crate::capabilities::{Tool, tools_of};
use crate::db::{commit, read};
use crate::error::{Error, ErrorCode, Result};
use crate::events::{Channel, Event, StopReason, TurnErrorCode};
use crate::llm::{ModelChoices, ModelError, ModelErrorCode, ModelTarget};
use crate::messages::{Exchange, Outcome};
use crate::turns::{Claimed, Running, Step, ToolCall, Turn, TurnError};

/// Model calls of a turn: one that still calls tools then ends with what it last said.
const STEPS_MAX: i64 = 32;
/// How long to wait before what could not be stored is stored again.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// How often something is stored as it is while the database refuses it for another reason: one that is restarting does so for a moment.
const STORE_TRIES: u32 = 3;
/// How often a turn is begun whose end the database refuses for good.
const ATTEMPTS_MAX: i64 = 3;
/// Events shown at once of a turn that was lost.
const SHOWN_MAX: i64 = 100;

/// What a tool call is told that nobody waits for any more.
const CANCELLED: &str = "cancelled";
/// What a tool call is told whose turn failed meanwhile.
const TURN_FAILED: &str = "the turn failed while it ran";

/// A turn as far as it has come.
struct Answering<'r> {
    runner: &'r Runner,
    turn: Turn,
    /// The step that the model is in. While calls are open it is the one after them, which has not begun.
    step: Step,
    /// Tool calls that have not ended.
    calls: Vec<ToolCall>,
    channel: Arc<Channel>,
    running: Running,
    /// Number of the last event that was shown.
    shown: i64,
}

/// Why a turn goes no further.
enum End {
    Cancelled,
    Failed(TurnError),
    /// Another one has it, or its session is gone.
    Lost,
}

/// Answers a claimed turn to its end; tells whether another one of its session waits. A turn that is lost meanwhile (claimed by another, its
/// session deleted) is left without a word.
pub(super) async fn answer(runner: &Runner, claimed: Claimed) -> bool {
    let Claimed { turn, step, calls, capability_ids, system_prompt, choices, events } = claimed;
    let channel = runner.feed.channel(turn.session_id);
    let running = runner.signals.start(turn.session_id, turn.id).await;
    let shown = step.started_sequence;
    let mut answering = Answering { runner, turn, step, calls, channel, running, shown };
    answering.show(events);
    let tools = tools_of(capability_ids.iter().map(String::as_str));
    let outcome = match AssertUnwindSafe(answering.work(&system_prompt, choices, &tools)).catch_unwind().await {
        Ok(Ok(reason)) => Outcome::Completed(reason),
        Ok(Err(End::Cancelled)) => Outcome::Cancelled,
        Ok(Err(End::Failed(error))) => Outcome::Failed(error),
        Ok(Err(End::Lost)) => return answering.leave().await,
        Err(_) => {
            tracing::error!(turn = %answering.turn.id, "answering a turn panicked");
            Outcome::Failed(internal())
        }
    };
    answering.finish(outcome).await
}

impl Answering<'_> {
    /// Asks the model, runs the tools that it calls and asks it again, until it calls none.
    async fn work(
        &mut self,
        system_prompt: &str,
        choices: ModelChoices,
        tools: &[&'static Tool],
    ) -> Result<StopReason, End> {
        let mut history = self.history().await?;
        let target = self.unless_stopped(self.resolve(choices)).await??;
        if !self.calls.is_empty() {
            // What a lost server left.
            let ended = self.run_calls(tools, true).await?;
            remember(&mut history, ended);
        }
        loop {
            match self.ask(&target, system_prompt, tools, &history).await? {
                Said::All(reason) => return Ok(reason),
                Said::Calls(_) if self.step.step_index + 1 >= STEPS_MAX => return Ok(StopReason::MaxSteps),
                Said::Calls(calls) => {
                    let step = self.begin_calls(calls).await?;
                    if let Some(own) = history.last_mut() {
                        own.steps.push((step, self.calls.clone()));
                    }
                    let ended = self.run_calls(tools, false).await?;
                    remember(&mut history, ended);
                }
            }
        }
    }

    async fn resolve(&self, choices: ModelChoices) -> Result<ModelTarget, ModelError> {
        self.runner.models.resolve(&self.runner.store, self.turn.organization_id, choices).await
    }

    /// What was said until now; this turn's own row is the last one.
    async fn history(&self) -> Result<Vec<Exchange>, End> {
        let history = read!(&self.runner.store, messages::history(&self.turn))?;
        // Without its own row the session is gone.
        let own = history.last().ok_or(End::Lost)?;
        // A cancel that came before anybody listened: between the claim and here, or of a server that was lost.
        if own.turn.cancel_requested_at.is_some() { Err(End::Cancelled) } else { Ok(history) }
    }

    /// One step: asks the model and follows its answer.
    async fn ask(
        &mut self,
        target: &ModelTarget,
        system_prompt: &str,
        tools: &[&Tool],
        history: &[Exchange],
    ) -> Result<Said, End> {
        self.step.model.clone_from(&target.model);
        let request = request::of(system_prompt, tools, history, target);
        let answer = self.runner.models.client(target).stream(target, request);
        let following = step::run(answer, target.provider_type, &mut self.step, &self.channel);
        tokio::select! {
            biased;
            () = self.running.stopped() => Err(End::Cancelled),
            said = following => Ok(said?),
        }
    }

    /// Stores the step that called these tools; gives it back.
    async fn begin_calls(&mut self, calls: Vec<ToolCall>) -> Result<Step, End> {
        let (store, turn, step) = (&self.runner.store, &self.turn, &self.step);
        let storing = stored(|| {
            let (turn, step, calls) = (turn.clone(), step.clone(), calls.clone());
            async move { commit!(store, messages::finish_step(turn, step, calls)) }
        });
        let events = storing.await?;
        self.calls = calls;
        let next = self.step.next();
        self.show(events);
        Ok(std::mem::replace(&mut self.step, next))
    }

    /// Runs the open calls and stores each end as it comes; with the last one the next step begins. Gives back the calls with their ends.
    async fn run_calls(&mut self, tools: &[&'static Tool], again: bool) -> Result<Vec<ToolCall>, End> {
        let context = ToolContext {
            store: self.runner.store.clone(),
            web: self.runner.web.clone(),
            organization_id: self.turn.organization_id,
            session_id: self.turn.session_id,
            epoch: self.turn.epoch,
        };
        let mut running = RunningCalls::start(&context, tools, &self.calls, again);
        let mut all = Vec::new();
        while !self.calls.is_empty() {
            let ended = self.unless_stopped(running.ended()).await??;
            let next = (ended.len() == self.calls.len()).then(|| self.step.clone());
            let (store, turn) = (&self.runner.store, &self.turn);
            let storing = stored(|| {
                let (turn, ended, next) = (turn.clone(), ended.clone(), next.clone());
                async move { commit!(store, turns::finish_calls(turn, ended, next)) }
            });
            let (events, begun) = storing.await?;
            self.calls.retain(|call| ended.iter().all(|ended| ended.id != call.id));
            self.step = begun.unwrap_or_else(|| self.step.clone());
            self.show(events);
            all.extend(ended);
        }
        Ok(all)
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, End> {
        tokio::select! {
            biased;
            () = self.running.stopped() => Err(End::Cancelled),
            done = work => Ok(done),
        }
    }

    /// Stores the end, again and again while the database is out of reach: what was said shall not be lost. An end that cannot be stored as it is
    /// becomes a failure. What tools still do is given up.
    async fn finish(mut self, mut outcome: Outcome) -> bool {
        let why = if matches!(outcome, Outcome::Failed(_)) { TURN_FAILED } else { CANCELLED };
        let given_up = |call: ToolCall| call.ended(Err(why.to_owned()));
        let calls: Vec<_> = std::mem::take(&mut self.calls).into_iter().map(given_up).collect();
        let mut refused = 0;
        loop {
            let (turn, step, calls, how) = (self.turn.clone(), self.step.clone(), calls.clone(), outcome.clone());
            match commit!(&self.runner.store, messages::finish(turn, step, calls, how)) {
                Ok((events, another_waits)) => {
                    self.show(events);
                    return another_waits;
                }
                Err(error) if error.code == ErrorCode::Conflict => return self.leave().await,
                Err(error) if worth_another_try(&error, &mut refused) => {
                    tracing::error!(?error, "the end of a turn could not be stored yet");
                    tokio::time::sleep(STORE_RETRY).await;
                }
                Err(error) if matches!(outcome, Outcome::Failed(_)) => {
                    tracing::error!(?error, turn = %self.turn.id, "the end of a turn could not be stored");
                    // Each try asks the model anew.
                    return self.turn.attempts < ATTEMPTS_MAX && self.leave().await;
                }
                Err(error) => {
                    tracing::error!(?error, turn = %self.turn.id, "the end of a turn could not be stored, it is stored as failed");
                    outcome = Outcome::Failed(internal());
                    self.step.text.clear();
                    self.step.reasoning = None;
                }
            }
        }
    }

    /// Leaves a turn that is no longer ours, or whose rows are further than we know because the answer of a commit was lost: then it can be claimed
    /// again at once. Shows what is stored of it.
    async fn leave(mut self) -> bool {
        let (turn, from) = (self.turn.clone(), self.shown);
        let stored = async {
            read!(&self.runner.store, events::list(turn.organization_id, turn.session_id, from, None, SHOWN_MAX))
        };
        match stored.await {
            Ok(events) if from > 0 => self.show(events),
            Ok(_) => {}
            Err(error) => tracing::warn!(?error, "watchers see the end of a turn when they come back"),
        }
        // Held no longer, before it is given up: else its lease could be renewed once more.
        drop(self.running);
        if let Err(error) = commit!(&self.runner.store, turns::give_up(turn)) {
            tracing::warn!(?error, "a turn could not be given up, its lease will run out");
        }
        true
    }

    fn show(&mut self, events: Vec<Event>) {
        self.shown = events.last().map_or(self.shown, |event| event.sequence);
        self.channel.publish(events);
    }
}

/// Puts the ends of calls in the place of their beginnings.
fn remember(history: &mut [Exchange], ended: Vec<ToolCall>) {
    let Some(own) = history.last_mut() else { return };
    for end in ended {
        let calls = own.steps.iter_mut().flat_map(|(_, calls)| calls);
        if let Some(call) = calls.into_iter().find(|call| call.id == end.id) {
            *call = end;
        }
    }
}

/// Stores something of a turn, again and again while the database is out of reach.
async fn stored<T, W: Future<Output = Result<T>>>(write: impl Fn() -> W) -> Result<T, End> {
    let mut refused = 0;
    loop {
        match write().await {
            Ok(stored) => return Ok(stored),
            Err(error) if error.code == ErrorCode::Conflict => return Err(End::Lost),
            Err(error) if worth_another_try(&error, &mut refused) => {
                tracing::error!(?error, "a turn could not be stored yet");
                tokio::time::sleep(STORE_RETRY).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn worth_another_try(error: &Error, refused: &mut u32) -> bool {
    if error.code == ErrorCode::Unavailable {
        return true;
    }
    *refused += 1;
    *refused <= STORE_TRIES
}

fn internal() -> TurnError {
    TurnError {
        code: TurnErrorCode::Internal,
        message: "The server failed to answer this message. Send it again.".into(),
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        tracing::error!(?error, "a turn fails");
        Self::Failed(internal())
    }
}

impl From<TurnError> for End {
    fn from(error: TurnError) -> Self {
        Self::Failed(error)
    }
}

impl From<ModelError> for End {
    fn from(error: ModelError) -> Self {
        Self::Failed(error.into())
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
