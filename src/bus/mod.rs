//! What replicas tell each other: a turn waits, a session has more to read, a turn shall stop. It only saves waiting. Whoever hears nothing finds
//! out all the same, by looking at the database once a second, and whoever hears something twice or late is not harmed by it.
//!
//! Two wires carry it: PostgreSQL's LISTEN and NOTIFY, and NATS where there is one. Every replica always listens to both. It tells over NATS while
//! it is connected there, else through PostgreSQL, and shows running text over NATS only.

mod ear;
mod message;
mod nats;
mod outbox;
mod postgres;
mod teller;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use self::ear::Ear;
use self::message::Speaker;
use self::nats::Nats;
use self::outbox::{Outbox, Shown};
use self::teller::{PAUSE, Teller};
use crate::db::Store;
use crate::db::ids::Id;
use crate::db::notices::{self, Notifier};
use crate::error::{Error, Result};

/// How long the last notices may take when the server stops.
const STOP_MAX: Duration = Duration::from_secs(1);

/// Speaks to the other replicas and hears them. Without others it does nothing.
#[derive(Clone, Default)]
pub struct Bus(Option<Arc<Wires>>);

struct Wires {
    ear: Arc<Ear>,
    outbox: Arc<Outbox>,
    shown: Arc<Shown>,
    nats: Option<Nats>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Ends the tasks with the last handle.
    _guard: DropGuard,
}

/// Something that another replica may wait for. Tell it after the commit that makes it true.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Notice {
    /// A turn waits for somebody to claim it.
    Work,
    /// Events of these numbers of the session are stored.
    Stored {
        /// Whose it is.
        organization_id: Id,
        /// The session.
        session_id: Id,
        /// Number of the first.
        first: i64,
        /// Number of the last.
        last: i64,
    },
    /// More of the text of the session's running step is stored.
    Text {
        /// The session.
        session_id: Id,
    },
    /// The session's turn shall stop, where it is this one or none is named: its row says why.
    Stop {
        /// The session.
        session_id: Id,
        /// The turn.
        turn_id: Option<Id>,
    },
    /// The session is deleted.
    Gone {
        /// The session.
        session_id: Id,
    },
}

/// A piece of the text of a running step, before it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The session.
    pub session_id: Id,
    /// Number of the step's step.started event.
    pub started: i64,
    /// Byte of the step's text at which the piece begins.
    pub offset: usize,
    /// What was said.
    pub text: String,
}

/// What comes from other replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// What one of them told.
    Notice(Notice),
    /// What a model said there.
    Piece(Piece),
    /// Something may have been missed: look at everything that somebody waits for.
    Gap,
}

impl Bus {
    /// Connects to the others on this database, in the background and for ever; alone where it is SQLite. Only settings that cannot work and a
    /// database out of reach are refused: NATS may come later.
    pub async fn open(store: &Store, database_url: &SecretString, nats_url: Option<&SecretString>) -> Result<Self> {
        if !store.is_shared() {
            return match nats_url {
                None => Ok(Self::default()),
                Some(_) => Err(Error::bad_input(
                    "NATS_URL",
                    "NATS_URL works with PostgreSQL only: one server has a SQLite database to itself",
                )),
            };
        }
        let speaker = Speaker::new();
        let (ear, outbox, shown) = (Arc::new(Ear::new(speaker)), Arc::<Outbox>::default(), Arc::<Shown>::default());
        let nats = match nats_url {
            None => None,
            Some(url) => Some(Nats::open(url, &notices::identity(database_url).await?, speaker, &ear, &outbox).await?),
        };
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(stop.clone().run_until_cancelled_owned(postgres::listen(database_url.clone(), ear.clone())));
        if let Some(nats) = &nats {
            tasks.spawn(stop.clone().run_until_cancelled_owned(nats.clone().listen(ear.clone())));
            tasks.spawn(stop.clone().run_until_cancelled_owned(nats.clone().carry(shown.clone(), PAUSE)));
        }
        let teller = Teller {
            speaker,
            outbox: outbox.clone(),
            notifier: Notifier::new(database_url.clone()),
            nats: nats.clone(),
        };
        tasks.spawn(teller.tell(stop.clone()));
        tasks.close();
        let _guard = stop.clone().drop_guard();
        Ok(Self(Some(Arc::new(Wires { ear, outbox, shown, nats, tasks, stop, _guard }))))
    }

    /// Whether notices go over NATS while that is there.
    pub fn has_nats(&self) -> bool {
        self.0.as_ref().is_some_and(|wires| wires.nats.is_some())
    }

    /// Tells the others; never waits. What cannot be told makes them look at everything.
    pub fn tell(&self, notice: Notice) {
        if let Some(wires) = &self.0 {
            wires.outbox.add(notice);
        }
    }

    /// Shows the others what a model said, where that is cheap, which is over NATS; never waits.
    pub fn show(&self, piece: impl FnOnce() -> Piece) {
        if let Some(wires) = &self.0
            && wires.nats.as_ref().is_some_and(Nats::is_connected)
        {
            wires.shown.add(piece());
        }
    }

    /// What the others tell from now on, for one listener. Where that is slow, it gets a gap instead of what it missed.
    pub fn hear(&self) -> mpsc::Receiver<Heard> {
        match &self.0 {
            Some(wires) => wires.ear.listen(),
            None => mpsc::channel(1).1,
        }
    }

    /// Tells what still waits, in at most a second, and is silent and deaf from then on. Without it the same happens behind the last handle.
    pub async fn stop(&self) {
        let Some(wires) = &self.0 else { return };
        wires.stop.cancel();
        if tokio::time::timeout(STOP_MAX, wires.tasks.wait()).await.is_err() {
            tracing::warn!("the last notices could not be told to other servers in time: they look for themselves");
        }
    }
}
