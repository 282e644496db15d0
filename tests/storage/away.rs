//! PostgreSQL out of reach, behind a way that can be closed: nobody hangs, nobody is told of a fault, streams stay open.

use std::time::{Duration, Instant};

use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{assert_refused, assert_unavailable, message};
use crate::app::{TestApp, text_of};

/// Longer than the server gives any statement.
const BOUND: Duration = Duration::from_secs(15);

/// The way to a server.
struct Way {
    port: u16,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Open,
    /// Connections are closed, old and new.
    Closed,
    /// Nothing passes, nothing is closed.
    Silent,
}

impl Way {
    async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (state, watching) = watch::channel(State::Open);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(pass(socket, server.clone(), watching.clone()));
            }
        });
        Self { port, state }
    }

    /// A server whose database is at the end of a way; none where the tests run on SQLite.
    async fn with_app() -> Option<(Self, TestApp)> {
        let server = std::env::var("TEST_DATABASE_URL").ok()?;
        let address = server.split('@').next_back()?.split('/').next()?.to_owned();
        let way = Self::to(address.clone()).await;
        let local = format!("127.0.0.1:{}", way.port);
        let app = TestApp::start_with(|config| {
            config.database_url = config.database_url.expose_secret().replace(&address, &local).into();
        });
        let app = app.await;
        Some((way, app))
    }

    fn is(&self, state: State) {
        self.state.send_replace(state);
    }
}

/// Passes bytes on while the way is open. What was silent once never speaks again: its other end has forgotten it.
async fn pass(mut socket: TcpStream, server: String, mut state: watch::Receiver<State>) {
    if *state.borrow_and_update() == State::Open {
        let Ok(mut other) = TcpStream::connect(server).await else { return };
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut socket, &mut other) => return,
            _ = state.wait_for(|state| *state != State::Open) => {}
        }
        let _ = state.wait_for(|state| *state == State::Closed).await;
        return;
    }
    let _ = state.wait_for(|state| *state != State::Silent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_callers_are_told_so_and_streams_stay_open() {
    let Some((way, app)) = Way::with_app().await else { return };
    let (path, session_id) = app.session().await;
    let messages = format!("{path}/messages");
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "/sim words=30 delay_ms=20").await;
    stream.until("message.delta").await;

    way.is(State::Closed);
    assert_unavailable(&app.post(&messages, message("lost")).await);
    let send =
        "mutation($id: ID!) { sendMessage(input: { sessionId: $id, content: { text: \"lost\" } }) { message { id } } }";
    assert_refused(&app, send, json!({ "id": session_id })).await;
    assert_refused(&app, "{ agents { nodes { id } } }", json!({})).await;
    for path in ["/v1/agents", &path, &messages, &format!("{path}/events"), "/ready"] {
        assert_unavailable(&app.get(path).await);
    }
    assert_eq!(app.get("/health").await.status, 200);

    way.is(State::Open);
    app.say(&path, "/sim echo after").await;
    stream.until("session.completed").await;
    assert_eq!(text_of(&stream.until("session.completed").await), "after");
    assert_eq!(app.get("/ready").await.status, 200);
    let stored = app.get(&messages).await.body["data"].as_array().unwrap().len();
    assert_eq!(stored, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_says_nothing_at_all_holds_nobody_up() {
    let Some((way, app)) = Way::with_app().await else { return };
    let (path, _) = app.session().await;
    let messages = format!("{path}/messages");
    way.is(State::Silent);
    let asked = Instant::now();
    let (read, write, ready) =
        tokio::join!(app.get("/v1/agents"), app.post(&messages, message("lost")), app.get("/ready"));
    for answer in [read, write, ready] {
        assert_unavailable(&answer);
    }
    assert!(asked.elapsed() < BOUND, "{:?}", asked.elapsed());
    // The connections that were lost are not tried one after another.
    way.is(State::Open);
    assert_eq!(app.get("/v1/agents").await.status, 200);
    app.say(&path, "/sim echo after").await;
    app.sse(&path, None).await.until("session.completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_restarts_is_no_fault() {
    let Some((_way, app)) = Way::with_app().await else { return };
    let (path, _) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "/sim words=20 delay_ms=20").await;
    stream.until("message.delta").await;
    let mut conn = AsyncPgConnection::establish(app.config.database_url.expose_secret()).await.unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for _ in 0..20 {
        let ending = async { conn.batch_execute(end).await.unwrap() };
        let ((), read, write) = tokio::join!(
            ending,
            app.get("/v1/agents"),
            app.post("/v1/agents", json!({ "name": "A", "system_prompt": "" }))
        );
        for (answer, done) in [(read, 200), (write, 201)] {
            if answer.status != done {
                assert_unavailable(&answer);
            }
        }
    }
    stream.until("session.completed").await;
}
