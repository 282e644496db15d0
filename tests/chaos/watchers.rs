//! Watchers that never give up: they change face and replica whenever they like, resume from their last cursor and keep all they saw.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::replicas::Replicas;
use super::senders::Talk;
use crate::app::{Caller, Frame, Sse};
use crate::streams::watcher::Watcher as Socket;

/// Before a watcher comes back that found nobody.
const PAUSE: Duration = Duration::from_millis(50);
/// How long opening a stream may take, and how long an open one may be silent, before a watcher goes elsewhere.
const SILENCE: Duration = Duration::from_secs(5);
/// Events after which a restless watcher leaves, at most, and the time after which it does, in milliseconds.
const EVENTS_MAX: u32 = 40;
const STAY_MS_MAX: u64 = 1500;
/// Bytes of a piece that a watcher takes who leaves in the middle of a frame, at most.
const TORN_BYTES_MAX: usize = 120;

/// Which way a stream came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Face {
    Sse,
    Socket,
}

/// An event as a watcher saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub frame: Frame,
    pub face: Face,
}

/// All that one watcher saw of a session.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    pub session_id: String,
    pub seen: Vec<Seen>,
    /// Refusals that no outage explains.
    pub refusals: Vec<String>,
    /// Whether it came when all was over, and on one connection: then it shows what the database replays.
    pub replay: bool,
}

/// What all watchers of a story count together.
#[derive(Default)]
pub struct Progress {
    pub deltas: AtomicU64,
    /// Reconnects that a watcher decided on.
    pub reconnects: AtomicU64,
}

/// Number of the last event of each session; none while more may come.
pub type Goals = Option<Arc<HashMap<String, i64>>>;

/// One watcher's means.
pub struct Watching {
    pub replicas: Arc<Replicas>,
    pub talk: Talk,
    pub random: StdRng,
    pub goals: watch::Receiver<Goals>,
    pub progress: Arc<Progress>,
    /// Whether it leaves without a reason.
    pub restless: bool,
}

/// An open stream of either face.
pub enum Stream {
    Sse(Sse),
    Socket(Box<Socket>),
}

impl Stream {
    /// None where nobody is there or the server is in trouble; an error where it refuses.
    pub async fn open(face: Face, caller: &Caller, talk: &Talk, after: Option<&str>) -> Result<Option<Self>, String> {
        let opening = async {
            match face {
                Face::Socket => {
                    let socket = Socket::try_open(caller, &talk.session_id, after).await;
                    Ok(socket.map(|socket| Self::Socket(Box::new(socket))))
                }
                Face::Sse => {
                    let request = caller.http.get(caller.url(&format!("{}/events", talk.path)));
                    let mut request = request.header("accept", "text/event-stream");
                    if let Some(after) = after {
                        request = request.header("last-event-id", after);
                    }
                    match Sse::try_of(request).await {
                        Ok(Ok(sse)) => Ok(Some(Self::Sse(sse))),
                        Ok(Err(503)) | Err(_) => Ok(None),
                        Ok(Err(status)) => Err(format!("status {status} after {after:?}")),
                    }
                }
            }
        };
        timeout(SILENCE, opening).await.unwrap_or(Ok(None))
    }

    /// The next event; none when the stream has ended; an error where it was refused.
    pub async fn next(&mut self) -> Result<Option<Frame>, String> {
        match self {
            Self::Sse(sse) => Ok(sse.next().await),
            Self::Socket(socket) => match socket.try_next().await {
                Err(refusal) if is_outage(&refusal) => Ok(None),
                next => next.map_err(|refusal| refusal.to_string()),
            },
        }
    }

    fn face(&self) -> Face {
        match self {
            Self::Sse(_) => Face::Sse,
            Self::Socket(_) => Face::Socket,
        }
    }
}

impl Recording {
    /// Nothing seen yet.
    pub fn of(talk: &Talk) -> Self {
        Self { session_id: talk.session_id.clone(), ..Self::default() }
    }

    /// Keeps an event; tells whether it is the last one there is.
    pub fn keep(&mut self, frame: Frame, face: Face, last: Option<i64>) -> bool {
        self.seen.push(Seen { frame, face });
        self.is_whole(last)
    }

    /// Whether the event of this number has been seen.
    pub fn is_whole(&self, last: Option<i64>) -> bool {
        let at = self.cursor().and_then(|cursor| cursor.split_once('.')?.0.parse::<i64>().ok());
        last.is_some_and(|last| at.unwrap_or(0) >= last)
    }

    /// Where it stands.
    pub fn cursor(&self) -> Option<&str> {
        // `caught.up` tells of the stream, not of the session.
        let mut backwards = self.seen.iter().rev().filter(|seen| seen.frame.event != "caught.up");
        backwards.next().map(|seen| seen.frame.id.as_str())
    }
}

impl Watching {
    /// Watches until the last event of the session.
    pub async fn run(mut self) -> Recording {
        let mut recording = Recording::of(&self.talk);
        while !recording.is_whole(self.last()) {
            let face = if self.random.random_bool(0.5) { Face::Sse } else { Face::Socket };
            let Some(caller) = self.replicas.any_caller(&mut self.random) else {
                sleep(PAUSE).await;
                continue;
            };
            let after = recording.cursor().map(str::to_owned);
            match Stream::open(face, &caller, &self.talk, after.as_deref()).await {
                Ok(Some(stream)) => self.stay(stream, &mut recording).await,
                Ok(None) => sleep(PAUSE).await,
                Err(refusal) => {
                    recording.refusals.push(refusal);
                    sleep(PAUSE).await;
                }
            }
        }
        recording
    }

    /// Reads one stream until it ends, all is seen, or the watcher is tired of it.
    async fn stay(&mut self, mut stream: Stream, recording: &mut Recording) {
        let face = stream.face();
        let mut events = if self.restless { self.random.random_range(1..=EVENTS_MAX) } else { u32::MAX };
        let stay = Duration::from_millis(self.random.random_range(20..=STAY_MS_MAX));
        let tired = Instant::now() + stay;
        while events > 0 && !recording.is_whole(self.last()) {
            let restless = self.restless && self.last().is_none();
            let patience = if restless { tired.saturating_duration_since(Instant::now()) } else { SILENCE };
            let Ok(next) = timeout(patience, stream.next()).await else { break };
            match next {
                Ok(Some(frame)) => self.keep(frame, face, recording),
                Ok(None) => return,
                Err(refusal) => return recording.refusals.push(refusal),
            }
            events -= 1;
        }
        if let (Stream::Sse(sse), true) = (stream, self.restless && self.random.random_bool(0.5)) {
            let bytes = self.random.random_range(0..TORN_BYTES_MAX);
            for frame in timeout(PAUSE, sse.torn(bytes)).await.unwrap_or_default() {
                self.keep(frame, face, recording);
            }
        }
        self.progress.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    fn keep(&self, frame: Frame, face: Face, recording: &mut Recording) {
        if frame.event == "message.delta" {
            self.progress.deltas.fetch_add(1, Ordering::Relaxed);
        }
        recording.keep(frame, face, None);
    }

    fn last(&self) -> Option<i64> {
        self.goals.borrow().as_ref().and_then(|goals| goals.get(&self.talk.session_id).copied())
    }
}

/// Whether a subscription was refused because of what happens to the server, not because of what was asked.
fn is_outage(refusal: &Value) -> bool {
    refusal["payload"].as_array().into_iter().flatten().any(|error| error["extensions"]["code"] == "UNAVAILABLE")
}

/// The whole session as this replica replays it on this face, up to the event of this number.
pub async fn replay(face: Face, caller: &Caller, talk: &Talk, last: i64) -> Recording {
    let mut recording = Recording { replay: true, ..Recording::of(talk) };
    let mut stream = Stream::open(face, caller, talk, None).await.unwrap().expect("a stream of a server that is up");
    while !recording.is_whole(Some(last)) {
        let next = timeout(SILENCE, stream.next()).await;
        let Ok(Ok(Some(frame))) = next else {
            recording
                .refusals
                .push(format!("a replay by {face:?} ended at {:?} of {last}: {next:?}", recording.cursor()));
            break;
        };
        recording.keep(frame, face, None);
    }
    recording
}
