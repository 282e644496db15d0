//! How soon a turn goes on whose server went away: killed, stopped gracefully, or alone and started again.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};

use super::replicas::Replicas;
use super::watchers::{Face, Stream};
use super::{World, dose, is_on_postgres, shared_database};
use crate::app;

/// The lease of the ordinary run, and the one of a server that is told nothing.
const SHORT_LEASE: Duration = Duration::from_secs(1);
const DEFAULT_LEASE: Duration = Duration::from_secs(15);
/// What may come on top of the lease that has to run out.
const TAKEOVER_SLACK: Duration = Duration::from_secs(5);
/// What a graceful stop and a restart may cost. Twice that where other tests share the machine.
const AT_ONCE: Duration = Duration::from_secs(1);
/// Turns under way at each kill: each is one that is taken over.
const SESSIONS: usize = 3;
/// Rounds of the ordinary run.
const ROUNDS: u64 = 2;
/// Longer than all rounds together: each goes on in the turns that the last one left.
const SLOW: &str = "/sim delay_ms=50";
const SLOW_WORDS: usize = 100;

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Kill,
    Stop,
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_takes_over_soon_after_a_kill() {
    let Some(database) = shared_database().await else { return };
    let (rounds, lease) = match dose::takeovers() {
        Some(rounds) => (rounds, DEFAULT_LEASE),
        None => (ROUNDS, SHORT_LEASE),
    };
    let took = rounds_of(Way::Kill, &database.url, rounds, lease).await;
    tell("kill", lease, &took);
    let bound = lease + TAKEOVER_SLACK;
    assert!(percentile(&took, 95) <= bound, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_hands_turns_over_at_once() {
    let Some(database) = shared_database().await else { return };
    let rounds = dose::takeovers().unwrap_or(ROUNDS);
    let took = rounds_of(Way::Stop, &database.url, rounds, DEFAULT_LEASE).await;
    tell("stop", DEFAULT_LEASE, &took);
    assert!(percentile(&took, 95) <= at_once(), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_of_its_own_database_goes_on_at_once() {
    if is_on_postgres() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let database_url = app::database_url(&folder).await;
    let lease_ms = DEFAULT_LEASE.as_millis().to_string();
    let replicas = Replicas::start(&database_url, 1, &[("TURN_LEASE_MS", &lease_ms)]);
    let mut world = World::begin("takeover-restart", &database_url, replicas.clone(), SESSIONS).await;
    let mut took = Vec::new();
    for _ in 0..dose::takeovers().unwrap_or(ROUNDS) {
        let cursors = begin_turns(&mut world, 0).await;
        replicas.kill(0);
        replicas.begin(0);
        let listening = Instant::now();
        let going_on = go_on(&world, 0, &cursors).await;
        took.extend(going_on.join_all().await.into_iter().map(|moment| moment - listening));
        world.until_quiet().await;
    }
    tell("restart", DEFAULT_LEASE, &took);
    assert!(percentile(&took, 95) <= at_once(), "{took:?}");
    world.end().await;
}

/// In each round one replica, which had all turns, goes away, and another one, which had none, goes on with them.
async fn rounds_of(way: Way, database_url: &str, rounds: u64, lease: Duration) -> Vec<Duration> {
    let lease_ms = lease.as_millis().to_string();
    let settings: &[(&str, &str)] = &[("TURN_LEASE_MS", &lease_ms)];
    let replicas = Arc::new(Replicas::of(database_url, vec![settings; 2]));
    replicas.begin(0);
    let name = if way == Way::Kill { "takeover-kill" } else { "takeover-stop" };
    let mut world = World::begin(name, database_url, replicas.clone(), SESSIONS).await;
    world.watch(1, false);
    let mut took = Vec::new();
    for round in 0..rounds {
        let (goes, comes) = if round % 2 == 0 { (0, 1) } else { (1, 0) };
        let cursors = begin_turns(&mut world, goes).await;
        replicas.begin(comes);
        // It watches before the other goes, so that nothing but the takeover is timed.
        let going_on = go_on(&world, comes, &cursors).await;
        let gone = match way {
            Way::Kill => replicas.kill(goes),
            Way::Stop => replicas.stop(goes).await.0,
        };
        took.extend(going_on.join_all().await.into_iter().map(|moment| moment.duration_since(gone.into())));
        world.until_quiet().await;
    }
    world.end().await;
    took
}

/// A turn in each session, each seen to be live on this replica; where each stands.
async fn begin_turns(world: &mut World, index: usize) -> Vec<String> {
    let rows = world.database.rows().await;
    let mut live: Vec<JoinHandle<String>> = Vec::new();
    for talk in world.talks.clone() {
        let cursor = format!("{}.0", rows.last_event(&talk.session_id));
        let caller = world.replicas.caller(index).unwrap();
        let mut stream = Stream::open(Face::Sse, &caller, &talk, Some(&cursor)).await.unwrap().unwrap();
        live.push(tokio::spawn(async move {
            loop {
                let frame = stream.next().await.unwrap().expect("a turn that goes on");
                if frame.event == "message.delta" {
                    return frame.id;
                }
            }
        }));
    }
    for session in 0..world.talks.len() {
        world.say(session, SLOW, SLOW_WORDS).await;
    }
    let mut cursors = Vec::new();
    for live in live {
        cursors.push(live.await.unwrap());
    }
    cursors
}

/// Watches all sessions on this replica; each task ends at the moment at which the next step begins.
async fn go_on(world: &World, index: usize, cursors: &[String]) -> JoinSet<Instant> {
    let mut going_on = JoinSet::new();
    for (talk, cursor) in world.talks.iter().zip(cursors) {
        let caller = world.replicas.caller(index).unwrap();
        let mut stream = Stream::open(Face::Socket, &caller, talk, Some(cursor)).await.unwrap().unwrap();
        going_on.spawn(async move {
            let next = timeout(DEFAULT_LEASE + app::PATIENCE, async {
                while stream.next().await.unwrap().expect("a stream that stays open").event != "step.started" {}
            });
            next.await.expect("a turn that is taken over");
            Instant::now()
        });
    }
    going_on
}

fn at_once() -> Duration {
    if dose::takeovers().is_some() { AT_ONCE } else { AT_ONCE * 2 }
}

fn tell(how: &str, lease: Duration, took: &[Duration]) {
    dose::say(
        "takeover",
        &[
            ("how", &how),
            ("lease_ms", &lease.as_millis()),
            ("count", &took.len()),
            ("p50_ms", &percentile(took, 50).as_millis()),
            ("p95_ms", &percentile(took, 95).as_millis()),
            ("max_ms", &percentile(took, 100).as_millis()),
        ],
    );
}

/// The smallest of these that so many in a hundred do not pass.
fn percentile(took: &[Duration], percent: usize) -> Duration {
    let mut sorted = took.to_vec();
    sorted.sort_unstable();
    sorted[(sorted.len() * percent).div_ceil(100) - 1]
}
