//! The worker: claims turns as they are queued, holds them while they run, gives them back when it stops.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::{Web, turn};
use crate::db::{Store, commit};
use crate::error::Result;
use crate::events::Feed;
use crate::llm::Models;
use crate::turns::{Claim, Claimed, Signals};

/// Turns answered at once by this process.
const TURNS_MAX: usize = 2_000;
/// Claims under way at once: they share commits.
const CLAIMERS: usize = 4;
/// How long to wait after a claim that failed, for example because the database is out of reach.
const CLAIM_RETRY: Duration = Duration::from_secs(1);
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
            commit!(&self.store, turns::release(None))?;
        }
        for _ in 0..CLAIMERS {
            self.tasks.spawn(self.clone().claim_turns());
        }
        self.tasks.spawn(self.clone().renew_leases());
        Ok(())
    }

    /// Stops: turns are left where they are and given up, to be continued by whoever starts next.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        // Claims and renewals under way are awaited: stored after this release, they would hold turns for an owner that is gone.
        if tokio::time::timeout(STOP_WAIT, self.tasks.wait()).await.is_err() {
            tracing::warn!("the database did not answer in time, leases may have to run out");
        }
        let owner = Some(self.owner.clone());
        if let Err(error) = commit!(&self.store, turns::release(owner)) {
            tracing::warn!(?error, "turns could not be given up, their leases will run out");
        }
    }

    /// Claims everything that waits, then a turn for each signal.
    async fn claim_turns(self: Arc<Self>) {
        let mut sweeping = true;
        while let Some(Ok(slot)) = self.stopping.run_until_cancelled(self.slots.clone().acquire_owned()).await {
            match self.claim().await {
                Ok(Some(claimed)) => {
                    let runner = self.clone();
                    self.spawn(async move {
                        let another_waits = turn::answer(&runner, claimed).await;
                        drop(slot);
                        if another_waits {
                            runner.signals.work_waits();
                        }
                    });
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
                let told = self.stopping.run_until_cancelled(self.wait_for_work()).await;
                sweeping = told == Some(false);
            }
        }
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

    /// Returns whether a signal told that a turn may wait. On a shared database it also returns without one now and then, since nothing tells
    /// that another process's lease has run out.
    async fn wait_for_work(&self) -> bool {
        if self.store.is_shared() {
            return tokio::time::timeout(self.lease / 3, self.signals.work()).await.is_ok();
        }
        self.signals.work().await;
        true
    }

    async fn renew_leases(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(self.lease / 3);
        while self.stopping.run_until_cancelled(ticks.tick()).await.is_some() {
            // Only what a task here is at: a turn that nobody answers shall be claimed again.
            let held = self.signals.held();
            if held.is_empty() {
                continue;
            }
            let (owner, lease_ms) = (self.owner.clone(), self.lease_ms());
            if let Err(error) = commit!(&self.store, turns::renew(owner, held, lease_ms)) {
                tracing::warn!(?error, "leases could not be renewed");
            }
        }
    }

    /// Runs a task until it is done or the runner stops.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stopping = self.stopping.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stopping.cancelled() => {}
                () = task => {}
            }
        });
    }
}
