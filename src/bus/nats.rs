//! The wire over NATS: fast, and may lose everything. While it is down, PostgreSQL's carries the notices.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event, ServerAddr, Subscriber};
use futures_util::StreamExt as _;
use futures_util::stream::select;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Notify;

use super::ear::Ear;
use super::message::Speaker;
use super::outbox::{Outbox, Shown};
use crate::error::{Error, Result};

/// How often the server is asked whether it is still there; it is gone when three questions are not answered.
const PING_EVERY: Duration = Duration::from_secs(2);
/// How long one attempt to connect may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long the first attempt to connect again waits, and how long each later one at most.
const RECONNECT_MIN: Duration = Duration::from_millis(100);
const RECONNECT_MAX: Duration = Duration::from_secs(1);
/// How long handing over a message may take.
const SEND_MAX: Duration = Duration::from_secs(1);
/// Messages that may wait for us on each subject; what is more is dropped and makes a gap.
const MESSAGES_MAX: usize = 4096;
/// How often the log says that the server is out of reach.
const WARN_EVERY: Duration = Duration::from_secs(60);
/// Bytes of one message at most, where the server takes even more.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// A connection that comes and goes.
#[derive(Clone)]
pub(super) struct Nats {
    client: Client,
    speaker: Speaker,
    /// Begins the subjects of one database: others on the same server are not heard.
    prefix: String,
    connected: Arc<Notify>,
}

impl Nats {
    /// Begins to connect, for ever; only an address that cannot be one is refused.
    pub(super) async fn open(
        url: &SecretString,
        database: &str,
        speaker: Speaker,
        ear: &Arc<Ear>,
        outbox: &Arc<Outbox>,
    ) -> Result<Self> {
        let refuse = || Error::bad_input("NATS_URL", "NATS_URL must be an address as nats://HOST:PORT");
        let servers: Vec<ServerAddr> = url
            .expose_secret()
            .split(',')
            .map(|server| server.trim().parse().map_err(|_| refuse()))
            .collect::<Result<_>>()?;
        let connected = Arc::new(Notify::new());
        let options = options(servers.first().ok_or_else(refuse)?);
        let options = options.event_callback(listener_of_events(ear.clone(), outbox.clone(), connected.clone()));
        // Without user and password, which the library would log.
        let servers = servers.iter().map(bare).collect::<Option<Vec<_>>>().ok_or_else(refuse)?;
        let client = options.connect(servers).await.map_err(Error::unavailable)?;
        Ok(Self { client, speaker, prefix: format!("everruns.{database}"), connected })
    }

    /// Whether what is sent now will probably arrive.
    pub(super) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Bytes that one message may have.
    pub(super) fn bytes_max(&self) -> usize {
        self.client.max_payload().min(MESSAGE_BYTES_MAX)
    }

    /// Sends notices.
    pub(super) async fn notify(&self, texts: Vec<String>) -> Result<()> {
        self.send(format!("{}.notices", self.prefix), texts).await
    }

    /// Waits until everything that was sent is on its way.
    pub(super) async fn flush(&self) -> Result<()> {
        let flushed = tokio::time::timeout(SEND_MAX, self.client.flush()).await.map_err(Error::unavailable)?;
        flushed.map_err(Error::unavailable)
    }

    /// Hears what the others send, and each time when it is connected, that something may be missed.
    pub(super) async fn listen(self, ear: Arc<Ear>) {
        let (Ok(notices), Ok(text)) = (self.subscribe("notices").await, self.subscribe("text").await) else { return };
        let mut messages = select(notices, text);
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => ear.hear(&message.payload),
                    None => return,
                },
                () = self.connected.notified() => {
                    // Once this is through, so is the subscription: what comes later is heard. Where it fails, the connection is gone again.
                    let _ = self.flush().await;
                    ear.miss();
                }
            }
        }
    }

    /// Sends the pieces that wait, all of a moment together.
    pub(super) async fn carry(self, shown: Arc<Shown>, pause: Duration) {
        loop {
            shown.filled().await;
            let pieces = shown.take();
            if self.is_connected() {
                let texts = self.speaker.pieces(&pieces, self.bytes_max());
                // Text that is lost is read from the database.
                let _ = self.send(format!("{}.text", self.prefix), texts).await;
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn send(&self, subject: String, texts: Vec<String>) -> Result<()> {
        for text in texts {
            let sending = self.client.publish(subject.clone(), text.into());
            let sent = tokio::time::timeout(SEND_MAX, sending).await.map_err(Error::unavailable)?;
            sent.map_err(Error::unavailable)?;
        }
        Ok(())
    }

    async fn subscribe(&self, subject: &str) -> Result<Subscriber> {
        self.client.subscribe(format!("{}.{subject}", self.prefix)).await.map_err(Error::unavailable)
    }
}

fn options(server: &ServerAddr) -> ConnectOptions {
    let options = ConnectOptions::new()
        .name("everruns")
        .no_echo()
        .retry_on_initial_connect()
        .connection_timeout(CONNECT_MAX)
        .ping_interval(PING_EVERY)
        .subscription_capacity(MESSAGES_MAX)
        .reconnect_delay_callback(|attempts| {
            let doubled = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
            RECONNECT_MIN.saturating_mul(2_u32.saturating_pow(doubled)).min(RECONNECT_MAX)
        });
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    match (server.username(), server.password()) {
        (Some(user), Some(password)) => options.user_and_password(decode(user), decode(password)),
        (Some(token), None) => options.token(decode(token)),
        (None, _) => options,
    }
}

fn bare(server: &ServerAddr) -> Option<ServerAddr> {
    let host = server.host();
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    format!("{}://{host}:{}", server.scheme(), server.port()).parse().ok()
}

/// What the connection says about itself.
fn listener_of_events(
    ear: Arc<Ear>,
    outbox: Arc<Outbox>,
    connected: Arc<Notify>,
) -> impl Fn(Event) -> std::future::Ready<()> + Send + Sync + 'static {
    let warned_at: Mutex<Option<Instant>> = Mutex::default();
    move |event| {
        match event {
            Event::Connected => {
                tracing::info!("connected to NATS");
                *warned_at.lock().unwrap_or_else(PoisonError::into_inner) = None;
                connected.notify_one();
            }
            // What was sent last may be lost.
            Event::Disconnected => outbox.add_gap(),
            Event::SlowConsumer(_) => ear.miss(),
            Event::ServerError(_) | Event::ClientError(_) => {
                let mut warned_at = warned_at.lock().unwrap_or_else(PoisonError::into_inner);
                if warned_at.is_none_or(|at| at.elapsed() > WARN_EVERY) {
                    *warned_at = Some(Instant::now());
                    tracing::warn!("NATS is out of reach ({event}): PostgreSQL carries the notices meanwhile");
                }
            }
            Event::LameDuckMode | Event::Draining | Event::Closed => {}
        }
        std::future::ready(())
    }
}
