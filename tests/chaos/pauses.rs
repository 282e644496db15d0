//! A process that stands still past its lease: another takes its turn over; woken, it writes nothing and shows nothing of what it lost.

use tokio::time::timeout;

use super::replicas::Replicas;
use super::watchers::{Face, Recording, Stream};
use super::world::GLANCE;
use super::{World, shared_database};
use crate::app::PATIENCE;

/// Long enough to be paused in and taken over.
const SLOW: &str = "/sim delay_ms=30";
const SLOW_WORDS: usize = 150;

/// A stream of the replica that is paused, and all that came of it.
struct Watch {
    face: Face,
    stream: Stream,
    recording: Recording,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_paused_past_its_lease_writes_nothing_and_shows_nothing_stale() {
    let Some(database) = shared_database().await else { return };
    let replicas = std::sync::Arc::new(Replicas::of(&database.url, vec![&[], &[]]));
    replicas.begin(0);
    let mut world = World::begin("pauses", &database.url, replicas.clone(), 1).await;
    let mut watches = [watch(&world, Face::Sse).await, watch(&world, Face::Socket).await];
    world.say(0, SLOW, SLOW_WORDS).await;
    for watch in &mut watches {
        watch.until("message.delta").await;
    }
    // Whoever comes second cannot be the one who took the turn.
    replicas.begin(1);
    world.watch(1, false);
    replicas.pause(0);
    let lost = taken_over(&world, &mut watches, 2).await;
    replicas.wake(0);

    let rows = world.until_quiet().await;
    let kept = rows.steps.iter().find(|step| step.id == lost.0).unwrap();
    assert_eq!((kept.status.as_str(), &kept.text), ("abandoned", &lost.1), "what was lost stays as it was");
    assert_eq!(rows.turns[0].attempts, 2, "{:?}", rows.turns);
    let before: Vec<usize> = watches.iter().map(|watch| watch.deltas_of(&lost.0)).collect();
    let last = rows.last_event(&world.talks[0].session_id);
    for watch in &mut watches {
        watch.until_number(last).await;
    }
    let after: Vec<usize> = watches.iter().map(|watch| watch.deltas_of(&lost.0)).collect();
    assert_eq!(before, after, "a woken process showed more of a step that it had lost");

    // It serves on.
    world.say(0, SLOW, 20).await;
    let last = world.until_quiet().await.last_event(&world.talks[0].session_id);
    for mut watch in watches {
        watch.until_number(last).await;
        world.add_recording(watch.recording);
    }
    world.end().await;
}

/// Waits until the turn was claimed so often, reading meanwhile what was sent before the pause; gives back id and stored text of the lost step.
async fn taken_over(world: &World, watches: &mut [Watch], attempts: i64) -> (String, String) {
    loop {
        let rows = world.database.rows().await;
        for watch in watches.iter_mut() {
            while let Ok(Ok(Some(frame))) = timeout(GLANCE, watch.stream.next()).await {
                watch.recording.keep(frame, watch.face, None);
            }
        }
        let step = &rows.steps[0];
        if rows.turns[0].attempts >= attempts && step.status == "abandoned" {
            return (step.id.clone(), step.text.clone());
        }
    }
}

async fn watch(world: &World, face: Face) -> Watch {
    let caller = world.replicas.caller(0).unwrap();
    let stream = Stream::open(face, &caller, &world.talks[0], None).await.unwrap().unwrap();
    Watch { face, stream, recording: Recording::of(&world.talks[0]) }
}

impl Watch {
    async fn until(&mut self, event: &str) {
        while self.recording.seen.last().is_none_or(|seen| seen.frame.event != event) {
            self.read().await;
        }
    }

    /// The stream stays open across the pause: nobody has to come back for the rest.
    async fn until_number(&mut self, last: i64) {
        while !self.recording.is_whole(Some(last)) {
            self.read().await;
        }
    }

    async fn read(&mut self) {
        let next = timeout(PATIENCE, self.stream.next()).await;
        let Ok(Ok(Some(frame))) = next else {
            panic!("{:?} ended after {:?}: {next:?}", self.face, self.recording.cursor());
        };
        self.recording.keep(frame, self.face, None);
    }

    fn deltas_of(&self, step: &str) -> usize {
        let of_step = |id: &str| super::rows::plain(id) == step;
        let deltas = self.recording.seen.iter().filter(|seen| seen.frame.event == "message.delta");
        deltas.filter(|seen| seen.frame.data["step_id"].as_str().is_some_and(of_step)).count()
    }
}
