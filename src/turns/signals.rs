//! Signals between who asks and who answers in this process: work waits, this turn shall stop. They only save waiting; the database decides.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::db::ids::Id;

/// Signals of this process.
#[derive(Clone, Default)]
pub struct Signals(Arc<Shared>);

#[derive(Default)]
struct Shared {
    work: Notify,
    running: Mutex<HashMap<Id, CancellationToken>>,
}

/// Stands for a turn that this process is answering; dropped, it is over.
pub struct Running {
    session_id: Id,
    stop: CancellationToken,
    signals: Signals,
}

impl Signals {
    /// A turn was queued, or a session became free for its next one.
    pub fn work_waits(&self) {
        self.0.work.notify_one();
    }

    /// Returns when work may wait.
    pub async fn work(&self) {
        self.0.work.notified().await;
    }

    /// The session's turn is being answered here.
    pub fn start(&self, session_id: Id) -> Running {
        let stop = CancellationToken::new();
        self.running().insert(session_id, stop.clone());
        Running { session_id, stop, signals: self.clone() }
    }

    /// The session's turn shall stop now, where it is answered here.
    pub fn stop(&self, session_id: Id) {
        if let Some(stop) = self.running().get(&session_id) {
            stop.cancel();
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Id, CancellationToken>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Returns when the turn shall stop.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signals.running().remove(&self.session_id);
    }
}
