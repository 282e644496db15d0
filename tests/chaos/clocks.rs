//! Clocks that jump: leases are by the database's clock, so a replica whose own is wrong takes nothing early and loses nothing.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::replicas::Replicas;
use super::{World, is_on_postgres, shared_database};
use crate::app;

/// Where the odd clock jumps to, one after the other.
const JUMPS: [&str; 4] = ["+1h", "-1h", "+30d", "+0"];
/// Longer than the library takes to read a new offset.
const JUMP_WAIT: Duration = Duration::from_millis(1500);

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_clock_jumps_takes_nothing_early_and_loses_nothing() {
    let Some(database) = shared_database().await else { return };
    let clock = Clock::new();
    let odd = clock.settings();
    let mut odd: Vec<(&str, &str)> = odd.iter().map(|(name, value)| (*name, value.as_str())).collect();
    // None runs out by itself on a machine that is busy with other tests.
    let lease = ("TURN_LEASE_MS", "15000");
    odd.push(lease);
    let replicas = Arc::new(Replicas::of(&database.url, vec![&odd, &[lease]]));
    (0..2).for_each(|index| replicas.begin(index));
    let figures = jump(World::begin("clocks", &database.url, replicas, 4).await, &clock).await;
    assert!((figures.claims_per_turn - 1.0).abs() < f64::EPSILON, "a turn was taken from a living owner: {figures:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_its_own_database_does_not_mind_a_clock_that_jumps() {
    if is_on_postgres() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (database_url, clock) = (app::database_url(&folder).await, Clock::new());
    let odd = clock.settings();
    let odd: Vec<(&str, &str)> = odd.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let replicas = Replicas::start(&database_url, 1, &odd);
    let figures = jump(World::begin("clocks", &database_url, replicas, 4).await, &clock).await;
    assert!((figures.claims_per_turn - 1.0).abs() < f64::EPSILON, "{figures:?}");
}

/// Turns that live through all jumps, and watchers who come and go.
async fn jump(mut world: World, clock: &Clock) -> super::checker::Figures {
    world.watch(1, true);
    for jump in JUMPS {
        for session in 0..world.talks.len() {
            world.say(session, "/sim delay_ms=30", 60).await;
        }
        clock.jump(jump);
        sleep(JUMP_WAIT).await;
    }
    world.end().await
}

/// A file that says how wrong the clock of a program is that libfaketime is loaded into. What counts seconds since a start, it leaves alone.
struct Clock {
    folder: tempfile::TempDir,
    library: String,
}

impl Clock {
    fn new() -> Self {
        // The tool knows where its library is.
        let output = Command::new("faketime").args(["-f", "+0", "sh", "-c", "echo $LD_PRELOAD"]).output();
        let library = String::from_utf8(output.expect("faketime is installed").stdout).unwrap().trim().to_owned();
        let clock = Self { folder: tempfile::tempdir().unwrap(), library };
        clock.jump("+0");
        clock
    }

    fn jump(&self, offset: &str) {
        // Whoever reads while it is written must not see half of it.
        let (written, named) = (self.folder.path().join("written"), self.file());
        fs::write(&written, format!("{offset}\n")).unwrap();
        fs::rename(written, named).unwrap();
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", self.library.clone()),
            ("FAKETIME_TIMESTAMP_FILE", self.file()),
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    fn file(&self) -> String {
        self.folder.path().join("offset").display().to_string()
    }
}
