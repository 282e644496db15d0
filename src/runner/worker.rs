//! The worker: claims turns as they are queued, holds them while they run, gives them back when it stops.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::Web;
use super::stored::stored;
use super::turn::{self, Left};
use crate::db::ids::Id;
use crate::db::{Store, commit, read};
use crate::error::Result;
use crate::events::{Feed, Lease};
use crate::llm::Models;
use crate::turns::{Claim, Claimed, Held, Signals};

/// Turns answered at once by this process.
const TURNS_MAX: usize = 2_000;
/// Claims under way at once: they share commits.
const CLAIMERS: usize = 4;
/// A lease is prolonged so often before it would run out.
const RENEWALS: u32 = 3;
/// How long to wait after a renewal that failed.
const RENEWAL_RETRY: Duration = Duration::from_secs(1);
/// How long to wait after a claim that failed, for example because the database is out of reach.
const CLAIM_RETRY: Duration = Duration::from_secs(1);
/// From one look at the database to the next, for what nobody told of: a lease that ran out, a notice that was lost, a turn whose time has come.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long a stop waits for what is under way at the database.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// What answers turns in this process.
pub struct Runner {
    pub(super) store: Store,
    pub(super) feed: Feed,
    pub(super) signals: Signals,
    pub(super) models: Models,
    pub(super) web: Web,
    owner: String,
    lease: Duration,
    slots: Arc<Semaphore>,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

impl Runner {
    /// A runner that has not begun. A turn stays its own for `lease` after it was renewed last.
    pub fn new(store: Store, feed: Feed, signals: Signals, models: Models, web: Web, lease: Duration) -> Arc<Self> {
        Arc::new(Self {
            store,
            feed,
            signals,
            models,
            web,
            owner: Uuid::now_v7().to_string(),
            lease,
            slots: Arc::new(Semaphore::new(TURNS_MAX)),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// Begins. On SQLite nobody else can be alive, so turns that a lost server left running are continued at once.
    pub async fn start(self: &Arc<Self>) -> Result<()> {
        if !self.store.is_shared() {
            commit!(&self.store, turns::release())?;
        }
        for _ in 0..CLAIMERS {
            self.tasks.spawn(self.clone().claim_turns());
        }
        self.tasks.spawn(self.clone().renew_leases());
        self.tasks.spawn(self.clone().look());
        Ok(())
    }

    /// Stops: turns are left where they are and handed over, to be continued by another replica at once or by whoever starts next.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        // Claims and renewals under way are awaited: stored after this release, they would hold turns for an owner that is gone.
        if tokio::time::timeout(STOP_WAIT, self.tasks.wait()).await.is_err() {
            tracing::warn!("the database did not answer in time, leases may have to run out");
        }
        let handing_over = stored(|| {
            let owner = self.owner.clone();
            async move { commit!(&self.store, turns::hand_over(owner)) }
        });
        match tokio::time::timeout(STOP_WAIT, handing_over).await {
            Ok(Ok(())) => self.signals.work_waits(),
            _ => tracing::warn!("turns could not be handed over, their leases will run out"),
        }
    }

    /// Claims everything that waits, then a turn for each signal.
    async fn claim_turns(self: Arc<Self>) {
        let mut sweeping = true;
        while let Some(Ok(slot)) = self.stopping.run_until_cancelled(self.slots.clone().acquire_owned()).await {
            let asked = Instant::now();
            match self.claim().await {
                Ok(Some(claimed)) => {
                    if sweeping {
                        // Where one waits there may be many: another claimer helps.
                        self.signals.sweep();
                    }
                    self.answer(claimed, self.lease_from(asked), slot);
                }
                Ok(None) => {
                    drop(slot);
                    sweeping = false;
                }
                Err(error) => {
                    tracing::error!(?error, "no turn could be claimed");
                    self.stopping.run_until_cancelled(tokio::time::sleep(CLAIM_RETRY)).await;
                    continue;
                }
            }
            if !sweeping {
                sweeping = self.stopping.run_until_cancelled(self.signals.work()).await == Some(true);
            }
        }
    }

    /// Answers a turn beside the others, until it is done or the runner stops.
    fn answer(self: &Arc<Self>, claimed: Claimed, lease: Lease, slot: OwnedSemaphorePermit) {
        let runner = self.clone();
        self.tasks.spawn(async move {
            let answering = turn::answer(&runner, claimed, lease);
            let Some(left) = runner.stopping.run_until_cancelled(answering).await else { return };
            drop(slot);
            match left {
                Left::Quiet => {}
                Left::AnotherWaits => runner.signals.work_waits(),
            }
        });
    }

    /// A lease that was asked for at `asked`. Without other replicas nobody can take a turn.
    fn lease_from(&self, asked: Instant) -> Lease {
        if self.store.is_shared() { Lease::new(asked, self.lease) } else { Lease::endless() }
    }

    async fn claim(&self) -> Result<Option<Claimed>> {
        // The model's name where it is known already; a list of models is asked for only once a turn is there.
        let model = self.models.settled().map(|target| target.model).unwrap_or_default();
        let claim = Claim { owner: self.owner.clone(), lease_ms: self.lease_ms(), model };
        commit!(&self.store, turns::claim(claim))
    }

    fn lease_ms(&self) -> i64 {
        i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX)
    }

    /// Prolongs the leases of what is answered here: only that, so that a turn that nobody answers is claimed again. What is not ours any more stops.
    async fn renew_leases(self: Arc<Self>) {
        let housekeeping = self.store.housekeeping();
        let (interval, retry) = (self.lease / RENEWALS, RENEWAL_RETRY.min(self.lease / RENEWALS / 3));
        let mut pause = interval;
        while self.stopping.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            pause = interval;
            let held = self.signals.held();
            if held.is_empty() {
                continue;
            }
            let asked = Instant::now();
            let (owner, lease_ms) = (self.owner.clone(), self.lease_ms());
            let ids = held.iter().map(|held| held.turn_id).collect();
            // One that hangs would hold up the next.
            let renewing = async { commit!(&housekeeping, turns::renew(owner, ids, lease_ms)) };
            match tokio::time::timeout(interval, renewing).await {
                Ok(Ok(renewed)) => self.renewed(asked, &held, &renewed),
                Ok(Err(error)) => {
                    tracing::warn!(?error, "leases could not be renewed");
                    pause = retry;
                }
                Err(_) => {
                    tracing::warn!("leases were not renewed in time");
                    pause = retry;
                }
            }
        }
    }

    fn renewed(&self, asked: Instant, held: &[Held], renewed: &[Id]) {
        for held in held {
            if !renewed.contains(&held.turn_id) {
                self.signals.lose(held);
                continue;
            }
            let lapsed = !held.lease.holds();
            held.lease.renew(asked, self.lease);
            if lapsed {
                // What was said meanwhile may be shown now.
                self.feed.poke(held.session_id);
            }
        }
    }

    /// Looks for what nobody told of: turns that can be claimed, turns answered here that somebody wants to end.
    async fn look(self: Arc<Self>) {
        let housekeeping = self.store.housekeeping();
        let mut ticks = tokio::time::interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.stopping.run_until_cancelled(ticks.tick()).await.is_some() {
            let look = async { read!(&housekeeping, turns::look(&self.owner, self.lease_ms())) };
            match look.await {
                Ok((claimable, marked)) => {
                    if claimable {
                        self.signals.sweep();
                    }
                    for (session_id, turn_id) in marked {
                        self.signals.stop_here(session_id, Some(turn_id));
                    }
                }
                Err(error) => tracing::warn!(?error, "nobody could look for turns that wait"),
            }
        }
    }
}
