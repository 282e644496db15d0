//! Signals between who asks and who answers in this process: work waits, this turn shall stop. They only save waiting; the database decides.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::db::ids::Id;

/// Signals of this process.
#[derive(Clone)]
pub struct Signals(Arc<Shared>);

struct Shared {
    /// A permit for each turn that may wait.
    work: Semaphore,
    running: Mutex<HashMap<Id, Answering>>,
}

/// The turn that a session is at, here.
#[derive(Clone)]
struct Answering {
    turn_id: Id,
    stop: CancellationToken,
    over: CancellationToken,
}

/// Stands for a turn that this process is answering; dropped, it is over.
pub struct Running {
    session_id: Id,
    answering: Answering,
    signals: Signals,
}

impl Default for Signals {
    fn default() -> Self {
        Self(Arc::new(Shared { work: Semaphore::new(0), running: Mutex::default() }))
    }
}

impl Signals {
    /// A turn was queued, or a session became free for its next one.
    pub fn work_waits(&self) {
        self.0.work.add_permits(1);
    }

    /// Returns when a turn may wait, once for each time that it was told: a claim for each signal leaves no turn behind and asks no more than that.
    pub async fn work(&self) {
        // Closed never: nobody does.
        if let Ok(permit) = self.0.work.acquire().await {
            permit.forget();
        }
    }

    /// The session's turn is being answered here. A turn before it, whose end is stored but perhaps not yet shown, is over first, so that what a
    /// session shows keeps its order; one that was lost to this one meanwhile is stopped.
    pub async fn start(&self, session_id: Id, turn_id: Id) -> Running {
        let answering = Answering { turn_id, stop: CancellationToken::new(), over: CancellationToken::new() };
        while let Some(before) = self.enter(session_id, &answering) {
            before.stop.cancel();
            before.over.cancelled().await;
        }
        Running { session_id, answering, signals: self.clone() }
    }

    /// The session's turn shall stop now, where it is answered here; where one is named, only that one.
    pub fn stop(&self, session_id: Id, only: Option<Id>) {
        let running = self.running();
        let answering = running.get(&session_id).filter(|answering| only.is_none_or(|only| only == answering.turn_id));
        if let Some(answering) = answering {
            answering.stop.cancel();
        }
    }

    /// The turns that are being answered here.
    pub fn held(&self) -> Vec<Id> {
        self.running().values().map(|answering| answering.turn_id).collect()
    }

    /// Takes the session's place; gives back who still has it.
    fn enter(&self, session_id: Id, answering: &Answering) -> Option<Answering> {
        match self.running().entry(session_id) {
            Entry::Occupied(place) => Some(place.get().clone()),
            Entry::Vacant(place) => {
                place.insert(answering.clone());
                None
            }
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Id, Answering>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Returns when the turn shall stop.
    pub async fn stopped(&self) {
        self.answering.stop.cancelled().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signals.running().remove(&self.session_id);
        self.answering.over.cancel();
    }
}
