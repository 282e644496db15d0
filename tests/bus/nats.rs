//! The wire over NATS: it is preferred while it is there, carries running text, and is replaced by PostgreSQL's when it is gone.

use std::process::Stdio;
use std::sync::Arc;

use everruns::bus::{Bus, Heard, Notice, Piece};
use everruns::db::ids::{Id, Noun};
use everruns::db::notices::{Listener, Notifier};
use everruns::db::{Counters, Store};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::{Replica, Shared, gone};
use crate::app::PATIENCE;

/// User and password of the server; neither may stand in a URL as it is.
const ACCOUNT: (&str, &str) = ("replica", "p@ss/word");

/// A NATS server that a test starts and kills; it needs `nats-server` on the machine.
struct NatsServer {
    port: u16,
    process: Option<Child>,
}

impl NatsServer {
    async fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let mut server = Self { port, process: None };
        server.start_again();
        server
    }

    fn start_again(&mut self) {
        let (user, password) = ACCOUNT;
        let process = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", &self.port.to_string(), "--user", user, "--pass", password])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("nats-server is installed");
        self.process = Some(process);
    }

    async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await.expect("it ends");
        }
    }

    fn url(&self) -> SecretString {
        format!("nats://replica:p%40ss%2Fword@127.0.0.1:{}", self.port).into()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_carries_notices_and_running_text() {
    let Some(shared) = Shared::new().await else { return };
    let server = NatsServer::start().await;
    let (one, mut other) = (shared.replica(Some(&server.url())).await, shared.replica(Some(&server.url())).await);
    assert!(one.bus.has_nats());
    meet(&one, &mut other).await;
    let mut wire = Listener::open(&shared.url).await.expect("it listens");
    let notice = gone();
    one.bus.tell(notice.clone());
    other.until(&Heard::Notice(notice)).await;
    // It did not go through PostgreSQL: this is the first text there.
    Notifier::new(shared.url.clone()).send(vec!["first".into()]).await.expect("it is sent");
    let text = tokio::time::timeout(PATIENCE, wire.next()).await.expect("a text comes").expect("the connection holds");
    assert_eq!(text, "first");
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_of_a_step_come_joined_and_in_order() {
    let Some(shared) = Shared::new().await else { return };
    let server = NatsServer::start().await;
    let (one, mut other) = (shared.replica(Some(&server.url())).await, shared.replica(Some(&server.url())).await);
    meet(&one, &mut other).await;
    let session_id = Id::new(Noun::Session);
    let (words, mut shown) = (20_000, 0);
    for _ in 0..words {
        one.bus.show(|| Piece { session_id, started: 3, offset: shown, text: "word ".into() });
        shown += "word ".len();
    }
    let (mut read, mut pieces) = (0, 0);
    while read < shown {
        let Heard::Piece(piece) = other.next().await else { continue };
        if piece.session_id == session_id {
            assert_eq!((piece.started, piece.offset), (3, read));
            read += piece.text.len();
            pieces += 1;
        }
    }
    assert!(pieces < words / 10, "{pieces} pieces for {words} words");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_nats_notices_go_through_postgresql_until_it_is_back() {
    let Some(shared) = Shared::new().await else { return };
    let mut server = NatsServer::start().await;
    let (one, mut other) = (shared.replica(Some(&server.url())).await, shared.replica(Some(&server.url())).await);
    meet(&one, &mut other).await;
    server.kill().await;
    let without = gone();
    other.until_said(&Heard::Notice(without.clone()), || one.bus.tell(without.clone())).await;
    while other.heard.try_recv().is_ok() {}
    server.start_again();
    let before = meet(&one, &mut other).await;
    assert!(before.contains(&Heard::Gap), "what was shown meanwhile is missed: {before:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nats_server_that_is_not_there_does_not_hold_up_the_start() {
    let Some(shared) = Shared::new().await else { return };
    let mut server = NatsServer::start().await;
    server.kill().await;
    let (one, mut other) = (shared.replica(Some(&server.url())).await, shared.replica(Some(&server.url())).await);
    assert_eq!(other.next().await, Heard::Gap);
    one.bus.tell(Notice::Work);
    other.until(&Heard::Notice(Notice::Work)).await;
    server.start_again();
    meet(&one, &mut other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_databases_on_one_nats_server_do_not_hear_each_other() {
    let (Some(ours), Some(theirs)) = (Shared::new().await, Shared::new().await) else { return };
    let server = NatsServer::start().await;
    let (one, mut other) = (ours.replica(Some(&server.url())).await, ours.replica(Some(&server.url())).await);
    let (stranger, mut neighbour) =
        (theirs.replica(Some(&server.url())).await, theirs.replica(Some(&server.url())).await);
    meet(&one, &mut other).await;
    let said_there = meet(&stranger, &mut neighbour).await;
    assert!(said_there.iter().all(|heard| *heard == Heard::Gap), "{said_there:?}");
    let (foreign, own) = (gone(), gone());
    stranger.bus.tell(foreign.clone());
    neighbour.until(&Heard::Notice(foreign.clone())).await;
    one.bus.tell(own.clone());
    let before = other.until(&Heard::Notice(own)).await;
    assert!(!before.contains(&Heard::Notice(foreign)), "{before:?}");
}

#[tokio::test]
async fn nats_is_refused_beside_sqlite_and_so_is_what_is_no_address() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = SecretString::from(format!("sqlite://{}", folder.path().join("everruns.db").display()));
    let store = Store::open(&url, Arc::new(Counters::default())).await.expect("the database opens");
    assert!(!Bus::open(&store, &url, None).await.expect("it is alone").has_nats());
    let refused = Bus::open(&store, &url, Some(&"nats://127.0.0.1:4222".into())).await.err().expect("a refusal");
    assert_eq!(refused.field.as_deref(), Some("NATS_URL"));
    assert!(refused.message.contains("PostgreSQL"), "{}", refused.message);
    let Some(shared) = Shared::new().await else { return };
    let refused = Bus::open(&shared.store, &shared.url, Some(&"http://".into())).await.err().expect("a refusal");
    assert_eq!(refused.field.as_deref(), Some("NATS_URL"));
}

/// Waits until what one replica shows is seen by the other: both are connected to NATS then, as nothing else carries pieces. Gives back what the
/// other heard before.
async fn meet(one: &Replica, other: &mut Replica) -> Vec<Heard> {
    let piece = Piece { session_id: Id::new(Noun::Session), started: 1, offset: 0, text: "hello".into() };
    other.until_said(&Heard::Piece(piece.clone()), || one.bus.show(|| piece.clone())).await
}
