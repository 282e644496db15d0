//! Watching a session: what is stored after a cursor, then what happens, with no hole and no repeat between.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Stream};
use tokio::sync::watch::Receiver;

use super::channel::Next;
use super::{Channel, Cursor, Event, Live};
use crate::db::ids::Id;
use crate::db::{Store, read};
use crate::error::{Error, ErrorCode, Result};

/// Events read from the database at once.
const BACKFILL_PAGE: u16 = 64;
/// How long to wait before a database that is out of reach is asked again.
const READ_RETRY: Duration = Duration::from_millis(500);

struct Watcher {
    store: Store,
    organization_id: Id,
    session_id: Id,
    channel: Arc<Channel>,
    changed: Receiver<()>,
    cursor: Cursor,
    backfill: VecDeque<Live>,
    backfilled: bool,
    text_shown: bool,
    caught_up: bool,
}

/// Everything of the session after `after`, then what happens. Take the session's `channel` before reading its `head`, the newest event: what is
/// stored later is shown there, what was stored before is read here. A cursor that this stream never gave is refused.
pub async fn watch(
    store: &Store,
    channel: Arc<Channel>,
    (organization_id, session_id): (Id, Id),
    after: Option<Cursor>,
    head: i64,
) -> Result<impl Stream<Item = Result<Live>> + use<>> {
    let changed = channel.changes();
    let cursor = after.unwrap_or_default();
    channel.enter(organization_id, head);
    check(store, &channel, (organization_id, session_id), cursor, head).await?;
    let watcher = Watcher {
        store: store.clone(),
        organization_id,
        session_id,
        channel,
        changed,
        cursor,
        backfill: VecDeque::new(),
        backfilled: false,
        text_shown: false,
        caught_up: false,
    };
    Ok(stream::unfold(Some(watcher), async |watcher| {
        let mut watcher = watcher?;
        match watcher.next().await {
            Ok(Some(live)) => Some((Ok(live), Some(watcher))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    }))
}

/// Refuses a cursor that no stream of the session ever gave.
pub async fn check(
    store: &Store,
    channel: &Channel,
    (organization_id, session_id): (Id, Id),
    cursor: Cursor,
    head: i64,
) -> Result<()> {
    let refuse = |why: &'static str| Err(Error::bad_input("after", why));
    if cursor.sequence > head {
        return refuse("the cursor lies beyond the newest event");
    }
    if cursor.offset == 0 {
        return Ok(());
    }
    let misplaced = "the cursor points into a text that does not have such a place";
    match channel.text_has_boundary(cursor) {
        Some(true) => return Ok(()),
        // The channel has the step's whole text, or all that was said so far.
        Some(false) => return refuse(misplaced),
        None => {}
    }
    match read!(store, events::step_text(organization_id, session_id, cursor.sequence))? {
        // The step of a lost server, whose stored text may be shorter than what its watchers saw.
        Some((_, true)) => Ok(()),
        Some((text, _)) if text.is_char_boundary(cursor.offset) => Ok(()),
        _ => refuse(misplaced),
    }
}

impl Watcher {
    async fn next(&mut self) -> Result<Option<Live>> {
        loop {
            if let Some(live) = self.backfill.pop_front() {
                self.cursor = live.cursor();
                return Ok(Some(live));
            }
            if !self.backfilled {
                match self.read_rows().await {
                    // The stream outlives the database: it goes on when that is back.
                    Err(error) if error.code == ErrorCode::Unavailable => {
                        if matches!(self.channel.after(self.cursor), Next::Closed) {
                            return Ok(None);
                        }
                        tokio::time::sleep(READ_RETRY).await;
                    }
                    read => read?,
                }
                continue;
            }
            self.changed.borrow_and_update();
            match self.channel.after(self.cursor) {
                Next::Closed => return Ok(None),
                Next::Behind => self.backfilled = false,
                // The text so far of the running step still belongs to the backfill.
                Next::Live(live @ Live::Delta { .. }) if !self.caught_up && !self.text_shown => {
                    self.text_shown = true;
                    self.cursor = live.cursor();
                    return Ok(Some(live));
                }
                _ if !self.caught_up => {
                    self.caught_up = true;
                    return Ok(Some(Live::CaughtUp { cursor: self.cursor }));
                }
                Next::Live(live) => {
                    self.cursor = live.cursor();
                    return Ok(Some(live));
                }
                // The sender lives in the channel that this watcher holds.
                Next::Nothing => self.changed.changed().await.map_err(Error::internal)?,
            }
        }
    }

    /// Reads a page of rows from the cursor on, the event at the cursor with it for the rest of its text.
    async fn read_rows(&mut self) -> Result<()> {
        let cursor = self.cursor;
        let rows = read!(
            &self.store,
            events::replay(self.organization_id, self.session_id, cursor.sequence, BACKFILL_PAGE.into())
        )?;
        self.backfilled = rows.len() < usize::from(BACKFILL_PAGE);
        for (event, text) in rows {
            let event = Arc::new(event);
            let seen = if event.sequence == cursor.sequence { cursor.offset } else { 0 };
            if event.sequence > cursor.sequence {
                self.backfill.push_back(Live::Fact(event.clone()));
            }
            if let Some(rest) = text.as_deref().and_then(|text| text.get(seen..)).filter(|rest| !rest.is_empty()) {
                self.backfill.push_back(Live::Delta { started: event, end: seen + rest.len(), text: rest.to_owned() });
            }
        }
        Ok(())
    }
}

impl Live {
    /// Where a watcher stands who has seen this.
    pub fn cursor(&self) -> Cursor {
        match self {
            Self::Fact(event) => Cursor::after(event.sequence),
            Self::Delta { started, end, .. } => Cursor { sequence: started.sequence, offset: *end },
            Self::CaughtUp { cursor } => *cursor,
        }
    }

    /// The event that this is or belongs to.
    pub fn event(&self) -> Option<&Event> {
        match self {
            Self::Fact(event) | Self::Delta { started: event, .. } => Some(event),
            Self::CaughtUp { .. } => None,
        }
    }
}
