//! Three replicas share the work: every one answers, and hardly any turn is claimed twice.

use std::collections::HashSet;

use tokio::time::sleep;

use super::replicas::Replicas;
use super::world::GLANCE;
use super::{World, dose, shared_database};

const REPLICAS: usize = 3;
const SESSIONS: usize = 20;
const TURNS_OF_EACH: usize = 3;
const CLAIMS_PER_TURN_MAX: f64 = 1.2;

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_share_the_work() {
    let Some(database) = shared_database().await else { return };
    let replicas = Replicas::start(&database.url, REPLICAS, &[("TURN_LEASE_MS", "15000")]);
    let mut world = World::begin("sharing", &database.url, replicas, SESSIONS).await;
    world.watch(1, false);
    let database = world.database.clone();
    let looking = tokio::spawn(async move {
        // Whose a turn was is forgotten when it ends.
        let mut owners = HashSet::new();
        while owners.len() < REPLICAS {
            owners.extend(database.rows().await.turns.into_iter().filter_map(|turn| turn.owner));
            sleep(GLANCE).await;
        }
    });
    for _ in 0..TURNS_OF_EACH {
        for session in 0..SESSIONS {
            world.say(session, "/sim delay_ms=30", 15).await;
        }
    }
    world.until_quiet().await;
    assert!(looking.is_finished(), "a replica answered nothing");
    let figures = world.end().await;
    assert_eq!(figures.turns, SESSIONS * TURNS_OF_EACH);
    assert!(figures.claims_per_turn <= CLAIMS_PER_TURN_MAX, "{figures:?}");
    let claims = format!("{:.3}", figures.claims_per_turn);
    dose::say("sharing", &[("replicas", &REPLICAS), ("turns", &figures.turns), ("claims_per_turn", &claims)]);
}
