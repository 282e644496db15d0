//! A circuit per provider and model: one that failed time after time is left alone for a while, then tried by a single call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::model::ModelTarget;
use crate::db::ids::Id;

/// Failures in a row that open a circuit.
const FAILURES_MAX: u32 = 5;
/// How long a circuit is open at first; it doubles with each call that tries in vain.
const OPEN_FIRST: Duration = Duration::from_secs(15);
const OPEN_MAX: Duration = Duration::from_secs(120);
/// Models whose failures are remembered; beyond that the one that failed longest ago is forgotten.
const CIRCUITS_MAX: usize = 1000;

/// The models that failed last. One that answers is forgotten.
#[derive(Clone, Default)]
pub(super) struct Circuits(Arc<Mutex<HashMap<Key, Circuit>>>);

/// With the provider in it, so that nobody closes another one's way to the same server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    /// Absent: the operator's.
    provider_id: Option<Id>,
    base_url: Option<String>,
    model: String,
}

struct Circuit {
    state: State,
    failed_at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Calls go through.
    Closed { failures: u32 },
    /// None does until then.
    Open { until: Instant, length: Duration },
    /// One is under way that shall tell.
    Trying { length: Duration },
}

/// Lets one call through. Dropped without its end, as when the call is cancelled, it says nothing of the server.
pub(super) struct Pass {
    circuits: Circuits,
    key: Key,
    /// Whether it is the one that shall tell.
    tries: bool,
}

impl Circuits {
    /// Lets a call through, or says how long the model is left alone; zero while another call tries it.
    pub(super) fn enter(&self, target: &ModelTarget) -> Result<Pass, Duration> {
        let key =
            Key { provider_id: target.provider_id, base_url: target.base_url.clone(), model: target.model.clone() };
        let mut tries = false;
        if let Some(circuit) = self.lock().get_mut(&key) {
            match circuit.state {
                State::Closed { .. } => {}
                State::Trying { .. } => return Err(Duration::ZERO),
                State::Open { until, .. } if until > Instant::now() => return Err(until - Instant::now()),
                State::Open { length, .. } => {
                    circuit.state = State::Trying { length };
                    tries = true;
                }
            }
        }
        Ok(Pass { circuits: self.clone(), key, tries })
    }

    fn failed(&self, key: &Key, tries: bool) {
        let now = Instant::now();
        let mut circuits = self.lock();
        if circuits.len() >= CIRCUITS_MAX && !circuits.contains_key(key) {
            let oldest = circuits.iter().min_by_key(|(_, circuit)| circuit.failed_at).map(|(key, _)| key.clone());
            oldest.map(|oldest| circuits.remove(&oldest));
        }
        let fresh = || Circuit { state: State::Closed { failures: 0 }, failed_at: now };
        let circuit = circuits.entry(key.clone()).or_insert_with(fresh);
        circuit.failed_at = now;
        let length = match circuit.state {
            State::Closed { failures } if failures + 1 < FAILURES_MAX => {
                circuit.state = State::Closed { failures: failures + 1 };
                return;
            }
            State::Closed { .. } => OPEN_FIRST,
            State::Trying { length } if tries => (length * 2).min(OPEN_MAX),
            // A call that had begun before the circuit opened.
            State::Open { .. } | State::Trying { .. } => return,
        };
        circuit.state = State::Open { until: now + length, length };
        tracing::warn!(model = ?key.model, ?length, "a model failed several times in a row, it is left alone");
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Circuit>> {
        // Nothing panics under this lock, and its content is whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// The call came as far as to tell whether the server answers.
    pub(super) fn end(mut self, answers: bool) {
        if answers {
            self.circuits.lock().remove(&self.key);
        } else {
            self.circuits.failed(&self.key, self.tries);
        }
        self.tries = false;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.tries {
            return;
        }
        // The next call tries in its place.
        if let Some(circuit) = self.circuits.lock().get_mut(&self.key)
            && let State::Trying { length } = circuit.state
        {
            circuit.state = State::Open { until: Instant::now(), length };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::ProviderType;

    fn target(provider_id: u128, model: &str) -> ModelTarget {
        ModelTarget {
            provider_type: ProviderType::OpenaiCompatible,
            base_url: Some("http://host/v1".into()),
            api_key: None,
            model: model.into(),
            context_window: None,
            provider_id: Some(Id::fixed(provider_id)),
        }
    }

    /// Calls in vain as often as it takes.
    fn open(circuits: &Circuits, target: &ModelTarget) {
        for _ in 0..FAILURES_MAX {
            circuits.enter(target).ok().unwrap().end(false);
        }
    }

    fn wait(circuits: &Circuits, target: &ModelTarget) -> Option<Duration> {
        circuits.enter(target).err()
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_and_an_answer_closes_it() {
        let (circuits, target) = (Circuits::default(), target(1, "one"));
        for answers in [false, false, false, false, true, false, false, false, false] {
            circuits.enter(&target).ok().unwrap().end(answers);
        }
        circuits.enter(&target).ok().unwrap().end(false);
        assert_eq!(wait(&circuits, &target), Some(OPEN_FIRST));
        tokio::time::advance(OPEN_FIRST).await;
        let first = circuits.enter(&target).ok().unwrap();
        assert_eq!(wait(&circuits, &target), Some(Duration::ZERO));
        first.end(true);
        assert_eq!(wait(&circuits, &target), None);
        assert!(circuits.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn each_try_in_vain_doubles_the_wait_up_to_its_limit() {
        let (circuits, target) = (Circuits::default(), target(1, "one"));
        open(&circuits, &target);
        for seconds in [15, 30, 60, 120, 120] {
            assert_eq!(wait(&circuits, &target), Some(Duration::from_secs(seconds)));
            tokio::time::advance(Duration::from_secs(seconds)).await;
            circuits.enter(&target).ok().unwrap().end(false);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_try_leaves_its_place_to_the_next() {
        let (circuits, target) = (Circuits::default(), target(1, "one"));
        open(&circuits, &target);
        tokio::time::advance(OPEN_FIRST).await;
        drop(circuits.enter(&target));
        let next = circuits.enter(&target).ok().unwrap();
        assert_eq!(wait(&circuits, &target), Some(Duration::ZERO));
        next.end(false);
        assert_eq!(wait(&circuits, &target), Some(OPEN_FIRST * 2));
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_began_before_it_opened_do_not_prolong_it() {
        let (circuits, target) = (Circuits::default(), target(1, "one"));
        let early: Vec<_> = (0..20).map(|_| circuits.enter(&target).ok().unwrap()).collect();
        early.into_iter().for_each(|pass| pass.end(false));
        assert_eq!(wait(&circuits, &target), Some(OPEN_FIRST));
    }

    #[tokio::test(start_paused = true)]
    async fn providers_and_models_are_apart_and_only_so_many_remembered() {
        let circuits = Circuits::default();
        let first = target(1, "one");
        open(&circuits, &first);
        for other in [target(2, "one"), target(1, "two"), ModelTarget { base_url: None, ..first.clone() }] {
            assert_eq!(wait(&circuits, &other), None);
        }
        for number in 0..CIRCUITS_MAX {
            tokio::time::advance(Duration::from_millis(1)).await;
            circuits.enter(&target(1, &format!("model {number}"))).ok().unwrap().end(false);
        }
        assert_eq!(circuits.lock().len(), CIRCUITS_MAX);
        assert_eq!(wait(&circuits, &first), None);
    }
}
