//! What goes over the wires: texts that name their speaker and carry notices or pieces.

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{Heard, Notice, Piece};

/// The form of the texts. Another version of the server may speak another one to the same database; those are passed over.
const VERSION: char = '1';
/// Bytes of a text besides its items: version, speaker, kind and the list's brackets.
const FRAME_BYTES: usize = 1 + 32 + 1 + 2;

/// What a text carries; the letter stands in it.
#[derive(Clone, Copy)]
enum Kind {
    Notices,
    Pieces,
    Gap,
}

impl Kind {
    const fn letter(self) -> char {
        match self {
            Self::Notices => 'n',
            Self::Pieces => 'p',
            Self::Gap => 'g',
        }
    }
}

/// One replica, as long as its process lives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Speaker(Uuid);

/// A text that is not one of ours.
#[derive(Debug)]
pub(super) struct Unreadable;

impl Speaker {
    /// A new one.
    pub(super) fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// These notices as texts of at most `bytes_max` each.
    pub(super) fn notices(self, notices: &[Notice], bytes_max: usize) -> Vec<String> {
        self.pack(Kind::Notices, notices, bytes_max)
    }

    /// These pieces likewise; one that is too large is left out.
    pub(super) fn pieces(self, pieces: &[Piece], bytes_max: usize) -> Vec<String> {
        self.pack(Kind::Pieces, pieces, bytes_max)
    }

    /// Makes the others look at everything.
    pub(super) fn gap(self) -> String {
        self.frame(Kind::Gap, "")
    }

    /// What another speaker said; nothing where it was this one.
    pub(super) fn read(self, text: &str) -> Result<Vec<Heard>, Unreadable> {
        let rest = text.strip_prefix(VERSION).ok_or(Unreadable)?;
        let (speaker, rest) = rest.split_at_checked(32).ok_or(Unreadable)?;
        if Uuid::try_parse(speaker).map_err(|_| Unreadable)? == self.0 {
            return Ok(Vec::new());
        }
        let mut letters = rest.chars();
        let kind = [Kind::Notices, Kind::Pieces, Kind::Gap].into_iter().find(|kind| rest.starts_with(kind.letter()));
        letters.next();
        match kind.ok_or(Unreadable)? {
            Kind::Notices => items(letters.as_str(), Heard::Notice),
            Kind::Pieces => items(letters.as_str(), Heard::Piece),
            Kind::Gap => Ok(vec![Heard::Gap]),
        }
    }

    fn pack<T: Serialize>(self, kind: Kind, items: &[T], bytes_max: usize) -> Vec<String> {
        let mut texts = Vec::new();
        let mut list = String::new();
        for item in items.iter().filter_map(|item| serde_json::to_string(item).ok()) {
            if FRAME_BYTES + item.len() > bytes_max {
                continue;
            }
            if !list.is_empty() && FRAME_BYTES + list.len() + 1 + item.len() > bytes_max {
                texts.push(self.frame(kind, &list));
                list.clear();
            }
            if !list.is_empty() {
                list.push(',');
            }
            list.push_str(&item);
        }
        if !list.is_empty() {
            texts.push(self.frame(kind, &list));
        }
        texts
    }

    fn frame(self, kind: Kind, list: &str) -> String {
        format!("{VERSION}{}{}[{list}]", self.0.simple(), kind.letter())
    }
}

fn items<T: DeserializeOwned>(list: &str, heard: fn(T) -> Heard) -> Result<Vec<Heard>, Unreadable> {
    let items: Vec<T> = serde_json::from_str(list).map_err(|_| Unreadable)?;
    Ok(items.into_iter().map(heard).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::ids::{Id, Noun};

    #[test]
    fn what_one_says_others_read_and_it_does_not() {
        let (one, other, session_id) = (Speaker::new(), Speaker::new(), Id::new(Noun::Session));
        let notices = [
            Notice::Work,
            Notice::Stored { organization_id: Id::fixed(1), session_id, first: 7, last: 9 },
            Notice::Text { session_id },
            Notice::Stop { session_id, turn_id: None },
            Notice::Gone { session_id },
        ];
        let texts = one.notices(&notices, 7_999);
        assert_eq!(texts.len(), 1);
        assert_eq!(other.read(&texts[0]).ok(), Some(notices.map(Heard::Notice).to_vec()));
        assert_eq!(one.read(&texts[0]).ok(), Some(Vec::new()));
        assert_eq!(other.read(&one.gap()).ok(), Some(vec![Heard::Gap]));
    }

    #[test]
    fn texts_stay_within_their_limit_and_what_is_too_large_is_left_out() {
        let (one, other, session_id) = (Speaker::new(), Speaker::new(), Id::new(Noun::Session));
        let piece = |bytes| Piece { session_id, started: 1, offset: 0, text: "\"".repeat(bytes) };
        let texts = one.pieces(&[piece(10), piece(2_000), piece(20), piece(500)], 1_200);
        assert!(texts.len() > 1 && texts.iter().all(|text| text.len() <= 1_200));
        let read: Vec<_> = texts.iter().flat_map(|text| other.read(text).ok()).flatten().collect();
        assert_eq!(read, [piece(10), piece(20), piece(500)].map(Heard::Piece));
    }
}
