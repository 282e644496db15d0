//! Signals between who asks and who answers: work waits, this turn shall stop. They only save waiting; the database decides.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::bus::{Bus, Notice};
use crate::db::ids::Id;
use crate::events::Lease;

/// Signals of this process, told to the others too.
#[derive(Clone)]
pub struct Signals(Arc<Shared>);

struct Shared {
    /// A permit for each turn that may wait.
    work: Semaphore,
    /// Any number of turns may wait.
    sweep: Notify,
    running: Mutex<HashMap<Id, Answering>>,
    bus: Bus,
}

/// The turn that a session is at, here.
#[derive(Clone)]
struct Answering {
    turn_id: Id,
    lease: Lease,
    stop: CancellationToken,
    lost: CancellationToken,
    over: CancellationToken,
}

/// Stands for a turn that this process is answering; dropped, it is over.
pub struct Running {
    session_id: Id,
    answering: Answering,
    signals: Signals,
}

/// Why a turn goes no further here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Somebody asked for its end.
    Asked,
    /// Another one has it, or its session is gone.
    Lost,
}

/// A turn that is being answered here.
#[derive(Clone, Debug)]
pub struct Held {
    /// The turn.
    pub turn_id: Id,
    /// Its session.
    pub session_id: Id,
    /// How long it is ours.
    pub lease: Lease,
}

impl Signals {
    /// Signals that reach the other replicas over `bus`.
    pub fn new(bus: Bus) -> Self {
        Self(Arc::new(Shared { work: Semaphore::new(0), sweep: Notify::new(), running: Mutex::default(), bus }))
    }

    /// A turn was queued, or a session became free for its next one.
    pub fn work_waits(&self) {
        self.0.work.add_permits(1);
        self.0.bus.tell(Notice::Work);
    }

    /// Turns may wait that nobody here told of: of another process, or whose time has come.
    pub fn sweep(&self) {
        self.0.sweep.notify_one();
    }

    /// Returns when a turn may wait, once for each time that it was told: a claim for each signal leaves no turn behind and asks no more than that.
    /// Returns true where any number may wait.
    pub async fn work(&self) -> bool {
        tokio::select! {
            permit = self.0.work.acquire() => {
                // Closed never: nobody does.
                if let Ok(permit) = permit {
                    permit.forget();
                }
                false
            }
            () = self.0.sweep.notified() => true,
        }
    }

    /// The session's turn is being answered here, under this lease. A turn before it, whose end is stored but perhaps not yet shown, is over first,
    /// so that what a session shows keeps its order; one that was lost to this one meanwhile is stopped.
    pub async fn start(&self, session_id: Id, turn_id: Id, lease: Lease) -> Running {
        let token = CancellationToken::new;
        let answering = Answering { turn_id, lease, stop: token(), lost: token(), over: token() };
        while let Some(before) = self.enter(session_id, &answering) {
            before.lost.cancel();
            before.over.cancelled().await;
        }
        Running { session_id, answering, signals: self.clone() }
    }

    /// The session's turn shall stop now, wherever it is answered; where one is named, only that one.
    pub fn stop(&self, session_id: Id, only: Option<Id>) {
        if !self.stop_here(session_id, only) {
            self.0.bus.tell(Notice::Stop { session_id, turn_id: only });
        }
    }

    /// The same, where it is answered here; tells whether it is.
    pub fn stop_here(&self, session_id: Id, only: Option<Id>) -> bool {
        let running = self.running();
        let answering = running.get(&session_id).filter(|answering| only.is_none_or(|only| only == answering.turn_id));
        if let Some(answering) = answering {
            answering.stop.cancel();
        }
        answering.is_some()
    }

    /// The session's turn, if it is still this one here, was lost: it stops without a word.
    pub fn lose(&self, held: &Held) {
        held.lease.end();
        if let Some(answering) = self.running().get(&held.session_id).filter(|own| own.lease.is(&held.lease)) {
            answering.lost.cancel();
        }
    }

    /// The turns that are being answered here.
    pub fn held(&self) -> Vec<Held> {
        let held = |(session_id, answering): (&Id, &Answering)| Held {
            turn_id: answering.turn_id,
            session_id: *session_id,
            lease: answering.lease.clone(),
        };
        self.running().iter().map(held).collect()
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
    /// Returns when the turn shall stop, and why.
    pub async fn stopped(&self) -> Stop {
        tokio::select! {
            biased;
            () = self.answering.lost.cancelled() => Stop::Lost,
            () = self.answering.stop.cancelled() => Stop::Asked,
        }
    }

    /// How long the turn is ours.
    pub fn lease(&self) -> &Lease {
        &self.answering.lease
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signals.running().remove(&self.session_id);
        self.answering.over.cancel();
    }
}
