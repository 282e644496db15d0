//! One turn: what its model is asked, what it says, which tools it calls, how it ends.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::calls::RunningCalls;
use super::end::{End, FRUITLESS_CLAIMS_MAX, internal, no_progress};
use super::retry::Tries;
use super::saying::Saying;
use super::step::Said;
use super::stored::{StoreTries, stored};
use super::tools::ToolContext;
use super::{Runner, request, step};
use crate::capabilities::{Tool, tools_of};
use crate::db::{commit, read};
use crate::error::ErrorCode;
use crate::events::{Channel, Event, Lease, StopReason};
use crate::llm::{ModelChoices, ModelTarget};
use crate::messages::{Exchange, Outcome};
use crate::turns::{Claimed, Running, Step, ToolCall, Turn};

/// Model calls of a turn: one that still calls tools then ends with what it last said.
const STEPS_MAX: i64 = 32;
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

/// What an answered turn leaves behind.
pub(super) enum Left {
    /// Nothing to do.
    Quiet,
    /// Another turn of its session, or this one again.
    AnotherWaits,
}

/// Answers a claimed turn to its end. A turn that is lost meanwhile (claimed by another, its session deleted) is left without a word.
pub(super) async fn answer(runner: &Runner, claimed: Claimed, lease: Lease) -> Left {
    let Claimed { turn, step, calls, capability_ids, system_prompt, choices, events } = claimed;
    let channel = runner.feed.channel(turn.session_id);
    let running = runner.signals.start(turn.session_id, turn.id, lease).await;
    let shown = step.started_sequence;
    let mut answering = Answering { runner, turn, step, calls, channel, running, shown };
    answering.show(events);
    if !answering.step.text.is_empty() {
        // The answer of a cancelled turn whose server was lost.
        let step = &answering.step;
        answering.channel.append(step.started_sequence, 0, &step.text, answering.running.lease());
    }
    let tools = tools_of(capability_ids.iter().map(String::as_str));
    let outcome = match AssertUnwindSafe(answering.work(&system_prompt, choices, &tools)).catch_unwind().await {
        Ok(Ok(reason)) => Outcome::Completed(reason),
        Ok(Err(End::Cancelled)) => Outcome::Cancelled,
        Ok(Err(End::Lost)) => return answering.leave().await,
        Ok(Err(End::Waits(time, _))) if answering.turn.fruitless_claims < FRUITLESS_CLAIMS_MAX => {
            return answering.wait(time).await;
        }
        Ok(Err(End::Failed(error) | End::Waits(_, error))) => Outcome::Failed(error),
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
        if self.turn.fruitless_claims > FRUITLESS_CLAIMS_MAX {
            return Err(End::Failed(no_progress()));
        }
        let target = self.resolve(choices).await?;
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

    async fn resolve(&self, choices: ModelChoices) -> Result<ModelTarget, End> {
        let (Runner { models, store, .. }, organization_id) = (self.runner, self.turn.organization_id);
        let mut tries = Tries::of(self.turn.id);
        loop {
            let resolving = stored(|| models.resolve(store, organization_id, choices));
            match self.unless_stopped(resolving).await?? {
                Ok(target) => return Ok(target),
                Err(error) => self.unless_stopped(tokio::time::sleep(tries.failed(error)?)).await?,
            }
        }
    }

    /// What was said until now; this turn's own row is the last one.
    async fn history(&self) -> Result<Vec<Exchange>, End> {
        let (store, turn) = (&self.runner.store, &self.turn);
        let history = stored(|| async { read!(store, messages::history(turn)) }).await?;
        // Without its own row the session is gone.
        let own = history.last().ok_or(End::Lost)?;
        // A cancel that came before anybody listened: between the claim and here, or of a server that was lost.
        if own.turn.cancel_requested_at.is_some() { Err(End::Cancelled) } else { Ok(history) }
    }

    /// One step: asks the model and follows its answer; asks again where it fails before it says anything.
    async fn ask(
        &mut self,
        target: &ModelTarget,
        system_prompt: &str,
        tools: &[&Tool],
        history: &[Exchange],
    ) -> Result<Said, End> {
        self.step.model.clone_from(&target.model);
        let mut tries = Tries::of(self.turn.id);
        loop {
            let request = request::of(system_prompt, tools, history, target);
            let answer = self.runner.models.client(target).stream(target, request);
            let saying = Saying::new(&self.runner.store, &self.turn, &self.channel, self.running.lease());
            let following = step::run(answer, target.provider_type, &mut self.step, saying);
            let said = tokio::select! {
                biased;
                stop = self.running.stopped() => return Err(stop.into()),
                said = following => said,
            };
            match said {
                Ok(said) => return said.ok_or(End::Lost),
                Err(error) => self.unless_stopped(tokio::time::sleep(tries.failed(error)?)).await?,
            }
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
            stop = self.running.stopped() => Err(stop.into()),
            done = work => Ok(done),
        }
    }

    /// Stores the end, again and again while the database is out of reach: what was said shall not be lost. An end that cannot be stored as it is
    /// becomes a failure. What tools still do is given up.
    async fn finish(mut self, mut outcome: Outcome) -> Left {
        let why = if matches!(outcome, Outcome::Failed(_)) { TURN_FAILED } else { CANCELLED };
        let given_up = |call: ToolCall| call.ended(Err(why.to_owned()));
        let calls: Vec<_> = std::mem::take(&mut self.calls).into_iter().map(given_up).collect();
        let mut tries = StoreTries::default();
        loop {
            let (turn, step, calls, how) = (self.turn.clone(), self.step.clone(), calls.clone(), outcome.clone());
            match commit!(&self.runner.store, messages::finish(turn, step, calls, how)) {
                Ok((events, another_waits)) => {
                    self.show(events);
                    return if another_waits { Left::AnotherWaits } else { Left::Quiet };
                }
                Err(error) if error.code == ErrorCode::Conflict => return self.leave().await,
                Err(error) if tries.is_another_worth(&error).await => {
                    tracing::error!(?error, "the end of a turn could not be stored yet");
                }
                Err(error) if matches!(outcome, Outcome::Failed(_)) => {
                    tracing::error!(?error, turn = %self.turn.id, "the end of a turn could not be stored");
                    // Each try asks the model anew; the lease of one that has come no further too often runs out in vain.
                    let is_worth = self.turn.fruitless_claims <= FRUITLESS_CLAIMS_MAX;
                    return if is_worth { self.leave().await } else { Left::Quiet };
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
    async fn leave(self) -> Left {
        self.running.lease().end();
        let newest = || self.channel.known().map_or(0, |known| known.newest);
        let (turn, from) = (self.turn.clone(), if self.shown > 0 { self.shown } else { newest() });
        let rows =
            async { read!(&self.runner.store, events::replay(turn.organization_id, turn.session_id, from, SHOWN_MAX)) };
        match rows.await {
            // With what their steps said: another one may have answered in the meantime.
            Ok(rows) if from > 0 => self.channel.take_in_and_tell(rows),
            Ok(_) => {}
            Err(error) => tracing::warn!(?error, "watchers see the end of a turn when they come back"),
        }
        // Held no longer, before it is given up: else its lease could be renewed once more.
        drop(self.running);
        // Until it is stored: where no lease runs out, nobody else would take it up.
        let store = &self.runner.store;
        let giving_up = stored(|| {
            let turn = turn.clone();
            async move { commit!(store, turns::give_up(turn)) }
        });
        if giving_up.await.is_err() {
            tracing::warn!("a turn could not be given up, whoever holds it now goes on with it");
        }
        Left::AnotherWaits
    }

    /// Lets the turn wait without anybody who holds it.
    async fn wait(self, time: Duration) -> Left {
        let milliseconds = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let (store, turn) = (&self.runner.store, &self.turn);
        let storing = stored(|| {
            let turn = turn.clone();
            async move { commit!(store, turns::wait(turn, milliseconds)) }
        });
        match storing.await {
            // Whoever looks claims it when its time has come; at once where somebody has asked for its end meanwhile.
            Ok(()) => Left::AnotherWaits,
            Err(_) => self.leave().await,
        }
    }

    /// Shows what was just stored, with it what the step has said.
    fn show(&mut self, events: Vec<Event>) {
        self.shown = events.last().map_or(self.shown, |event| event.sequence);
        self.channel.publish((self.step.started_sequence, self.step.text.len()), events);
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
