//! A server of a test's own, and the callers who talk to it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use everruns::app::App;
use everruns::config::{AuthMode, AuthSettings, Config, ModelSettings, Origins, SecretSettings, Switch};
use everruns::db::Counters;
use everruns::outbound::AllowedHosts;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::openapi;

/// A server on a port and a database of its own. Its model is the simulator unless `start_with` says otherwise.
pub struct TestApp {
    pub counters: Arc<Counters>,
    pub config: Config,
    caller: Caller,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    _folder: Arc<tempfile::TempDir>,
}

/// Who talks to a server, wherever it runs.
pub struct Caller {
    pub http: reqwest::Client,
    base: String,
    /// What it sends as `Authorization`, if anything.
    pub authorization: Option<String>,
}

/// What a caller got.
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

/// So long a test waits for what must happen; it goes on as soon as it has.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// E-mail and password of mode admin's user.
pub const ADMIN: (&str, &str) = ("admin@example.com", "correct horse battery");
/// The password of users who sign up here.
pub const PASSWORD: &str = "staple of a horse";
const JWT_SECRET: &str = "a secret of at least thirty-two characters";

/// Names databases apart within this run.
static DATABASES: AtomicU32 = AtomicU32::new(0);

impl TestApp {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A server with other settings than the default ones.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let mut config = config(database_url(&folder).await);
        change(&mut config);
        Self::serve(config, folder).await
    }

    /// The same database under a new server, the old one stopped gracefully.
    pub async fn restart(self) -> Self {
        let (config, folder) = (self.config.clone(), self._folder.clone());
        self.stop().await;
        Self::serve(config, folder).await
    }

    /// Stops gracefully and returns when it has.
    pub async fn stop(self) {
        self.stop.cancel();
        self.serving.await.expect("the server stops");
    }

    /// A server in mode admin; its user is `ADMIN`.
    pub async fn start_admin() -> Self {
        Self::start_with(|config| {
            config.auth.mode = AuthMode::Admin;
            (config.auth.admin_email, config.auth.admin_password) = (Some(ADMIN.0.into()), Some(ADMIN.1.into()));
            config.auth.jwt_secret = Some(JWT_SECRET.into());
        })
        .await
    }

    /// A server in mode full, without users.
    pub async fn start_full() -> Self {
        Self::start_full_with(|_| {}).await
    }

    /// The same with other settings than the default ones.
    pub async fn start_full_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_with(|config| {
            config.auth.mode = AuthMode::Full;
            config.auth.jwt_secret = Some(JWT_SECRET.into());
            change(config);
        })
        .await
    }

    /// Another server on the same database, beside this one: only PostgreSQL serves two.
    pub async fn beside(&self) -> Self {
        Self::serve(self.config.clone(), self._folder.clone()).await
    }

    async fn serve(config: Config, folder: Arc<tempfile::TempDir>) -> Self {
        let app = App::start(config.clone()).await.expect("the server starts");
        let (caller, counters) = (Caller::new(app.address().port()), app.counters());
        let stop = CancellationToken::new();
        let serving = tokio::spawn({
            let stop = stop.clone();
            async move { app.run(stop).await.expect("the server runs") }
        });
        Self { counters, config, caller, stop, serving, _folder: folder }
    }
}

impl std::ops::Deref for TestApp {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Caller {
    /// A caller of the server at this port.
    pub fn new(port: u16) -> Self {
        Self { http: client(), base: format!("127.0.0.1:{port}"), authorization: None }
    }

    /// The same server's caller who sends this `Authorization` with everything.
    pub fn with(&self, authorization: &str) -> Self {
        let headers = [("authorization", authorization)];
        let headers = headers.map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
        Self {
            http: client_with(headers.into_iter().collect()),
            base: self.base.clone(),
            authorization: Some(authorization.to_owned()),
        }
    }

    /// Signs in; gives back the tokens.
    pub async fn login(&self, (email, password): (&str, &str)) -> Value {
        let answer = self.post("/v1/auth/login", json!({ "email": email, "password": password })).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    /// Makes an account; gives back its tokens.
    pub async fn register(&self, email: &str) -> Value {
        let answer = self.post("/v1/auth/register", json!({ "email": email, "password": PASSWORD })).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body
    }

    /// The caller who goes on with these tokens.
    pub fn signed_in(&self, tokens: &Value) -> Self {
        self.with(&format!("Bearer {}", tokens["access_token"].as_str().expect("an access token")))
    }

    /// A new API key of a signed-in caller with these scopes; its id and the caller who sends it.
    pub async fn key(&self, scopes: Value) -> (String, Self) {
        let answer = self.post("/v1/auth/api-keys", json!({ "name": "test", "scopes": scopes })).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let text = |name: &str| answer.body[name].as_str().expect("a text").to_owned();
        (text("id"), self.with(&text("key")))
    }

    /// The address of a path, over HTTP.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.base)
    }

    /// The address of GraphQL over WebSocket.
    pub fn ws_url(&self) -> String {
        format!("ws://{}/graphql", self.base)
    }

    /// Asks GraphQL; gives back `data` and fails the test on errors.
    pub async fn ask(&self, query: &str, variables: Value) -> Value {
        let mut body = self.graphql(query, variables).await.body;
        assert!(body.get("errors").is_none(), "{query} answered {body}");
        body["data"].take()
    }

    /// Asks GraphQL for what is refused; gives back the first error.
    pub async fn refused(&self, query: &str, variables: Value) -> Value {
        let mut body = self.graphql(query, variables).await.body;
        assert!(body.get("errors").is_some(), "{query} was not refused: {body}");
        body["errors"][0].take()
    }

    /// Asks GraphQL; gives back the whole answer.
    pub async fn graphql(&self, query: &str, variables: Value) -> Answer {
        let body = json!({ "query": query, "variables": variables });
        answer(self.http.post(self.url("/graphql")).json(&body)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        answer(self.http.get(self.url(path))).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        answer(self.http.post(self.url(path)).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        answer(self.http.put(self.url(path)).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        answer(self.http.patch(self.url(path)).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        answer(self.http.delete(self.url(path))).await
    }

    /// A new agent and a session with it: the path of the session under /v1, and the session's id.
    pub async fn session(&self) -> (String, String) {
        let agent = self.post("/v1/agents", json!({ "name": "Assistant", "system_prompt": "Be brief." })).await;
        let agent_id = agent.body["id"].as_str().expect("an agent's id").to_owned();
        let session = self.post(&format!("/v1/agents/{agent_id}/sessions"), json!({})).await;
        let session_id = session.body["id"].as_str().expect("a session's id").to_owned();
        (format!("/v1/agents/{agent_id}/sessions/{session_id}"), session_id)
    }

    /// A new session whose agent has these capabilities: its path under /v1, and its id.
    pub async fn session_with(&self, capability_ids: &[&str]) -> (String, String) {
        let (path, session_id) = self.session().await;
        let (agent, _) = path.split_once("/sessions").expect("an agent's path");
        let set = self.put(&format!("{agent}/capabilities"), json!({ "capability_ids": capability_ids })).await;
        assert_eq!(set.status, 200, "{}", set.body);
        (path, session_id)
    }

    /// Sends a message over REST; gives back the stored one.
    pub async fn say(&self, session: &str, text: &str) -> Value {
        let sent =
            self.post(&format!("{session}/messages"), json!({ "role": "user", "content": { "text": text } })).await;
        assert_eq!(sent.status, 201, "{}", sent.body);
        sent.body
    }

    /// Watches the session's SSE stream, after this id where one is given.
    pub async fn sse(&self, session: &str, last_event_id: Option<&str>) -> Sse {
        let mut request = self.http.get(self.url(&format!("{session}/events"))).header("accept", "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        Sse::of(request).await
    }
}

/// An open SSE stream.
pub struct Sse {
    bytes: futures_util::stream::BoxStream<'static, reqwest::Result<axum::body::Bytes>>,
    buffer: Vec<u8>,
}

/// One event of an SSE stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub id: String,
    pub event: String,
    pub data: Value,
}

impl Sse {
    /// The stream that this request asks for.
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        Self::try_of(request).await.expect("an answer").expect("200")
    }

    /// The same where there may be no server, or one that refuses with a status.
    pub async fn try_of(request: reqwest::RequestBuilder) -> reqwest::Result<Result<Self, u16>> {
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok(if status == 200 {
            Ok(Self { bytes: response.bytes_stream().boxed(), buffer: Vec::new() })
        } else {
            Err(status)
        })
    }

    /// Leaves in the middle of what comes next, of which so many bytes arrive; gives back what is whole in them.
    pub async fn torn(mut self, bytes: usize) -> Vec<Frame> {
        let piece = self.bytes.next().await.and_then(Result::ok).unwrap_or_default();
        self.buffer.extend_from_slice(&piece[..bytes.min(piece.len())]);
        self.bytes = futures_util::stream::empty().boxed();
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }

    /// The next event; none when the stream has ended.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                if let Some(frame) = Frame::parse(std::str::from_utf8(&block).expect("UTF-8")) {
                    return Some(frame);
                }
                continue;
            }
            // A piece may end inside a character, a block does not.
            let bytes = self.bytes.next().await?.ok()?;
            self.buffer.extend_from_slice(&bytes);
        }
    }

    /// All events up to and with the next one of this name.
    pub async fn until(&mut self, event: &str) -> Vec<Frame> {
        let mut frames: Vec<Frame> = Vec::new();
        while frames.last().is_none_or(|frame| frame.event != event) {
            let next = tokio::time::timeout(PATIENCE, self.next()).await;
            let Ok(Some(frame)) = next else { panic!("no {event} came after {frames:?}") };
            frames.push(frame);
        }
        frames
    }
}

impl Frame {
    pub fn parse(block: &str) -> Option<Self> {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let (event, data) = (field("event:")?, field("data:")?);
        let frame = Self {
            id: field("id:").unwrap_or_default().to_owned(),
            event: event.to_owned(),
            data: serde_json::from_str(data).expect("JSON data"),
        };
        openapi::check_frame(&frame);
        Some(frame)
    }
}

/// The deltas of these frames, joined.
pub fn text_of(frames: &[Frame]) -> String {
    frames.iter().filter_map(|frame| frame.data["delta"].as_str()).collect()
}

/// A client that talks HTTP to loopback only.
pub fn client() -> reqwest::Client {
    client_with(reqwest::header::HeaderMap::new())
}

fn client_with(headers: reqwest::header::HeaderMap) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().default_headers(headers).build().expect("a client")
}

/// Sends a request and reads its answer, which must be one that OpenAPI knows where it is REST's.
pub async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let (client, request) = request.build_split();
    let request = request.expect("a request");
    let (method, path) = (request.method().clone(), request.url().path().to_owned());
    let response = client.execute(request).await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.expect("a body");
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok());
    openapi::check(method.as_str(), &path, status, content_type, &body);
    Answer { status, headers, body }
}

fn config(database_url: String) -> Config {
    Config {
        host: "127.0.0.1".into(),
        port: 0,
        database_url: database_url.into(),
        turn_lease_ms: 15_000,
        nats_url: None,
        runner: Switch::On,
        auth: AuthSettings::default(),
        models: ModelSettings::default(),
        secrets: secret_settings(),
        outbound_allowed_hosts: AllowedHosts::default(),
        introspection: None,
        graphiql: Switch::On,
        cors_allowed_origins: Origins::default(),
        log: String::new(),
    }
}

/// The key of every test's server.
pub fn secret_settings() -> SecretSettings {
    let key = format!("test:{}", "A".repeat(43) + "=");
    SecretSettings { secrets_encryption_key: Some(key.into()), ..SecretSettings::default() }
}

/// A fresh database: a file in `folder`, or one of its own on the PostgreSQL that `TEST_DATABASE_URL` names.
pub async fn database_url(folder: &tempfile::TempDir) -> String {
    let Ok(server) = std::env::var("TEST_DATABASE_URL") else {
        let file: PathBuf = folder.path().join("data").join("everruns.db");
        return format!("sqlite://{}", file.display());
    };
    let name = format!("test_{}_{}", std::process::id(), DATABASES.fetch_add(1, Ordering::Relaxed));
    let mut conn = AsyncPgConnection::establish(&server).await.expect("PostgreSQL answers");
    conn.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a database");
    let (head, _) = server.rsplit_once('/').expect("a database's name in TEST_DATABASE_URL");
    format!("{head}/{name}")
}
