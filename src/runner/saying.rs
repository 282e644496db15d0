//! What a running step says: shown to everybody who watches as it comes, and stored from time to time.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep_until};

use crate::db::{Store, commit};
use crate::error::Result;
use crate::events::{Channel, Lease};
use crate::turns::{Step, Turn};

/// Text is stored at the latest so long after it was said.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);
/// Or when there are so many bytes more than are stored.
const CHECKPOINT_BYTES: usize = 4 * 1024;
/// Of a long text at least this part is new at a checkpoint that is not due by time: each stores the whole text.
const CHECKPOINT_PART: usize = 8;

/// The voice of a turn's running step.
pub(super) struct Saying<'t> {
    store: &'t Store,
    turn: &'t Turn,
    channel: &'t Channel,
    lease: &'t Lease,
    /// Bytes of the text that are stored.
    stored: usize,
    /// When the last checkpoint began, or what is not stored yet was said first.
    since: Instant,
    /// The last one failed: the next comes by time only.
    failed: bool,
    /// The checkpoint under way, and the bytes of its text.
    storing: Option<(usize, BoxFuture<'static, Result<bool>>)>,
}

impl<'t> Saying<'t> {
    /// Of a step that begins.
    pub(super) fn new(store: &'t Store, turn: &'t Turn, channel: &'t Channel, lease: &'t Lease) -> Self {
        Self { store, turn, channel, lease, stored: 0, since: Instant::now(), failed: false, storing: None }
    }

    /// Adds to the step's text and shows it.
    pub(super) fn say(&mut self, step: &mut Step, text: &str) {
        let offset = step.text.len();
        if offset == self.stored {
            self.since = Instant::now();
        }
        step.text.push_str(text);
        self.channel.append(step.started_sequence, offset, text, self.lease);
    }

    /// Stores what the step has said whenever that is due. Returns where the turn is ours no more, else never.
    pub(super) async fn checkpoints(&mut self, step: &Step) {
        loop {
            if let Some((bytes, storing)) = &mut self.storing {
                let (bytes, stored) = (*bytes, storing.await);
                self.storing = None;
                self.failed = stored.is_err();
                match stored {
                    Ok(true) => {
                        self.stored = bytes;
                        self.channel.text_is_stored(step.started_sequence, bytes);
                        self.channel.tell_text();
                    }
                    Ok(false) => return,
                    // The next one stores it too.
                    Err(error) => tracing::warn!(?error, "what a model said could not be stored yet"),
                }
            }
            if step.text.len() == self.stored {
                // Until more is said, which drops this future.
                return std::future::pending().await;
            }
            if self.failed || step.text.len() - self.stored < CHECKPOINT_BYTES.max(self.stored / CHECKPOINT_PART) {
                sleep_until(self.since + CHECKPOINT_INTERVAL).await;
            }
            self.since = Instant::now();
            let (store, epoch, step) = (self.store.clone(), self.turn.epoch, step.clone());
            let bytes = step.text.len();
            let storing = async move { commit!(&store, turns::checkpoint(epoch, step)) };
            self.storing = Some((bytes, storing.boxed()));
        }
    }
}
