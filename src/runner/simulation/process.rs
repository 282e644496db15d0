//! A simulated process: a runner on a runtime of its own, which ends in the middle of whatever it is at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::story::Fault;
use super::world::World;
use crate::bus::Bus;
use crate::db::{Faults, Store, WriteFault};
use crate::events::{Feed, Follower};
use crate::runner::Runner;
use crate::turns::Signals;

/// Never runs out by itself: the simulation says when.
const LEASE: Duration = Duration::from_secs(3600);
/// From one look at what other processes stored to the next.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// So long a process lives on after the write at which it dies.
const AGONY: Duration = Duration::from_millis(2);

/// One process.
pub(super) struct Process {
    pub(super) feed: Feed,
    pub(super) signals: Signals,
    pub(super) dead: CancellationToken,
    /// Whether another one is started in its place.
    is_followed: AtomicBool,
}

impl Process {
    /// Starts one; it takes over what others were at.
    pub(super) fn start(world: &Arc<World>) -> Arc<Self> {
        let (feed, signals) = (Feed::new(Bus::default()), Signals::new(Bus::default()));
        let process =
            Arc::new(Self { feed, signals, dead: CancellationToken::new(), is_followed: AtomicBool::new(false) });
        let store = world.store.with_faults(process.clone().faults(world.clone()));
        world.processes().push(process.clone());
        let (models, web) = world.parts();
        let (own, world) = (process.clone(), world.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let runner = Runner::new(store.clone(), own.feed.clone(), own.signals.clone(), models, web, LEASE);
            runtime.block_on(own.dead.run_until_cancelled(serve(runner, store, own.feed.clone())));
            // Whatever it was at goes no further.
            runtime.shutdown_background();
            // Not before: on one file the writes of a process end with it.
            if own.is_followed.load(Ordering::Relaxed) {
                Self::start(&world);
            }
        });
        process
    }

    fn faults(self: Arc<Self>, world: Arc<World>) -> Faults {
        Arc::new(move || {
            let (process, world) = (self.clone(), world.clone());
            async move {
                match world.next_fault()? {
                    Fault::Refused => Some(WriteFault::Refused),
                    Fault::AnswerLost => Some(WriteFault::AnswerLost),
                    Fault::Dies { is_stored } => {
                        tokio::spawn(async move {
                            tokio::time::sleep(AGONY).await;
                            world.processes().retain(|other| !Arc::ptr_eq(other, &process));
                            process.is_followed.store(true, Ordering::Relaxed);
                            process.dead.cancel();
                        });
                        Some(WriteFault::Never { is_stored })
                    }
                    Fault::TakenOver(meanwhile) => {
                        Self::start(&world);
                        tokio::time::sleep(meanwhile).await;
                        None
                    }
                }
            }
            .boxed()
        })
    }
}

async fn serve(runner: Arc<Runner>, store: Store, feed: Feed) {
    // A server that cannot start is started again.
    while runner.start().await.is_err() {}
    let follower = Follower::new(store, feed);
    loop {
        follower.look().await.unwrap();
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}
