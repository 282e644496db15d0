//! PostgreSQL gone for a while, stopped or swallowed by the network: writes are refused with a time to come back, streams stay open, turns go on.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::{JoinHandle, block_in_place};
use tokio::time::{Instant, sleep, timeout};

use super::postgres::Postgres;
use super::proxy::{Mode, Proxy};
use super::replicas::Replicas;
use super::senders::Talk;
use super::watchers::{Face, Recording, Stream};
use super::world::GLANCE;
use super::{World, dose, is_on_postgres, shared_database};
use crate::app::{Caller, PATIENCE};

/// Longer than any outage here: the turn goes on meanwhile, and its owner keeps it.
const LEASE_MS: &str = "60000";
const DELAY_MS: u64 = 50;
/// How long the turn goes on after the outage, at least.
const AFTER: Duration = Duration::from_secs(2);
/// How long a refusal may take: the server waits for a database that comes back soon.
const REFUSAL_WAIT: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_is_stopped_loses_nothing_and_ends_nothing() {
    if !is_on_postgres() {
        return;
    }
    let postgres = block_in_place(Postgres::start);
    let url = postgres.url_at(postgres.port);
    run("postgres-stopped", &url, &url, || postgres.stop(), || postgres.go_on()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_swallows_everything_to_postgresql_loses_nothing_and_ends_nothing() {
    let Some(database) = shared_database().await else { return };
    let (proxy, through) = before(&database.url).await;
    run("postgres-unheard", &database.url, &through, || proxy.set(Mode::BlackHole), || proxy.set(Mode::Pass)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_postgresql_that_break_lose_nothing() {
    let Some(database) = shared_database().await else { return };
    let (proxy, through) = before(&database.url).await;
    let replicas = Replicas::start(&through, 2, &[]);
    let mut world = World::begin("postgres-cut", &database.url, replicas, 2).await;
    world.watch(2, true);
    for round in 0..10 {
        world.say(round % 2, "/sim delay_ms=20", 30).await;
        proxy.cut();
    }
    world.end().await;
}

/// A proxy before this database, and the database's address through it.
async fn before(url: &str) -> (Proxy, String) {
    let (head, name) = url.rsplit_once('/').unwrap();
    let (user, address) = head.rsplit_once('@').unwrap();
    let (host, port) = address.rsplit_once(':').unwrap();
    assert_eq!(host, "127.0.0.1", "TEST_DATABASE_URL names loopback");
    let proxy = Proxy::start(port.parse().unwrap()).await;
    let through = format!("{user}@127.0.0.1:{}/{name}", proxy.port);
    (proxy, through)
}

async fn run(name: &str, url: &str, replicas_url: &str, take: impl FnOnce(), give_back: impl FnOnce()) {
    let replicas = Replicas::start(replicas_url, 2, &[("TURN_LEASE_MS", LEASE_MS)]);
    let mut world = World::begin(name, url, replicas.clone(), 1).await;
    world.watch(2, true);
    let words = usize::try_from((dose::outage() + AFTER).as_millis()).unwrap() / usize::try_from(DELAY_MS).unwrap();
    world.say(0, &format!("/sim delay_ms={DELAY_MS}"), words).await;
    let staying = stay(&world).await;
    world.until("a running turn", |rows| rows.turns[0].status == "running").await;
    sleep(AFTER / 2).await;

    block_in_place(take);
    let gone = Instant::now();
    let talk = world.talks[0].clone();
    for index in 0..replicas.count() {
        refuse_a_write(&replicas.caller(index).unwrap(), &talk).await;
    }
    sleep(dose::outage().saturating_sub(gone.elapsed())).await;
    let outage = gone.elapsed();
    block_in_place(give_back);
    let back = Instant::now();
    world.say(0, "/sim delay_ms=10", 10).await;
    let took = back.elapsed();

    let last = world.until_quiet().await.last_event(&talk.session_id);
    for (place, watching) in staying {
        let recording = watching.await.unwrap();
        assert!(recording.is_whole(Some(last)), "{place:?} ended at {:?} of {last}", recording.cursor());
        world.add_recording(recording);
    }
    world.end().await;
    dose::say("outage", &[("name", &name), ("seconds", &outage.as_secs()), ("write_again_ms", &took.as_millis())]);
}

/// A stream of each face on each replica, each read until both turns have ended: none may end before.
async fn stay(world: &World) -> Vec<((usize, Face), JoinHandle<Recording>)> {
    let mut staying = Vec::new();
    for index in 0..world.replicas.count() {
        for face in [Face::Sse, Face::Socket] {
            let (caller, talk) = (world.replicas.caller(index).unwrap(), world.talks[0].clone());
            let stream = Stream::open(face, &caller, &talk, None).await.unwrap().unwrap();
            staying.push(((index, face), tokio::spawn(read(face, stream, talk))));
        }
    }
    staying
}

async fn read(face: Face, mut stream: Stream, talk: Talk) -> Recording {
    let mut recording = Recording::of(&talk);
    let mut ends = 0;
    while ends < 2 {
        // A stream may be silent while its database is away.
        let next = timeout(dose::outage() + PATIENCE, stream.next()).await;
        let Ok(Ok(Some(frame))) = next else { break };
        ends += usize::from(frame.event == "session.completed");
        recording.keep(frame, face, None);
    }
    recording
}

/// 503, with a time to come back. What was on its way when the database went may be answered otherwise, so it is asked until it is refused.
async fn refuse_a_write(caller: &Arc<Caller>, talk: &Talk) {
    let began = Instant::now();
    let agent = talk.path.split_once("/sessions").unwrap().0.to_owned();
    loop {
        let request = caller.http.patch(caller.url(&agent)).json(&json!({ "description": "written while away" }));
        let answer = timeout(REFUSAL_WAIT, request.send()).await.expect("a refusal in time").unwrap();
        if answer.status() == 503 {
            let wait = answer.headers().get("retry-after").expect("Retry-After").to_str().unwrap();
            assert!(wait.parse::<u32>().is_ok_and(|seconds| seconds >= 1), "{wait}");
            assert_eq!(caller.get("/health").await.status, 200, "the process itself is well");
            return;
        }
        let status = answer.status();
        assert!(began.elapsed() < REFUSAL_WAIT, "a write was answered by {status} without a database");
        sleep(GLANCE).await;
    }
}
