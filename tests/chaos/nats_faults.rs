//! NATS dead, restarted, cut again and again, swallowed: slower, never wrong, and back by itself.

use std::time::Duration;

use tokio::task::block_in_place;
use tokio::time::{Instant, sleep, timeout};

use super::nats::Nats;
use super::proxy::{Mode, Proxy};
use super::replicas::Replicas;
use super::watchers::{Face, Stream};
use super::{World, dose, shared_database};
use crate::app::PATIENCE;

/// A turn of three seconds. Its text is stored once a second: whoever hears it by the database alone hears few pieces.
const LIVE: &str = "/sim delay_ms=50";
const LIVE_WORDS: usize = 60;
/// Pieces that only a live wire brings.
const LIVE_PIECES: usize = 20;
/// Cuts of the lossy wire, and the time between two.
const CUTS: usize = 10;
const CUT_EVERY: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn without_nats_turns_are_slower_and_right_and_it_comes_back_by_itself() {
    let Some(database) = shared_database().await else { return };
    let mut nats = block_in_place(Nats::start);
    let mut world = begin("nats-dead", &database.url, nats.port).await;
    until_live(&mut world).await;

    nats.kill();
    for session in 0..world.talks.len() {
        world.say(session, LIVE, LIVE_WORDS).await;
    }
    world.until_quiet().await;
    block_in_place(|| nats.go_on());
    let back = Instant::now();
    until_live(&mut world).await;
    dose::say("nats", &[("live_again_ms", &back.elapsed().as_millis())]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nats_that_loses_and_swallows_harms_nobody() {
    let Some(database) = shared_database().await else { return };
    let nats = block_in_place(Nats::start);
    let proxy = Proxy::start(nats.port).await;
    let mut world = begin("nats-lossy", &database.url, proxy.port).await;
    for _ in 0..CUTS {
        let session = world.talks.len() / 2;
        world.say(session, "/sim delay_ms=20", 25).await;
        // What is on its way is lost with the connection.
        proxy.cut();
        sleep(CUT_EVERY).await;
    }
    proxy.set(Mode::BlackHole);
    for session in 0..world.talks.len() {
        world.say(session, LIVE, LIVE_WORDS).await;
    }
    world.until_quiet().await;
    proxy.set(Mode::Drip);
    world.say(0, LIVE, LIVE_WORDS).await;
    world.until_quiet().await;
    proxy.set(Mode::Pass);
    until_live(&mut world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_start_without_their_nats_and_find_it_later() {
    let Some(database) = shared_database().await else { return };
    let mut nats = block_in_place(Nats::start);
    nats.kill();
    let mut world = begin("nats-late", &database.url, nats.port).await;
    world.say(0, "/sim", 20).await;
    world.until_quiet().await;
    block_in_place(|| nats.go_on());
    until_live(&mut world).await;
    world.end().await;
}

/// Two replicas with this NATS, and restless watchers.
async fn begin(name: &str, database_url: &str, nats_port: u16) -> World {
    let nats_url = format!("nats://127.0.0.1:{nats_port}");
    let replicas = Replicas::start(database_url, 2, &[("NATS_URL", &nats_url)]);
    let mut world = World::begin(name, database_url, replicas, 2).await;
    world.watch(2, true);
    world
}

/// Turns until one was heard live on both replicas, of which only one answers it.
async fn until_live(world: &mut World) {
    let began = Instant::now();
    loop {
        let (talk, mut streams) = (world.talks[0].clone(), Vec::new());
        let cursor = format!("{}.0", world.until_quiet().await.last_event(&talk.session_id));
        for index in 0..world.replicas.count() {
            let caller = world.replicas.caller(index).unwrap();
            let face = if index == 0 { Face::Sse } else { Face::Socket };
            streams.push(Stream::open(face, &caller, &talk, Some(&cursor)).await.unwrap().unwrap());
        }
        world.say(0, LIVE, LIVE_WORDS).await;
        let mut pieces = Vec::new();
        for stream in streams {
            pieces.push(tokio::spawn(pieces_of(stream)));
        }
        let mut fewest = usize::MAX;
        for pieces in pieces {
            fewest = fewest.min(pieces.await.unwrap());
        }
        if fewest >= LIVE_PIECES {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "no live text, {fewest} pieces");
    }
}

/// Deltas until the turn's end.
async fn pieces_of(mut stream: Stream) -> usize {
    let mut pieces = 0;
    loop {
        match timeout(PATIENCE, stream.next()).await.expect("an event of a turn that goes on").unwrap() {
            Some(frame) if frame.event == "session.completed" => return pieces,
            Some(frame) => pieces += usize::from(frame.event == "message.delta"),
            None => return 0,
        }
    }
}
