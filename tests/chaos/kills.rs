//! kill -9 at random moments of live turns, while clients send on and watchers come and go as they like.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::RngExt as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::replicas::Replicas;
use super::senders::{self, Sent, Talk};
use super::world::GLANCE;
use super::{World, dose, is_on_postgres, shared_database};
use crate::app::{self, PATIENCE};

const SESSIONS: usize = 4;
const WATCHERS_OF_EACH: usize = 3;
/// Between a sign of life of a turn and the kill, at most.
const KILL_MS_MAX: u64 = 1500;
/// How long a killed replica of several stays away, at most.
const AWAY_MS_MAX: u64 = 2000;
/// Between two messages of a sender.
const SENDER_MS: std::ops::Range<u64> = 800..2500;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_one_server_is_killed_again_and_again() {
    if is_on_postgres() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let database_url = app::database_url(&folder).await;
    run("kills", &database_url, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_replicas_are_killed_again_and_again() {
    let Some(database) = shared_database().await else { return };
    run("kills", &database.url, 3).await;
}

async fn run(name: &str, database_url: &str, count: usize) {
    let replicas = Replicas::start(database_url, count, &[]);
    let mut world = World::begin(name, database_url, replicas.clone(), SESSIONS).await;
    world.watch(WATCHERS_OF_EACH, true);
    let enough = Arc::new(AtomicBool::new(false));
    let mut senders = JoinSet::new();
    for (number, talk) in world.talks.clone().into_iter().enumerate() {
        senders.spawn(talk_on(format!("{name}-{number}"), replicas.clone(), talk, enough.clone()));
    }
    let mut random = dose::random_for(name);
    for _ in 0..dose::kills() {
        until_a_turn_is_live(&world).await;
        sleep(Duration::from_millis(random.random_range(0..KILL_MS_MAX))).await;
        let index = random.random_range(0..count);
        replicas.kill(index);
        // The only server there is comes back at once; one of several lets the others take over first.
        if count > 1 {
            sleep(Duration::from_millis(random.random_range(0..AWAY_MS_MAX))).await;
        }
        replicas.begin(index);
    }
    while world.reconnects() < dose::reconnects() {
        sleep(GLANCE).await;
    }
    enough.store(true, Ordering::Relaxed);
    for sent in senders.join_all().await {
        world.add_sent(sent);
    }
    let figures = world.end().await;
    dose::say("kills", &[("kills", &dose::kills()), ("replicas", &count), ("turns", &figures.turns)]);
}

/// Somebody sees a turn go on.
async fn until_a_turn_is_live(world: &World) {
    let (began, before) = (Instant::now(), world.progress.deltas.load(Ordering::Relaxed));
    while world.progress.deltas.load(Ordering::Relaxed) == before {
        assert!(began.elapsed() < PATIENCE, "no turn goes on");
        sleep(GLANCE).await;
    }
}

/// Sends one message after the other until it is enough: short ones and long ones, some with a tool.
async fn talk_on(name: String, replicas: Arc<Replicas>, talk: Talk, enough: Arc<AtomicBool>) -> Vec<Sent> {
    let mut random = dose::random_for(&name);
    let mut all = Vec::new();
    while !enough.load(Ordering::Relaxed) {
        let words = random.random_range(5..60);
        let delay_ms = random.random_range(10..40);
        let prompt = match random.random_range(0..4) {
            0 => format!("/sim words=10 delay_ms={delay_ms} call=noop | delay_ms={delay_ms}"),
            1 => format!("/sim call=noop | words=5 call=noop call=noop | delay_ms={delay_ms}"),
            _ => format!("/sim delay_ms={delay_ms}"),
        };
        let sent = Sent::new(&talk, &prompt, words, &format!("{name}-{}", all.len()));
        all.push(senders::send(&replicas, &mut random, &talk, sent).await);
        sleep(Duration::from_millis(random.random_range(SENDER_MS))).await;
    }
    all
}
