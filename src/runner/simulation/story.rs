//! What happens in a simulation: what people do, and what goes wrong at which write.

use std::collections::HashMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Writes of a whole story, about: faults are among them.
const WRITES: u64 = 24;

/// A story.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) acts: Vec<Act>,
    /// What goes wrong at the write of this number.
    pub(super) faults: HashMap<u64, Fault>,
}

/// What somebody does.
#[derive(Debug)]
pub(super) enum Act {
    Send(String),
    /// Ends the running turn and withdraws what waits.
    Cancel,
    Rest(Duration),
}

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// The database is away.
    Refused,
    /// It goes away after it has stored it.
    AnswerLost,
    /// The process dies, before or after that.
    Dies { is_stored: bool },
    /// The write is held up for so long, and another process takes the turn meanwhile.
    TakenOver(Duration),
}

impl Story {
    pub(super) fn of(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut acts = Vec::new();
        for _ in 0..random.random_range(1..=4) {
            acts.push(Act::Send(prompt(&mut random)));
            match random.random_range(0..10) {
                0..4 => acts.push(Act::Rest(Duration::from_millis(random.random_range(0..25)))),
                4 => acts.push(Act::Cancel),
                5 => {
                    acts.push(Act::Rest(Duration::from_millis(random.random_range(0..15))));
                    acts.push(Act::Cancel);
                }
                _ => {}
            }
        }
        let faults = (0..random.random_range(1..=4)).map(|_| (random.random_range(0..WRITES), fault(&mut random)));
        Self { acts, faults: faults.collect() }
    }

    /// Whether a turn may be left without anybody who knows of it, until its lease runs out. Where one process alone has a database that refuses
    /// writes now and then, that must not happen: nobody would ever claim it.
    pub(super) fn needs_leases(&self) -> bool {
        self.faults.values().any(|fault| matches!(fault, Fault::AnswerLost | Fault::TakenOver(_)))
    }
}

fn fault(random: &mut StdRng) -> Fault {
    match random.random_range(0..6) {
        0 => Fault::Refused,
        1 => Fault::AnswerLost,
        2 => Fault::Dies { is_stored: true },
        3 => Fault::Dies { is_stored: false },
        _ => Fault::TakenOver(Duration::from_millis(random.random_range(0..40))),
    }
}

/// A message that the simulator answers in one to four steps, most often well.
fn prompt(random: &mut StdRng) -> String {
    let calls = ["call=noop", "call=current_time", "call=noop call=noop", "words=3 call=noop", "call=unknown"];
    let mut parts = Vec::new();
    for _ in 0..random.random_range(0..=3) {
        parts.push(calls[random.random_range(0..calls.len())].to_owned());
    }
    let words = random.random_range(1..30);
    let slowly = if random.random_bool(0.3) { " delay_ms=1" } else { "" };
    parts.push(match random.random_range(0..10) {
        0 => format!("words={words} fail=cut after=1"),
        1 => "fail=refused".to_owned(),
        _ => format!("words={words}{slowly}"),
    });
    format!("/sim {}", parts.join(" | "))
}
