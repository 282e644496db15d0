//! Replicas on one database: which of them are up, killed and started again while others talk to them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use tokio::task::block_in_place;

use super::processes::Program;
use super::proxy::Proxy;
use crate::app::Caller;

/// Some programs on one database, by their place.
pub struct Replicas {
    database_url: String,
    slots: Vec<Slot>,
}

#[derive(Default)]
struct Slot {
    /// What its environment has beside what all have.
    settings: Vec<(String, String)>,
    /// What stands between it and its clients, where something does.
    front: Option<Proxy>,
    program: Mutex<Option<Program>>,
    /// Who talks to it, while it is up.
    caller: Mutex<Option<Arc<Caller>>>,
}

impl Replicas {
    /// So many on this database, all with these settings; they answer.
    pub fn start(database_url: &str, count: usize, settings: &[(&str, &str)]) -> Arc<Self> {
        let replicas = Arc::new(Self::of(database_url, vec![settings; count]));
        (0..count).for_each(|index| replicas.begin(index));
        replicas
    }

    /// One for each of these settings; none is begun.
    pub fn of(database_url: &str, settings: Vec<&[(&str, &str)]>) -> Self {
        let slots = settings.into_iter().map(|settings| {
            let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Slot { settings, ..Slot::default() }
        });
        Self { database_url: database_url.to_owned(), slots: slots.collect() }
    }

    /// The same, each behind a proxy of its own.
    pub async fn behind_proxies(mut self) -> Self {
        for slot in &mut self.slots {
            // Where it leads to is known when the program is.
            slot.front = Some(Proxy::start(0).await);
        }
        self
    }

    /// The proxy before this one.
    pub fn front(&self, index: usize) -> &Proxy {
        self.slots[index].front.as_ref().unwrap()
    }

    pub fn count(&self) -> usize {
        self.slots.len()
    }

    /// Starts this one, which is not up; returns when it answers.
    pub fn begin(&self, index: usize) {
        let slot = &self.slots[index];
        let program = block_in_place(|| Program::start_with(&self.database_url, &slot.settings));
        let port = match &slot.front {
            Some(front) => {
                front.aim(program.port);
                front.port
            }
            None => program.port,
        };
        *slot.caller.lock().unwrap() = Some(Arc::new(Caller::new(port)));
        *slot.program.lock().unwrap() = Some(program);
    }

    /// kill -9, and the moment of it.
    pub fn kill(&self, index: usize) -> Instant {
        self.take(index).kill()
    }

    /// SIGTERM; its moment, and how long the program took to end.
    pub async fn stop(&self, index: usize) -> (Instant, Duration) {
        let program = self.take(index);
        program.stop().await
    }

    pub fn pause(&self, index: usize) {
        self.slots[index].program.lock().unwrap().as_ref().unwrap().pause();
    }

    pub fn wake(&self, index: usize) {
        self.slots[index].program.lock().unwrap().as_ref().unwrap().wake();
    }

    /// Who talks to this one, if it is up.
    pub fn caller(&self, index: usize) -> Option<Arc<Caller>> {
        self.slots[index].caller.lock().unwrap().clone()
    }

    /// Who talks to any that is up.
    pub fn any_caller(&self, random: &mut StdRng) -> Option<Arc<Caller>> {
        let callers: Vec<_> = (0..self.count()).filter_map(|index| self.caller(index)).collect();
        callers.choose(random).cloned()
    }

    /// The last lines of all logs, for failures.
    pub fn logs(&self) -> String {
        let log = |(index, slot): (usize, &Slot)| {
            let program = slot.program.lock().unwrap();
            program.as_ref().map(|program| format!("--- replica {index}:\n{}\n", program.log_tail()))
        };
        self.slots.iter().enumerate().filter_map(log).collect()
    }

    fn take(&self, index: usize) -> Program {
        let slot = &self.slots[index];
        *slot.caller.lock().unwrap() = None;
        slot.program.lock().unwrap().take().expect("a replica that is up")
    }
}
