//! Who watches a simulated session: resumes after each interruption where it stood, and notes everything.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch::Receiver;

use super::world::World;
use crate::events::{Cursor, Event, Live, watch};

/// What a watcher saw.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) events: Vec<Event>,
    /// The text of each step, by the number of its step.started event.
    pub(super) texts: HashMap<i64, String>,
    pub(super) broken: Option<String>,
    cursor: Cursor,
}

/// Watches until all has been seen, whose last event `ended` tells. The first watcher leaves only when its process dies.
pub(super) async fn watch_all(world: Arc<World>, number: u64, ended: Receiver<Option<i64>>) -> Seen {
    let mut random = StdRng::seed_from_u64(world.seed ^ (number << 32));
    let mut seen = Seen::default();
    while !seen.is_all(&ended) {
        let process = {
            let processes = world.processes();
            processes.get(random.random_range(0..processes.len().max(1))).cloned()
        };
        let Some(process) = process else {
            tokio::task::yield_now().await;
            continue;
        };
        let stays_for = if number == 0 { usize::MAX } else { random.random_range(1..12) };
        let channel = process.feed.channel(world.session_id);
        let head = world.session().await.head();
        let place = (world.organization_id, world.session_id);
        let stream = match watch(&world.store, channel, place, Some(seen.cursor), head).await {
            Ok(stream) => stream,
            Err(error) => {
                seen.broken = Some(format!("{} was refused: {error}", seen.cursor));
                return seen;
            }
        };
        let mut stream = pin!(stream.take(stays_for));
        let mut end = ended.clone();
        loop {
            tokio::select! {
                biased;
                live = stream.next() => match live {
                    Some(live) => seen.note(live.unwrap()),
                    None => break,
                },
                () = process.dead.cancelled() => break,
                _ = end.changed() => {}
            }
            if seen.broken.is_some() || seen.is_all(&ended) {
                return seen;
            }
        }
    }
    seen
}

impl Seen {
    fn is_all(&self, ended: &Receiver<Option<i64>>) -> bool {
        ended.borrow().is_some_and(|last| self.cursor.sequence >= last)
    }

    fn note(&mut self, live: Live) {
        let cursor = live.cursor();
        if cursor < self.cursor {
            self.broken = Some(format!("{cursor} came after {}", self.cursor));
        }
        self.cursor = cursor;
        match live {
            Live::Fact(event) => self.events.push((*event).clone()),
            Live::Delta { started, end, text } => {
                let known = self.texts.entry(started.sequence).or_default();
                if known.len() + text.len() != end {
                    self.broken = Some(format!("a delta up to {cursor} came after {} bytes", known.len()));
                }
                known.push_str(&text);
            }
            Live::CaughtUp { .. } => {}
        }
    }
}
