//! Where what was heard waits for the one who listens. A listener that is slow misses some of it, and learns that it did.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

use super::Heard;
use super::message::Speaker;

/// What may wait for the listener.
const HEARD_MAX: usize = 1024;
/// Of these places pieces take only so many: a notice is worth more, and missing text is read from the database.
const PIECES_MAX: usize = HEARD_MAX / 2;

/// Takes what comes over all wires.
pub(super) struct Ear {
    speaker: Speaker,
    listener: Mutex<Option<mpsc::Sender<Heard>>>,
    is_puzzled: AtomicBool,
}

impl Ear {
    /// Hears everybody but this speaker.
    pub(super) fn new(speaker: Speaker) -> Self {
        Self { speaker, listener: Mutex::default(), is_puzzled: AtomicBool::new(false) }
    }

    /// What is heard from now on; whoever listened before does not any more.
    pub(super) fn listen(&self) -> mpsc::Receiver<Heard> {
        let (sender, receiver) = mpsc::channel(HEARD_MAX);
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// A text came.
    pub(super) fn hear(&self, text: &[u8]) {
        let read = std::str::from_utf8(text).ok().and_then(|text| self.speaker.read(text).ok());
        match read {
            Some(heard) => heard.into_iter().for_each(|heard| self.deliver(heard)),
            // Once is enough: whoever speaks so, speaks often.
            None if !self.is_puzzled.swap(true, Ordering::Relaxed) => {
                tracing::warn!("a notice of another process cannot be read and is ignored: is it of another version?");
            }
            None => {}
        }
    }

    /// Some of what was said may not have come.
    pub(super) fn miss(&self) {
        self.deliver(Heard::Gap);
    }

    fn deliver(&self, heard: Heard) {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = listener.as_ref() else { return };
        // Nobody else sends, so a place that is free stays free. The last one is kept for a gap: whoever comes to it looks at everything,
        // so nothing is lost by what does not fit behind it.
        let heard = match (sender.capacity(), heard) {
            (0, _) => return,
            (free, Heard::Piece(_)) if free <= HEARD_MAX - PIECES_MAX => return,
            (1, _) => Heard::Gap,
            (_, heard) => heard,
        };
        // A listener that has gone hears nothing.
        let _ = sender.try_send(heard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::{Notice, Piece};
    use crate::db::ids::{Id, Noun};

    #[test]
    fn a_slow_listener_learns_that_it_missed_something() {
        let ear = Ear::new(Speaker::new());
        let mut heard = ear.listen();
        for _ in 0..2 * HEARD_MAX {
            ear.deliver(Heard::Notice(Notice::Work));
        }
        let mut all = Vec::new();
        while let Ok(next) = heard.try_recv() {
            all.push(next);
        }
        assert_eq!(all.len(), HEARD_MAX);
        assert_eq!(all.pop(), Some(Heard::Gap));
        assert!(!all.contains(&Heard::Gap));
    }

    #[test]
    fn pieces_leave_room_for_notices() {
        let ear = Ear::new(Speaker::new());
        let mut heard = ear.listen();
        for offset in 0..HEARD_MAX {
            let piece = Piece { session_id: Id::new(Noun::Session), started: 1, offset, text: "x".into() };
            ear.deliver(Heard::Piece(piece));
        }
        ear.deliver(Heard::Notice(Notice::Work));
        let mut all = Vec::new();
        while let Ok(next) = heard.try_recv() {
            all.push(next);
        }
        assert_eq!(all.len(), PIECES_MAX + 1);
        assert_eq!(all.pop(), Some(Heard::Notice(Notice::Work)));
    }

    #[test]
    fn what_cannot_be_read_is_ignored() {
        let (ear, other) = (Ear::new(Speaker::new()), Speaker::new());
        let mut heard = ear.listen();
        for text in
            ["", "1", "2something", "ä", "1zz", &other.gap().replacen('1', "9", 1), &format!("{}x", "1".repeat(33))]
        {
            ear.hear(text.as_bytes());
        }
        ear.hear(b"\xff");
        ear.hear(other.gap().as_bytes());
        assert_eq!(heard.try_recv(), Ok(Heard::Gap));
        assert!(heard.try_recv().is_err());
    }
}
