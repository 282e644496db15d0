//! The live feed: per session the newest events and the text that is being said, shared by all who watch.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{broadcast, watch};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{Cursor, Event};
use crate::db::ids::Id;

/// Events that a channel keeps for watchers a little behind; older ones are read from the database.
const EVENTS_MAX: usize = 256;
/// Bytes of text that a channel keeps likewise; the newest event's text is kept whatever its size.
const TEXT_BYTES_MAX: usize = 256 * 1024;
/// Events that an organization's watcher may be behind before its subscription ends.
const ORGANIZATION_EVENTS_MAX: usize = 1024;

/// Something new for a watcher.
#[derive(Clone, Debug)]
pub enum Live {
    /// An event was stored.
    Fact(Arc<Event>),
    /// The running step said more.
    Delta {
        /// The step.started event of the step.
        started: Arc<Event>,
        /// Byte of the step's text after this piece.
        end: usize,
        /// What was said.
        text: String,
    },
    /// The backfill is through: what follows is live.
    CaughtUp {
        /// Where the watcher stands.
        cursor: Cursor,
    },
}

/// All channels of this process.
#[derive(Clone)]
pub struct Feed(Arc<Channels>);

struct Channels {
    sessions: Mutex<HashMap<Id, Weak<Channel>>>,
    organizations: broadcast::Sender<Arc<Event>>,
    stopping: CancellationToken,
}

/// One session's feed. It lives as long as somebody watches or a turn runs.
pub struct Channel {
    session_id: Id,
    state: Mutex<State>,
    changed: watch::Sender<()>,
    channels: Weak<Channels>,
}

#[derive(Default)]
struct State {
    entries: VecDeque<Entry>,
    text_bytes: usize,
    trimmed: bool,
    closed: bool,
}

/// An event, and the text of the step that it starts.
struct Entry {
    event: Arc<Event>,
    text: String,
}

/// What stands after a cursor.
pub(super) enum Next {
    Live(Live),
    Nothing,
    /// The channel no longer has it: ask the database.
    Behind,
    Closed,
}

impl Default for Feed {
    fn default() -> Self {
        let organizations = broadcast::Sender::new(ORGANIZATION_EVENTS_MAX);
        Self(Arc::new(Channels { sessions: Mutex::default(), organizations, stopping: CancellationToken::new() }))
    }
}

impl Feed {
    /// The channel of this session.
    pub fn channel(&self, session_id: Id) -> Arc<Channel> {
        let mut channels = lock(&self.0.sessions);
        if let Some(channel) = channels.get(&session_id).and_then(Weak::upgrade) {
            return channel;
        }
        let channel = Arc::new(Channel {
            session_id,
            state: Mutex::new(State { closed: self.0.stopping.is_cancelled(), ..State::default() }),
            changed: watch::Sender::new(()),
            channels: Arc::downgrade(&self.0),
        });
        channels.insert(session_id, Arc::downgrade(&channel));
        channel
    }

    /// Events of every session, as they are stored.
    pub fn organizations(&self) -> broadcast::Receiver<Arc<Event>> {
        self.0.organizations.subscribe()
    }

    /// Returns when every stream shall end.
    pub fn stopping(&self) -> WaitForCancellationFutureOwned {
        self.0.stopping.clone().cancelled_owned()
    }

    /// Ends every stream of this session: it is deleted.
    pub fn close(&self, session_id: Id) {
        let channel = lock(&self.0.sessions).get(&session_id).and_then(Weak::upgrade);
        if let Some(channel) = channel {
            channel.close();
        }
    }

    /// Ends every stream, now and later: the server stops.
    pub fn stop(&self) {
        self.0.stopping.cancel();
        // Collected under the lock, closed outside of it: a channel whose last holder this is takes the lock when it is dropped.
        let channels: Vec<_> = lock(&self.0.sessions).values().filter_map(Weak::upgrade).collect();
        for channel in channels {
            channel.close();
        }
    }
}

impl Channel {
    /// Shows stored events, in their order. Call it after their commit.
    pub fn publish(&self, events: impl IntoIterator<Item = Event>) {
        let channels = self.channels.upgrade();
        let mut state = lock(&self.state);
        for event in events {
            let event = Arc::new(event);
            if let (true, Some(channels)) = (state.push(event.clone()), &channels) {
                // Nobody may be watching the organization.
                let _ = channels.organizations.send(event);
            }
        }
        drop(state);
        self.changed.send_replace(());
    }

    /// Shows more text of the step that event `started` began; nothing once another event stands behind it, for then that step is over or lost.
    pub fn append(&self, started: i64, text: &str) {
        let mut state = lock(&self.state);
        if let Some(entry) = state.entries.back_mut().filter(|entry| entry.event.sequence == started) {
            entry.text.push_str(text);
            state.text_bytes += text.len();
        }
        drop(state);
        self.changed.send_replace(());
    }

    /// Tells of every change from now on.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// What stands after `cursor`.
    pub(super) fn after(&self, cursor: Cursor) -> Next {
        let state = lock(&self.state);
        if state.closed {
            return Next::Closed;
        }
        let Some(first) = state.entries.front().map(|entry| entry.event.sequence) else { return Next::Nothing };
        if cursor.sequence < first {
            // The text of the event at the cursor may have gone with it.
            let contiguous = cursor.sequence + 1 == first && !state.trimmed;
            return if contiguous { Next::Live(state.fact(0)) } else { Next::Behind };
        }
        let Some(index) = usize::try_from(cursor.sequence - first).ok().filter(|index| *index < state.entries.len())
        else {
            return Next::Nothing;
        };
        let entry = &state.entries[index];
        if let Some(text) = entry.text.get(cursor.offset..).filter(|text| !text.is_empty()) {
            let (started, end) = (entry.event.clone(), entry.text.len());
            return Next::Live(Live::Delta { started, end, text: text.to_owned() });
        }
        if index + 1 < state.entries.len() { Next::Live(state.fact(index + 1)) } else { Next::Nothing }
    }

    /// The text so far of the step that event `sequence` started, where the channel has it.
    pub(super) fn text_has_boundary(&self, cursor: Cursor) -> Option<bool> {
        let state = lock(&self.state);
        let entry = state.entries.iter().find(|entry| entry.event.sequence == cursor.sequence)?;
        Some(entry.text.is_char_boundary(cursor.offset))
    }

    fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.send_replace(());
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let Some(channels) = self.channels.upgrade() else { return };
        let mut sessions = lock(&channels.sessions);
        // A new channel of the session may already stand in its place.
        if sessions.get(&self.session_id).is_some_and(|channel| channel.strong_count() == 0) {
            sessions.remove(&self.session_id);
        }
    }
}

impl State {
    fn fact(&self, index: usize) -> Live {
        Live::Fact(self.entries[index].event.clone())
    }

    /// Takes the next event and tells whether it is new: one that was shown already is dropped. Where some are missing in between, watchers are
    /// sent to the database.
    fn push(&mut self, event: Arc<Event>) -> bool {
        if let Some(newest) = self.entries.back().map(|entry| entry.event.sequence) {
            if event.sequence <= newest {
                return false;
            }
            if event.sequence > newest + 1 {
                self.entries.clear();
                self.text_bytes = 0;
                self.trimmed = true;
            }
        }
        self.entries.push_back(Entry { event, text: String::new() });
        while self.entries.len() > 1 && (self.entries.len() > EVENTS_MAX || self.text_bytes > TEXT_BYTES_MAX) {
            if let Some(oldest) = self.entries.pop_front() {
                self.text_bytes -= oldest.text.len();
                self.trimmed = true;
            }
        }
        true
    }
}

/// A lock whose holder panicked still guards whole data: every change under it is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
