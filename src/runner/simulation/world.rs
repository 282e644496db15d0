//! Where a simulation takes place: a database with one session, the processes on it, and who tells the story to them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::process::Process;
use super::story::{Act, Fault, Story};
use super::watcher::{self, Seen};
use crate::agents::{Agent, CreateAgentInput};
use crate::clock::Timestamp;
use crate::config::{ModelSettings, SecretSettings};
use crate::db::ids::{Id, Noun};
use crate::db::{Store, commit, read};
use crate::llm::{ModelTimeouts, Models};
use crate::messages::{NewMessage, WhenBusy};
use crate::organizations::{DEFAULT_ORGANIZATION, Organization};
use crate::outbound::{self, AllowedHosts, Reach};
use crate::page::Page;
use crate::runner::Web;
use crate::secrets::Secrets;
use crate::sessions::{CreateSessionInput, Session};
use crate::turns::{Turn, TurnStatus};

/// Who watches a story: the first stays as long as its process lives, the others come and go.
const WATCHERS: u64 = 3;
/// Where nothing is stored for so long, the leases run out.
const STALL: Duration = Duration::from_millis(150);
/// From one look whether all is over to the next.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// What every runner is made of. Clients are made once: the simulator needs none.
static CLIENTS: LazyLock<(outbound::ModelClients, Web)> = LazyLock::new(|| {
    let clients = outbound::model_clients(&Reach::default()).unwrap();
    (clients, Web::new(&AllowedHosts::default()).unwrap())
});

/// All of one seed.
pub(super) struct World {
    pub(super) seed: u64,
    /// The database, without faults.
    pub(super) store: Store,
    pub(super) organization_id: Id,
    pub(super) session_id: Id,
    faults: Mutex<HashMap<u64, Fault>>,
    writes: AtomicU64,
    processes: Mutex<Vec<Arc<Process>>>,
}

impl World {
    /// A session whose agent has tools, and a first process.
    pub(super) async fn new(store: Store, seed: u64, story: &Story) -> Arc<Self> {
        let organization_id = DEFAULT_ORGANIZATION;
        let organization = Organization { id: organization_id, name: "Default".into(), created_at: Timestamp::now() };
        commit!(&store, organizations::create_if_missing(organization)).unwrap();
        let agent = CreateAgentInput {
            name: "Assistant".into(),
            system_prompt: String::new(),
            description: None,
            tags: None,
            default_model_id: None,
            idempotency_key: None,
        };
        let agent = Agent::new(organization_id, agent).unwrap();
        let agent_id = commit!(&store, agents::create(agent, None)).unwrap().row.id;
        let capabilities = vec!["noop".to_owned(), "current_time".to_owned()];
        commit!(&store, capabilities::update(organization_id, agent_id, capabilities)).unwrap();
        let session = CreateSessionInput { agent_id, title: None, tags: None, model_id: None, idempotency_key: None };
        let session = Session::new(organization_id, session).unwrap();
        let session_id = commit!(&store, sessions::create(session, None)).unwrap().row.id;
        let world = Arc::new(Self {
            seed,
            store,
            organization_id,
            session_id,
            faults: Mutex::new(story.faults.clone()),
            writes: AtomicU64::new(0),
            processes: Mutex::default(),
        });
        Process::start(&world);
        world
    }

    pub(super) fn processes(&self) -> MutexGuard<'_, Vec<Arc<Process>>> {
        self.processes.lock().unwrap()
    }

    pub(super) fn parts(&self) -> (Models, Web) {
        let (clients, web) = CLIENTS.clone();
        let key = format!("test:{}=", "A".repeat(43));
        let settings = SecretSettings { secrets_encryption_key: Some(key.into()), ..SecretSettings::default() };
        let secrets = Arc::new(Secrets::new(&settings, None).unwrap());
        (Models::new(ModelSettings::default(), clients, ModelTimeouts::DEFAULT, secrets), web)
    }

    /// What goes wrong at the next write.
    pub(super) fn next_fault(&self) -> Option<Fault> {
        let number = self.writes.fetch_add(1, Ordering::Relaxed);
        self.faults.lock().unwrap().remove(&number)
    }

    /// Tells the story and waits until every turn has ended and every watcher has seen all of it.
    pub(super) async fn tell(self: &Arc<Self>, story: &Story) -> Vec<Seen> {
        let (end, ended) = watch::channel(None);
        let watching = join_all((0..WATCHERS).map(|number| watcher::watch_all(self.clone(), number, ended.clone())));
        let telling = async {
            for act in &story.acts {
                self.act(act).await;
            }
            end.send_replace(Some(self.settle(story.needs_leases()).await));
        };
        tokio::join!(watching, telling).0
    }

    async fn act(&self, act: &Act) {
        let (organization_id, session_id) = (self.organization_id, self.session_id);
        match act {
            Act::Send(text) => {
                let new = NewMessage {
                    organization_id,
                    id: Id::new(Noun::Message),
                    session_id,
                    agent_id: None,
                    text: text.clone(),
                    parts: None,
                    model_id: None,
                    when_busy: WhenBusy::Enqueue,
                };
                commit!(&self.store, messages::send(new, None)).unwrap();
            }
            Act::Cancel => {
                commit!(&self.store, messages::cancel(organization_id, session_id, None)).unwrap();
                for process in self.processes().iter() {
                    process.signals.stop(session_id, None);
                }
            }
            Act::Rest(time) => return sleep(*time).await,
        }
        for process in self.processes().iter() {
            process.signals.work_waits();
        }
    }

    /// Waits until no turn is queued or running; gives back the number of the last event. Leases run out where nothing goes on, if there are any.
    async fn settle(&self, has_leases: bool) -> i64 {
        let (mut head, mut since) = (-1, Instant::now());
        loop {
            let now = self.session().await.head();
            if now != head {
                (head, since) = (now, Instant::now());
            }
            let open = |turn: &Turn| matches!(turn.status, TurnStatus::Queued | TurnStatus::Running);
            if !self.turns().await.iter().any(open) {
                return self.session().await.head();
            }
            if has_leases && since.elapsed() > STALL {
                commit!(&self.store, turns::release()).unwrap();
                for process in self.processes().iter() {
                    process.signals.sweep();
                }
                since = Instant::now();
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    pub(super) async fn session(&self) -> Session {
        let found = async { read!(&self.store, sessions::get(self.organization_id, self.session_id, None)) };
        found.await.unwrap().unwrap()
    }

    pub(super) async fn turns(&self) -> Vec<Turn> {
        let page = Page { after: None, before: None, backwards: false, size: 500 };
        let found = async { read!(&self.store, turns::list(self.organization_id, self.session_id, None, &page)) };
        found.await.unwrap()
    }

    pub(super) async fn turns_as_text(&self) -> String {
        let turns = self.turns().await;
        let shown = |turn: &Turn| format!("{:?} epoch {} claims {}", turn.status, turn.epoch, turn.attempts);
        turns.iter().map(shown).collect::<Vec<_>>().join(", ")
    }

    /// Ends every process.
    pub(super) fn stop(&self) {
        for process in self.processes().drain(..) {
            process.dead.cancel();
        }
    }
}
