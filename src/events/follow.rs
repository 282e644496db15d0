//! Following sessions that another replica answers: what it stores is read once here, for everybody who watches here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use super::{Channel, Feed, Known};
use crate::db::ids::Id;
use crate::db::{Store, read};
use crate::error::Result;

/// Events read from the database at once.
const PAGE: i64 = 64;
/// Sessions that are read at once.
const AT_ONCE: usize = 4;
/// Sessions looked at in one statement.
const LOOK_MAX: usize = 1_000;

/// Reads what other replicas stored of the sessions that have a channel here.
#[derive(Clone)]
pub struct Follower(Arc<State>);

struct State {
    store: Store,
    feed: Feed,
    slots: Semaphore,
    /// The sessions that are being read, and whether there was more to read meanwhile.
    reading: Mutex<HashMap<Id, bool>>,
}

impl Follower {
    /// One for this feed.
    pub fn new(store: Store, feed: Feed) -> Self {
        Self(Arc::new(State { store, feed, slots: Semaphore::new(AT_ONCE), reading: Mutex::default() }))
    }

    /// Another replica stored more of this session; never waits.
    pub fn wake(&self, session_id: Id) {
        if let Some(channel) = self.0.feed.open_channel(session_id) {
            self.read(channel, session_id);
        }
    }

    /// Another replica stored events of these numbers; never waits. Where an organization is watched they are read although nobody watches the
    /// session.
    pub fn wake_organization(&self, organization_id: Id, session_id: Id, first: i64) {
        if !self.0.feed.is_organization_watched(organization_id) {
            return self.wake(session_id);
        }
        let channel = self.0.feed.channel(session_id);
        channel.enter(organization_id, first - 1);
        self.read(channel, session_id);
    }

    /// Looks which sessions have more than is known here, all of them together, and reads those. Deleted ones are closed.
    pub async fn look(&self) -> Result<()> {
        let known = self.0.feed.known();
        for known in known.chunks(LOOK_MAX) {
            let (organizations, ids): (Vec<_>, Vec<_>) =
                known.iter().map(|known| (known.organization_id, known.session_id)).unzip();
            let stored = read!(&self.0.store, events::heads(organizations, ids))?;
            let stored: HashMap<Id, (i64, i64)> =
                stored.into_iter().map(|(id, newest, text_bytes)| (id, (newest, text_bytes))).collect();
            for Known { session_id, newest, text_bytes, .. } in known {
                match stored.get(session_id) {
                    None => self.0.feed.close_here(*session_id),
                    Some((head, text))
                        if head > newest || usize::try_from(*text).is_ok_and(|text| text > *text_bytes) =>
                    {
                        self.wake(*session_id);
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    fn read(&self, channel: Arc<Channel>, session_id: Id) {
        match self.reading().entry(session_id) {
            Entry::Occupied(mut more) => {
                more.insert(true);
                return;
            }
            Entry::Vacant(place) => {
                place.insert(false);
            }
        }
        let follower = self.clone();
        tokio::spawn(async move {
            // Closed never: nobody does.
            let _slot = follower.0.slots.acquire().await;
            loop {
                if let Err(error) = follower.catch_up(&channel).await {
                    tracing::warn!(?error, "what another replica stored could not be read, the next look will");
                }
                channel.poke();
                let mut reading = follower.reading();
                match reading.get_mut(&session_id) {
                    Some(more) if *more => *more = false,
                    _ => {
                        reading.remove(&session_id);
                        break;
                    }
                }
            }
        });
    }

    async fn catch_up(&self, channel: &Channel) -> Result<()> {
        loop {
            let Some(Known { organization_id, session_id, newest, .. }) = channel.known() else { return Ok(()) };
            let rows = read!(&self.0.store, events::replay(organization_id, session_id, newest, PAGE))?;
            let is_last = i64::try_from(rows.len()).is_ok_and(|rows| rows < PAGE);
            channel.take_in(rows);
            if is_last {
                return Ok(());
            }
        }
    }

    /// A lock whose holder panicked still guards whole data: every change under it is a single step.
    fn reading(&self) -> MutexGuard<'_, HashMap<Id, bool>> {
        self.0.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
