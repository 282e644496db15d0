//! The live feed: a channel for each session that somebody watches or that is being answered here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::broadcast;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{Channel, Event, Known};
use crate::bus::{Bus, Notice, Piece};
use crate::db::ids::Id;

/// Events that an organization's watcher may be behind before its subscription ends.
const ORGANIZATION_EVENTS_MAX: usize = 1024;

/// What an organization's watcher is told.
#[derive(Clone, Debug)]
pub enum News {
    /// An event was stored.
    Event(Arc<Event>),
    /// Some may have been missed.
    Gap,
}

/// All channels of this process.
#[derive(Clone)]
pub struct Feed(Arc<Channels>);

pub(super) struct Channels {
    sessions: Mutex<HashMap<Id, Weak<Channel>>>,
    organizations: Mutex<HashMap<Id, broadcast::Sender<News>>>,
    stopping: CancellationToken,
    pub(super) bus: Bus,
}

impl Feed {
    /// An empty one that tells the other replicas over `bus`.
    pub fn new(bus: Bus) -> Self {
        let stopping = CancellationToken::new();
        Self(Arc::new(Channels { sessions: Mutex::default(), organizations: Mutex::default(), stopping, bus }))
    }

    /// The channel of this session.
    pub fn channel(&self, session_id: Id) -> Arc<Channel> {
        let mut sessions = self.0.sessions();
        if let Some(channel) = sessions.get(&session_id).and_then(Weak::upgrade) {
            return channel;
        }
        let channel = Arc::new(Channel::new(session_id, &self.0));
        sessions.insert(session_id, Arc::downgrade(&channel));
        channel
    }

    /// The channel of this session, where there is one.
    pub(super) fn open_channel(&self, session_id: Id) -> Option<Arc<Channel>> {
        self.0.sessions().get(&session_id).and_then(Weak::upgrade)
    }

    /// What is known of every session that has a channel.
    pub fn known(&self) -> Vec<Known> {
        self.open_channels().iter().filter_map(|channel| channel.known()).collect()
    }

    /// Events of every session of this organization, as they are stored.
    pub fn organization(&self, organization_id: Id) -> broadcast::Receiver<News> {
        let mut organizations = self.0.organizations();
        organizations.retain(|_, watchers| watchers.receiver_count() > 0);
        let watchers = organizations.entry(organization_id);
        watchers.or_insert_with(|| broadcast::Sender::new(ORGANIZATION_EVENTS_MAX)).subscribe()
    }

    /// Whether anybody watches this organization.
    pub(super) fn is_organization_watched(&self, organization_id: Id) -> bool {
        self.0.organizations().get(&organization_id).is_some_and(|watchers| watchers.receiver_count() > 0)
    }

    /// Tells all who watch an organization that they may have missed something.
    pub fn organizations_missed_something(&self) {
        for watchers in self.0.organizations().values() {
            // Nobody may be watching any more.
            let _ = watchers.send(News::Gap);
        }
    }

    /// Returns when every stream shall end.
    pub fn stopping(&self) -> WaitForCancellationFutureOwned {
        self.0.stopping.clone().cancelled_owned()
    }

    /// Ends every stream of this session, here and elsewhere: it is deleted.
    pub fn close(&self, session_id: Id) {
        self.close_here(session_id);
        self.0.bus.tell(Notice::Gone { session_id });
    }

    /// Ends every stream of this session that is open here.
    pub fn close_here(&self, session_id: Id) {
        if let Some(channel) = self.open_channel(session_id) {
            channel.close();
        }
    }

    /// Makes everybody who watches this session here look again.
    pub fn poke(&self, session_id: Id) {
        if let Some(channel) = self.open_channel(session_id) {
            channel.poke();
        }
    }

    /// Shows what another replica says of a step.
    pub fn take_in_piece(&self, piece: &Piece) {
        if let Some(channel) = self.open_channel(piece.session_id) {
            channel.take_in_piece(piece);
        }
    }

    /// Ends every stream, now and later: the server stops.
    pub fn stop(&self) {
        self.0.stopping.cancel();
        for channel in self.open_channels() {
            channel.close();
        }
    }

    /// Collected under the lock, to be used outside of it: a channel whose last holder this is takes the lock when it is dropped.
    fn open_channels(&self) -> Vec<Arc<Channel>> {
        self.0.sessions().values().filter_map(Weak::upgrade).collect()
    }
}

impl Channels {
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    pub(super) fn show_organization(&self, event: Arc<Event>) {
        if let Some(watchers) = self.organizations().get(&event.organization_id) {
            // Nobody may be watching any more.
            let _ = watchers.send(News::Event(event));
        }
    }

    fn organizations(&self) -> MutexGuard<'_, HashMap<Id, broadcast::Sender<News>>> {
        self.organizations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A channel is dropped; a new one of its session may already stand in its place.
    pub(super) fn forget(&self, session_id: Id) {
        let mut sessions = self.sessions();
        if sessions.get(&session_id).is_some_and(|channel| channel.strong_count() == 0) {
            sessions.remove(&session_id);
        }
    }

    /// A lock whose holder panicked still guards whole data: every change under it is a single step.
    fn sessions(&self) -> MutexGuard<'_, HashMap<Id, Weak<Channel>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
