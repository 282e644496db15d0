//! Hears the wire of PostgreSQL, which is always there: the database is.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::ear::Ear;
use crate::db::notices::Listener;

/// How long it waits before it connects again, at first and at most.
const RECONNECT_MIN: Duration = Duration::from_millis(100);
const RECONNECT_MAX: Duration = Duration::from_secs(1);

/// Hears what the others send, for ever; after each connect, something may have been missed.
pub(super) async fn listen(url: SecretString, ear: Arc<Ear>) {
    let mut pause = RECONNECT_MIN;
    loop {
        match Listener::open(&url).await {
            Ok(mut listener) => {
                pause = RECONNECT_MIN;
                ear.miss();
                let error = loop {
                    match listener.next().await {
                        Ok(text) => ear.hear(text.as_bytes()),
                        Err(error) => break error,
                    }
                };
                let cause = error.cause().map(tracing::field::display);
                tracing::warn!(cause, "the connection that hears other servers is lost and made again");
            }
            Err(error) => {
                let cause = error.cause().map(tracing::field::display);
                tracing::debug!(cause, "the connection that hears other servers cannot be made");
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RECONNECT_MAX);
    }
}
