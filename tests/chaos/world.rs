//! The setting of a story: replicas on a database, sessions that are talked in, watchers of each, and the check at the end.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::checker::{self, Figures};
use super::dose;
use super::replicas::Replicas;
use super::rows::{Database, Rows};
use super::senders::{self, Sent, Talk};
use super::watchers::{Face, Goals, Progress, Recording, Watching, replay};
use crate::app::PATIENCE;

/// How often the database is looked at for what is waited for.
pub const GLANCE: Duration = Duration::from_millis(30);
/// How long all turns together may take once everything works again.
const CALM_WAIT: Duration = Duration::from_secs(120);

/// One story's.
pub struct World {
    name: String,
    pub replicas: Arc<Replicas>,
    pub database: Database,
    pub talks: Vec<Talk>,
    pub progress: Arc<Progress>,
    goals: watch::Sender<Goals>,
    watchers: JoinSet<Recording>,
    recordings: Vec<Recording>,
    sent: Vec<Sent>,
    _logs: LogsOfFailure,
}

/// Shows what the replicas logged, where the test is failing.
struct LogsOfFailure(Arc<Replicas>);

impl Drop for LogsOfFailure {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.0.logs());
        }
    }
}

impl World {
    /// So many sessions on these replicas, of which the first is up. The agents have a tool that may run twice.
    pub async fn begin(name: &str, database_url: &str, replicas: Arc<Replicas>, sessions: usize) -> Self {
        let caller = (0..replicas.count()).find_map(|index| replicas.caller(index)).expect("a replica that is up");
        let mut talks = Vec::new();
        for _ in 0..sessions {
            let (path, session_id) = caller.session_with(&["noop"]).await;
            talks.push(Talk { path, session_id });
        }
        Self {
            name: name.to_owned(),
            _logs: LogsOfFailure(replicas.clone()),
            replicas,
            database: Database { url: database_url.to_owned() },
            talks,
            progress: Arc::default(),
            goals: watch::Sender::new(None),
            watchers: JoinSet::new(),
            recordings: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// So many more watchers of each session, restless or not.
    pub fn watch(&mut self, of_each: usize, restless: bool) {
        for talk in &self.talks {
            for _ in 0..of_each {
                let number = self.watchers.len();
                let watching = Watching {
                    replicas: self.replicas.clone(),
                    talk: talk.clone(),
                    random: dose::random_for(&format!("{} watcher {number}", self.name)),
                    goals: self.goals.subscribe(),
                    progress: self.progress.clone(),
                    restless,
                };
                self.watchers.spawn(watching.run());
            }
        }
    }

    /// Sends a message in the session of this place, with so many words as its last step's answer.
    pub async fn say(&mut self, session: usize, prompt: &str, words: usize) {
        let talk = self.talks[session].clone();
        let label = format!("{}-{}", self.name, self.sent.len());
        let mut random = dose::random_for(&label);
        let sent = Sent::new(&talk, prompt, words, &label);
        let sent = senders::send(&self.replicas, &mut random, &talk, sent).await;
        self.sent.push(sent);
    }

    /// Adds what somebody else sent.
    pub fn add_sent(&mut self, sent: impl IntoIterator<Item = Sent>) {
        self.sent.extend(sent);
    }

    /// Adds what a watcher of the story's own saw, which has to be all there is.
    pub fn add_recording(&mut self, recording: Recording) {
        self.recordings.push(recording);
    }

    /// Reconnects that watchers decided on so far.
    pub fn reconnects(&self) -> u64 {
        self.progress.reconnects.load(Ordering::Relaxed)
    }

    /// Waits until the database shows this.
    pub async fn until(&self, what: &str, shows: impl Fn(&Rows) -> bool) -> Rows {
        self.until_within(CALM_WAIT, what, shows).await
    }

    /// Waits until no turn waits or runs.
    pub async fn until_quiet(&self) -> Rows {
        self.until("quiet", Rows::are_quiet).await
    }

    /// Waits until all is quiet and all watchers have seen it all, replays it on every replica and face, and checks.
    pub async fn end(mut self) -> Figures {
        let rows = self.settle().await;
        match checker::check(&rows, &self.sent, &self.recordings) {
            Ok(figures) => self.tell(&figures),
            Err(findings) => panic!("broken promises:\n{findings}"),
        }
    }

    /// The same without the check: what there is to be checked.
    pub async fn leave(mut self) -> (Rows, Vec<Sent>, Vec<Recording>) {
        (self.settle().await, self.sent, self.recordings)
    }

    async fn settle(&mut self) -> Rows {
        let rows = self.until_quiet().await;
        let lasts = self.talks.iter().map(|talk| (talk.session_id.clone(), rows.last_event(&talk.session_id)));
        let lasts: Arc<HashMap<String, i64>> = Arc::new(lasts.collect());
        self.goals.send_replace(Some(lasts.clone()));
        let began = Instant::now();
        while let Ok(Some(recording)) =
            timeout(PATIENCE.saturating_sub(began.elapsed()), self.watchers.join_next()).await
        {
            self.recordings.push(recording.expect("a watcher that ends well"));
        }
        assert!(self.watchers.is_empty(), "watchers do not see the end");
        for index in 0..self.replicas.count() {
            let Some(caller) = self.replicas.caller(index) else { continue };
            for talk in &self.talks {
                for face in [Face::Sse, Face::Socket] {
                    self.recordings.push(replay(face, &caller, talk, lasts[&talk.session_id]).await);
                }
            }
        }
        rows
    }

    fn tell(&self, figures: &Figures) -> Figures {
        let database = if self.database.is_shared() { "postgres" } else { "sqlite" };
        dose::say(
            "story",
            &[
                ("name", &self.name),
                ("database", &database),
                // The checker found none, or there would be no figures.
                ("lost", &0),
                ("doubled", &0),
                ("messages", &figures.messages),
                ("turns", &figures.turns),
                ("no_progress", &figures.no_progress),
                ("claims_per_turn", &format!("{:.2}", figures.claims_per_turn)),
                ("seen", &figures.seen),
                ("reconnects", &self.reconnects()),
            ],
        );
        figures.clone()
    }

    async fn until_within(&self, wait: Duration, what: &str, shows: impl Fn(&Rows) -> bool) -> Rows {
        let began = Instant::now();
        loop {
            let rows = self.database.rows().await;
            if shows(&rows) {
                return rows;
            }
            let turns: Vec<_> = rows.turns.iter().filter(|turn| turn.status != "completed").collect();
            assert!(began.elapsed() < wait, "{what} was not reached: {turns:?}");
            sleep(GLANCE).await;
        }
    }
}
