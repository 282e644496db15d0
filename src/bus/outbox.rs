//! What waits to be told: merged while it waits, and bounded. Whoever tells never waits.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{Notice, Piece};
use crate::db::ids::Id;

/// Notices that may wait; more than these become one gap, which makes the others look at everything.
const NOTICES_MAX: usize = 1024;
/// Bytes of text that may wait; more is dropped, and read from the database later.
const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Bytes up to which pieces of one step are joined: a few times this must fit into a message.
const PIECE_BYTES_MAX: usize = 16 * 1024;

/// Notices that wait.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: Mutex<Notices>,
    filled: Notify,
}

/// What is told at once.
#[derive(Default)]
pub(super) struct Notices {
    /// Everything may have changed.
    pub(super) gap: bool,
    stored: HashMap<Id, Notice>,
    others: HashSet<Notice>,
}

impl Outbox {
    /// Adds a notice.
    pub(super) fn add(&self, notice: Notice) {
        locked(&self.waiting).add(notice);
        self.filled.notify_one();
    }

    /// Something that should have been told may be lost.
    pub(super) fn add_gap(&self) {
        locked(&self.waiting).add_gap();
        self.filled.notify_one();
    }

    /// Waits until there is something; once for everything that was added before.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Everything that waits.
    pub(super) fn take(&self) -> Notices {
        mem::take(&mut *locked(&self.waiting))
    }
}

impl Notices {
    /// Whether there is nothing to tell.
    pub(super) fn is_empty(&self) -> bool {
        !self.gap && self.stored.is_empty() && self.others.is_empty()
    }

    /// Each of them; none where a gap says it all.
    pub(super) fn list(self) -> Vec<Notice> {
        self.others.into_iter().chain(self.stored.into_values()).collect()
    }

    fn add(&mut self, notice: Notice) {
        if self.gap {
            return;
        }
        if let Notice::Stored { session_id, first, last, .. } = &notice {
            match self.stored.get_mut(session_id) {
                Some(Notice::Stored { first: known_first, last: known_last, .. }) => {
                    (*known_first, *known_last) = ((*known_first).min(*first), (*known_last).max(*last));
                }
                _ => drop(self.stored.insert(*session_id, notice)),
            }
        } else {
            self.others.insert(notice);
        }
        if self.stored.len() + self.others.len() > NOTICES_MAX {
            self.add_gap();
        }
    }

    fn add_gap(&mut self) {
        *self = Self { gap: true, ..Self::default() };
    }
}

/// Pieces of running steps that wait.
#[derive(Default)]
pub(super) struct Shown {
    waiting: Mutex<Pieces>,
    filled: Notify,
}

#[derive(Default)]
struct Pieces {
    list: Vec<Piece>,
    /// Where in the list the newest piece of a step stands.
    newest: HashMap<(Id, i64), usize>,
    bytes: usize,
}

impl Shown {
    /// Adds a piece, where there is room.
    pub(super) fn add(&self, piece: Piece) {
        locked(&self.waiting).add(piece);
        self.filled.notify_one();
    }

    /// Waits until there is something.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Everything that waits, each step's pieces in order.
    pub(super) fn take(&self) -> Vec<Piece> {
        mem::take(&mut *locked(&self.waiting)).list
    }
}

impl Pieces {
    fn add(&mut self, piece: Piece) {
        if self.bytes + piece.text.len() > TEXT_BYTES_MAX {
            return;
        }
        self.bytes += piece.text.len();
        let step = (piece.session_id, piece.started);
        if let Some(newest) = self.newest.get(&step).and_then(|place| self.list.get_mut(*place)) {
            let follows = newest.offset + newest.text.len() == piece.offset;
            if follows && newest.text.len() + piece.text.len() <= PIECE_BYTES_MAX {
                return newest.text.push_str(&piece.text);
            }
        }
        self.newest.insert(step, self.list.len());
        self.list.push(piece);
    }
}

fn locked<T>(waiting: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nobody panics with the lock held; if somebody did, what waits would still be worth telling.
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::ids::Noun;

    fn stored(session_id: Id, first: i64, last: i64) -> Notice {
        Notice::Stored { organization_id: Id::fixed(1), session_id, first, last }
    }

    #[test]
    fn ranges_of_a_session_are_joined_and_equal_notices_told_once() {
        let (outbox, one, other) = (Outbox::default(), Id::new(Noun::Session), Id::new(Noun::Session));
        for notice in [stored(one, 3, 4), stored(other, 9, 9), stored(one, 1, 2), stored(one, 5, 5)] {
            outbox.add(notice);
        }
        for _ in 0..1000 {
            outbox.add(Notice::Work);
            outbox.add(Notice::Text { session_id: one });
        }
        let told = outbox.take().list();
        assert_eq!(told.len(), 4, "{told:?}");
        for notice in [stored(one, 1, 5), stored(other, 9, 9), Notice::Work, Notice::Text { session_id: one }] {
            assert!(told.contains(&notice), "{notice:?} is told");
        }
        assert!(outbox.take().is_empty());
    }

    #[test]
    fn too_many_notices_become_a_gap() {
        let outbox = Outbox::default();
        for _ in 0..=NOTICES_MAX {
            outbox.add(Notice::Gone { session_id: Id::new(Noun::Session) });
        }
        outbox.add(Notice::Work);
        let told = outbox.take();
        assert!(told.gap);
        assert!(told.list().is_empty());
    }

    #[test]
    fn pieces_that_follow_each_other_are_joined_and_text_is_bounded() {
        let (shown, session_id) = (Shown::default(), Id::new(Noun::Session));
        let piece = |offset, text: &str| Piece { session_id, started: 1, offset, text: text.into() };
        shown.add(piece(0, "Hel"));
        shown.add(piece(3, "lo"));
        shown.add(piece(9, "hole"));
        assert_eq!(shown.take(), [piece(0, "Hello"), piece(9, "hole")]);
        for _ in 0..3 {
            shown.add(piece(0, &"x".repeat(TEXT_BYTES_MAX / 2)));
        }
        assert_eq!(shown.take().len(), 2);
    }
}
