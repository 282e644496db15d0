//! Bad networks between servers and their clients: late, byte by byte, cut, silent.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::proxy::{Mode, Proxy};
use super::replicas::Replicas;
use super::{World, shared_database};
use crate::app;

/// What the network does, one after the other; each is left in place for one message of each session.
const MODES: [Mode; 6] =
    [Mode::Drip, Mode::Delay(Duration::from_millis(200)), Mode::Refuse, Mode::Pass, Mode::BlackHole, Mode::Pass];
/// How long the two modes last in which nobody can send.
const NOBODY: Duration = Duration::from_millis(700);
/// Between a message and a cut of every connection.
const CUT_AFTER: Duration = Duration::from_millis(150);

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_network_between_server_and_clients_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let shared = shared_database().await;
    let (database_url, count) = match &shared {
        Some(shared) => (shared.url.clone(), 2),
        None => (app::database_url(&folder).await, 1),
    };
    let replicas = Replicas::of(&database_url, vec![&[]; count]).behind_proxies().await;
    let replicas = Arc::new(replicas);
    (0..count).for_each(|index| replicas.begin(index));
    let mut world = World::begin("network", &database_url, replicas.clone(), 2).await;
    world.watch(2, true);
    for mode in MODES {
        let fronts = (0..count).map(|index| replicas.front(index));
        fronts.clone().for_each(|front| front.set(mode));
        if matches!(mode, Mode::Refuse | Mode::BlackHole) {
            fronts.for_each(Proxy::cut);
            sleep(NOBODY).await;
            continue;
        }
        for session in 0..world.talks.len() {
            world.say(session, "/sim delay_ms=20", 30).await;
            sleep(CUT_AFTER).await;
            fronts.clone().for_each(Proxy::cut);
        }
    }
    world.end().await;
}
