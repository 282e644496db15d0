//! One session's live feed: the newest events and the text that is being said, shared by all who watch.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;

use super::feed::Channels;
use super::{Cursor, Event, Lease};
use crate::bus::{Notice, Piece};
use crate::db::ids::Id;

/// Events that a channel keeps for watchers a little behind; older ones are read from the database.
const EVENTS_MAX: usize = 256;
/// Bytes of text that a channel keeps likewise; the newest event's text is kept whatever its size.
const TEXT_BYTES_MAX: usize = 256 * 1024;

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

/// One session's feed. It lives as long as somebody watches or a turn runs.
pub struct Channel {
    session_id: Id,
    state: Mutex<State>,
    changed: watch::Sender<()>,
    channels: Weak<Channels>,
}

#[derive(Default)]
struct State {
    /// Whose the session is, and its newest event when the first watcher came.
    entered: Option<(Id, i64)>,
    entries: VecDeque<Entry>,
    text_bytes: usize,
    trimmed: bool,
    closed: bool,
    /// What another replica said of a running step beyond the text that is known here.
    ahead: Option<Piece>,
}

/// An event, and the text of the step that it starts.
struct Entry {
    event: Arc<Event>,
    text: String,
    /// Bytes of the text that are known to be stored: they may always be shown.
    stored: usize,
    /// Under which the rest may be shown; nothing where another replica vouches for it.
    lease: Option<Lease>,
}

/// What stands after a cursor.
pub(super) enum Next {
    Live(Live),
    Nothing,
    /// The channel no longer has it: ask the database.
    Behind,
    Closed,
}

/// What a channel knows of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Whose the session is.
    pub organization_id: Id,
    /// The session.
    pub session_id: Id,
    /// Number of the newest event.
    pub newest: i64,
    /// Bytes of the text after it.
    pub text_bytes: usize,
}

impl Channel {
    pub(super) fn new(session_id: Id, channels: &Arc<Channels>) -> Self {
        let state = State { closed: channels.is_stopping(), ..State::default() };
        Self {
            session_id,
            state: Mutex::new(state),
            changed: watch::Sender::new(()),
            channels: Arc::downgrade(channels),
        }
    }

    /// Shows what was just stored by who answers the session here: `text_bytes` of the step that event `started` began, then these events, in their
    /// order. Call it after their commit.
    pub fn publish(&self, (started, text_bytes): (i64, usize), events: impl IntoIterator<Item = Event>) {
        self.text_is_stored(started, text_bytes);
        let Some((organization_id, first, last)) = self.take(events.into_iter().map(|event| (event, None))) else {
            return;
        };
        self.tell(Notice::Stored { organization_id, session_id: self.session_id, first, last });
    }

    /// Shows events that were stored, by whomever, each with the stored text of the step that it starts, if any.
    pub(super) fn take_in(&self, rows: impl IntoIterator<Item = (Event, Option<String>)>) {
        self.take(rows);
    }

    /// The same, told to the other replicas too: the one that stored them may not have come to tell of them.
    pub fn take_in_and_tell(&self, rows: impl IntoIterator<Item = (Event, Option<String>)>) {
        if let Some((organization_id, first, last)) = self.take(rows) {
            self.tell(Notice::Stored { organization_id, session_id: self.session_id, first, last });
        }
    }

    /// The same; returns whose they are and the numbers of the first and last one.
    fn take(&self, rows: impl IntoIterator<Item = (Event, Option<String>)>) -> Option<(Id, i64, i64)> {
        let channels = self.channels.upgrade();
        let mut state = lock(&self.state);
        let mut taken = None;
        for (event, text) in rows {
            let event = Arc::new(event);
            let (organization_id, sequence) = (event.organization_id, event.sequence);
            let (_, first, _) = taken.unwrap_or((organization_id, sequence, sequence));
            taken = Some((organization_id, first, sequence));
            // What stood before anybody came was shown before.
            let is_news = state.entered.is_none_or(|(_, entered)| sequence > entered);
            if let (true, true, Some(channels)) = (state.push(event.clone()), is_news, &channels) {
                channels.show_organization(event);
            }
            if let Some(text) = text {
                state.grow(sequence, 0, &text);
                state.text_is_stored(sequence, text.len());
            }
        }
        drop(state);
        self.changed.send_replace(());
        taken
    }

    /// Shows more text of the step that event `started` began, from byte `offset` on, while the `lease` holds; nothing once another event stands
    /// behind it, for then that step is over or lost.
    pub fn append(&self, started: i64, offset: usize, text: &str, lease: &Lease) {
        let mut state = lock(&self.state);
        state.grow(started, offset, text);
        if let Some(entry) = state.running_step(started) {
            entry.lease.get_or_insert_with(|| lease.clone());
        }
        drop(state);
        self.changed.send_replace(());
        if let (true, Some(channels)) = (lease.holds(), self.channels.upgrade()) {
            let session_id = self.session_id;
            channels.bus.show(|| Piece { session_id, started, offset, text: text.to_owned() });
        }
    }

    /// Shows what another replica says of its step; a piece after a hole is kept until the text before it was read.
    pub(super) fn take_in_piece(&self, piece: &Piece) {
        let mut state = lock(&self.state);
        state.grow_later(piece);
        state.grow(piece.started, piece.offset, &piece.text);
        drop(state);
        self.changed.send_replace(());
    }

    /// So many bytes of the text of the step that event `started` began are stored: from here on they are shown whoever owns the turn.
    pub fn text_is_stored(&self, started: i64, bytes: usize) {
        lock(&self.state).text_is_stored(started, bytes);
    }

    /// Tells the other replicas that more of the running step's text is stored.
    pub fn tell_text(&self) {
        self.tell(Notice::Text { session_id: self.session_id });
    }

    /// Somebody watches the session, whose newest event is this one.
    pub fn enter(&self, organization_id: Id, newest: i64) {
        let mut state = lock(&self.state);
        let nothing_shown = state.entries.is_empty();
        let (_, entered) = state.entered.get_or_insert((organization_id, newest));
        if nothing_shown {
            *entered = newest.min(*entered);
        }
    }

    /// What the channel knows; nothing where nobody has entered and no event was shown.
    pub fn known(&self) -> Option<Known> {
        let state = lock(&self.state);
        let session_id = self.session_id;
        match state.entries.back() {
            Some(Entry { event, text, .. }) => {
                let (organization_id, newest) = (event.organization_id, event.sequence);
                Some(Known { organization_id, session_id, newest, text_bytes: text.len() })
            }
            None => state.entered.map(|(organization_id, newest)| Known {
                organization_id,
                session_id,
                newest,
                text_bytes: 0,
            }),
        }
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
        let shown = entry.shown();
        if let Some(text) = entry.text.get(cursor.offset..shown).filter(|text| !text.is_empty()) {
            return Next::Live(Live::Delta { started: entry.event.clone(), end: shown, text: text.to_owned() });
        }
        if index + 1 < state.entries.len() { Next::Live(state.fact(index + 1)) } else { Next::Nothing }
    }

    /// Whether the text of the step that the cursor names has a boundary there, where the channel can tell: it may be ahead of the text that
    /// another replica has told of so far.
    pub(super) fn text_has_boundary(&self, cursor: Cursor) -> Option<bool> {
        let state = lock(&self.state);
        let entry = state.entries.iter().find(|entry| entry.event.sequence == cursor.sequence)?;
        let ahead = entry.lease.is_none() && cursor.offset > entry.text.len();
        (!ahead).then(|| entry.text.is_char_boundary(cursor.offset))
    }

    pub(super) fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.send_replace(());
    }

    /// Makes everybody who waits for a change look again.
    pub(super) fn poke(&self) {
        self.changed.send_replace(());
    }

    fn tell(&self, notice: Notice) {
        if let Some(channels) = self.channels.upgrade() {
            channels.bus.tell(notice);
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if let Some(channels) = self.channels.upgrade() {
            channels.forget(self.session_id);
        }
    }
}

impl Entry {
    /// Bytes of the text that may be shown now.
    fn shown(&self) -> usize {
        if self.lease.as_ref().is_none_or(Lease::holds) { self.text.len() } else { self.stored }
    }
}

impl State {
    fn fact(&self, index: usize) -> Live {
        Live::Fact(self.entries[index].event.clone())
    }

    /// The step that event `started` began, where nothing stands behind it.
    fn running_step(&mut self, started: i64) -> Option<&mut Entry> {
        self.entries.back_mut().filter(|entry| entry.event.sequence == started)
    }

    /// Adds what `text`, which begins at byte `offset` of the step's text, has more than is there.
    fn grow(&mut self, started: i64, offset: usize, text: &str) {
        let Some(entry) = self.running_step(started) else { return };
        let Some(more) = entry.text.len().checked_sub(offset).and_then(|known| text.get(known..)) else { return };
        entry.text.push_str(more);
        let known = entry.text.len();
        self.text_bytes += more.len();
        // The hole before what came ahead may be closed now.
        if let Some(Piece { offset, text, .. }) =
            self.ahead.take_if(|ahead| ahead.started == started && ahead.offset <= known)
        {
            self.grow(started, offset, &text);
        }
    }

    /// Keeps a piece that lies beyond what is known of its step, with those that it follows.
    fn grow_later(&mut self, piece: &Piece) {
        let known = self.running_step(piece.started).map_or(0, |entry| entry.text.len());
        let newest = self.entries.back().map_or(0, |entry| entry.event.sequence);
        if piece.started < newest || piece.offset <= known && piece.started == newest {
            return;
        }
        match &mut self.ahead {
            Some(ahead)
                if ahead.started == piece.started
                    && ahead.offset + ahead.text.len() == piece.offset
                    && ahead.text.len() < TEXT_BYTES_MAX =>
            {
                ahead.text.push_str(&piece.text);
            }
            ahead => *ahead = Some(piece.clone()),
        }
    }

    fn text_is_stored(&mut self, started: i64, bytes: usize) {
        if let Some(entry) = self.running_step(started) {
            entry.stored = entry.stored.max(bytes.min(entry.text.len()));
        }
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
        self.entries.push_back(Entry { event, text: String::new(), stored: 0, lease: None });
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
