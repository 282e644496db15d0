//! The open streams of signed-in callers: each ends within a second of the end of its credential.
//!
//! What is revoked in this process ends them at once. What another process revoked is found by one look for all of them together, which is taken
//! again and again as long as any is open.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Credential, Viewer};
use crate::clock::Timestamp;
use crate::db::ids::Id;
use crate::db::{Store, read};
use crate::error::Result;

/// From one look at a shared database to the next: with the time that a look takes, less than a second.
const LOOK_INTERVAL: Duration = Duration::from_millis(750);

/// The credentials that have streams open.
#[derive(Clone)]
pub(super) struct OpenStreams(Arc<State>);

struct State {
    store: Store,
    credentials: Mutex<Credentials>,
}

#[derive(Default)]
struct Credentials {
    open: HashMap<Id, Open>,
    /// Counts what was revoked, so that a stream that opens at that moment is not missed.
    revocations: u64,
    is_looking: bool,
}

struct Open {
    organization_id: Id,
    is_key: bool,
    ended: CancellationToken,
    streams: usize,
}

/// An open stream. It counts until it is dropped.
pub struct Stay {
    streams: OpenStreams,
    credential_id: Id,
    ended: CancellationToken,
    expires_at: Option<Timestamp>,
}

impl OpenStreams {
    /// Those of this database.
    pub(super) fn new(store: &Store) -> Self {
        Self(Arc::new(State { store: store.housekeeping(), credentials: Mutex::default() }))
    }

    /// How much was revoked so far: read it before the viewer is found.
    pub(super) fn revocations(&self) -> u64 {
        self.lock().revocations
    }

    /// Opens a stream for the viewer, who was found after `seen` revocations. Nothing where there were more since: find it again.
    pub(super) fn enter(&self, viewer: Viewer, seen: u64) -> Option<Stay> {
        let (credential_id, is_key, expires_at) = match viewer.credential {
            Credential::None => return None,
            Credential::Login { id, expires_at } => (id, false, Some(expires_at)),
            Credential::ApiKey { id, expires_at } => (id, true, expires_at),
        };
        let mut credentials = self.lock();
        if credentials.revocations != seen {
            return None;
        }
        let organization_id = viewer.organization_id;
        let new = || Open { organization_id, is_key, ended: CancellationToken::new(), streams: 0 };
        let open = credentials.open.entry(credential_id).or_insert_with(new);
        open.streams += 1;
        let ended = open.ended.clone();
        if self.0.store.is_shared() && !std::mem::replace(&mut credentials.is_looking, true) {
            tokio::spawn(self.clone().look());
        }
        Some(Stay { streams: self.clone(), credential_id, ended, expires_at })
    }

    /// Ends the streams of a login or an API key. Call it after the commit that revokes it.
    pub(super) fn end(&self, credential_id: Id) {
        let mut credentials = self.lock();
        credentials.revocations += 1;
        if let Some(open) = credentials.open.remove(&credential_id) {
            open.ended.cancel();
        }
    }

    /// Looks for what other processes revoked, until no stream is open.
    async fn look(self) {
        loop {
            sleep(LOOK_INTERVAL).await;
            let open: Vec<(Id, Id, bool)> = {
                let mut credentials = self.lock();
                credentials.is_looking = !credentials.open.is_empty();
                credentials.open.iter().map(|(id, open)| (*id, open.organization_id, open.is_key)).collect()
            };
            if open.is_empty() {
                return;
            }
            // A database that is out of reach for a moment ends nobody's stream.
            let live = match self.live(&open).await {
                Ok(live) => live,
                Err(error) => {
                    tracing::warn!(?error, "revoked credentials could not be looked for");
                    continue;
                }
            };
            for (id, ..) in open.iter().filter(|(id, ..)| !live.contains(id)) {
                self.end(*id);
            }
        }
    }

    async fn live(&self, open: &[(Id, Id, bool)]) -> Result<HashSet<Id>> {
        let of_kind = |keys: bool| -> (Vec<Id>, Vec<Id>) {
            open.iter().filter(|(.., is_key)| *is_key == keys).map(|(id, organization, _)| (*organization, *id)).unzip()
        };
        let mut live = HashSet::with_capacity(open.len());
        let (organizations, ids) = of_kind(false);
        if !ids.is_empty() {
            live.extend(read!(&self.0.store, auth::live_logins(&organizations, &ids, Timestamp::now()))?);
        }
        let (organizations, ids) = of_kind(true);
        if !ids.is_empty() {
            live.extend(read!(&self.0.store, auth::present_keys(&organizations, &ids))?);
        }
        Ok(live)
    }

    /// A lock whose holder panicked still guards whole data: every change under it is a single step.
    fn lock(&self) -> MutexGuard<'_, Credentials> {
        self.0.credentials.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stay {
    /// Returns when the stream shall end: its credential is revoked or over.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let (ended, expires_at) = (self.ended.clone(), self.expires_at);
        async move {
            match expires_at {
                None => ended.cancelled().await,
                Some(expires_at) => {
                    tokio::select! {
                        () = ended.cancelled() => {}
                        () = sleep(expires_at.from_now()) => {}
                    }
                }
            }
        }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut credentials = self.streams.lock();
        // What was revoked has left the list already, and a new one of its name cannot come.
        if let Some(open) = credentials.open.get_mut(&self.credential_id) {
            open.streams -= 1;
            if open.streams == 0 {
                credentials.open.remove(&self.credential_id);
            }
        }
    }
}
