//! This process among the replicas: hears what the others tell, and looks once a second for what it did not hear.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::bus::{Bus, Heard, Notice};
use crate::db::Store;
use crate::events::{Feed, Follower};
use crate::turns::Signals;

/// From one look at the watched sessions to the next: so late a watcher sees what no notice told of.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What hears the others.
struct Listener {
    feed: Feed,
    signals: Signals,
    /// Something was missed: it is looked for at once.
    gap: Arc<Notify>,
}

/// Hears the other replicas until `stop`. Without others it does nothing.
pub fn listen(store: &Store, bus: &Bus, feed: Feed, signals: Signals, stop: CancellationToken) {
    if !store.is_shared() {
        return;
    }
    let follower = Follower::new(store.housekeeping(), feed.clone());
    let listener = Listener { feed, signals, gap: Arc::default() };
    let looking = look(follower.clone(), listener.gap.clone());
    tokio::spawn(stop.clone().run_until_cancelled_owned(looking));
    let mut heard = bus.hear();
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        while let Some(heard) = heard.recv().await {
            listener.take(heard, &follower);
        }
        tracing::error!("the other replicas are heard no more");
    }));
}

impl Listener {
    fn take(&self, heard: Heard, follower: &Follower) {
        match heard {
            Heard::Notice(Notice::Work) => self.signals.sweep(),
            Heard::Notice(Notice::Stored { organization_id, session_id, first, .. }) => {
                follower.wake_organization(organization_id, session_id, first);
            }
            Heard::Notice(Notice::Text { session_id }) => follower.wake(session_id),
            Heard::Notice(Notice::Stop { session_id, turn_id }) => {
                self.signals.stop_here(session_id, turn_id);
            }
            Heard::Notice(Notice::Gone { session_id }) => {
                self.signals.stop_here(session_id, None);
                self.feed.close_here(session_id);
            }
            Heard::Piece(piece) => self.feed.take_in_piece(&piece),
            Heard::Gap => {
                self.signals.sweep();
                self.feed.organizations_missed_something();
                self.gap.notify_one();
            }
        }
    }
}

/// Looks again and again for what nobody told of, apart from the hearing: a database that is slow holds up no notice.
async fn look(follower: Follower, gap: Arc<Notify>) {
    let mut ticks = tokio::time::interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = gap.notified() => {}
        }
        if let Err(error) = follower.look().await {
            tracing::warn!(?error, "nobody could look for what other replicas stored");
        }
    }
}
