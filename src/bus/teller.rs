//! Tells the others what waits, all of a moment in one go.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::message::Speaker;
use super::nats::Nats;
use super::outbox::{Notices, Outbox};
use crate::db::notices::{NOTICE_BYTES_MAX, Notifier};
use crate::error::Result;

/// How long what is told next is gathered. The first after a silence goes at once.
pub(super) const PAUSE: Duration = Duration::from_millis(10);
/// How long it waits after a failure, at first and at most.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// The one task that tells notices: over NATS while that is there, else through PostgreSQL, never in a transaction that writes.
pub(super) struct Teller {
    pub(super) speaker: Speaker,
    pub(super) outbox: Arc<Outbox>,
    pub(super) notifier: Notifier,
    pub(super) nats: Option<Nats>,
}

impl Teller {
    /// Tells until `stop`, and what waits then.
    pub(super) async fn tell(mut self, stop: CancellationToken) {
        let mut retry = RETRY_MIN / 2;
        while stop.run_until_cancelled(self.outbox.filled()).await.is_some() {
            let notices = self.outbox.take();
            let pause = match self.send(notices).await {
                Ok(()) => {
                    retry = RETRY_MIN / 2;
                    PAUSE
                }
                Err(error) => {
                    tracing::warn!(
                        cause = error.cause().map(tracing::field::display),
                        "notices to other servers are late"
                    );
                    self.outbox.add_gap();
                    retry = (retry * 2).min(RETRY_MAX);
                    retry
                }
            };
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
        let last = self.outbox.take();
        let _ = self.send(last).await;
        if let Some(nats) = &self.nats {
            let _ = nats.flush().await;
        }
    }

    async fn send(&mut self, notices: Notices) -> Result<()> {
        if notices.is_empty() {
            return Ok(());
        }
        let is_gap = notices.gap;
        let list = notices.list();
        let texts = |bytes_max| if is_gap { vec![self.speaker.gap()] } else { self.speaker.notices(&list, bytes_max) };
        if let Some(nats) = self.nats.as_ref().filter(|nats| nats.is_connected())
            && nats.notify(texts(nats.bytes_max())).await.is_ok()
        {
            return Ok(());
        }
        let texts = texts(NOTICE_BYTES_MAX);
        self.notifier.send(texts).await
    }
}
