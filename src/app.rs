//! The whole server, put together: from settings to a listener that answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clock::Timestamp;
use crate::config::Config;
use crate::db::{Counters, Store, commit};
use crate::edge::{self, EdgeSettings, Sockets};
use crate::error::{Error, Result};
use crate::events::Feed;
use crate::gateway::Gateway;
use crate::graphql;
use crate::llm::{ModelTimeouts, Models};
use crate::organizations::{DEFAULT_ORGANIZATION, Organization};
use crate::outbound;
use crate::runner::Runner;
use crate::turns::Signals;

/// How long open requests may take to end when the server stops.
const DRAIN: Duration = Duration::from_secs(10);

/// A server that is ready to answer.
pub struct App {
    router: Router,
    listener: TcpListener,
    address: SocketAddr,
    feed: Feed,
    runner: Arc<Runner>,
    counters: Arc<Counters>,
}

impl App {
    /// Opens the database, begins to answer turns and listens; requests are answered once it runs.
    ///
    /// The future is boxed so that the server's code is generated in this crate: a crate that awaits an unboxed one generates all of it again.
    pub fn start(config: Config) -> BoxFuture<'static, Result<Self>> {
        Self::open(config).boxed()
    }

    async fn open(config: Config) -> Result<Self> {
        let counters = Arc::new(Counters::default());
        let store = Store::open(&config.database_url, counters.clone()).await?;
        let default = Organization { id: DEFAULT_ORGANIZATION, name: "Default".into(), created_at: Timestamp::now() };
        commit!(&store, organizations::create_if_missing(default))?;
        let (feed, signals) = (Feed::default(), Signals::default());
        let models = models(&config)?;
        let lease = Duration::from_millis(config.turn_lease_ms);
        let runner = Runner::new(store.clone(), feed.clone(), signals.clone(), models, lease);
        let gateway = Gateway::new(graphql::schema(store.clone(), feed.clone(), signals), store);
        let listener = TcpListener::bind((config.host.as_str(), config.port)).await.map_err(|error| {
            Error::unavailable(format!("cannot listen on {}:{}: {error}", config.host, config.port))
        })?;
        let address = listener.local_addr().map_err(Error::internal)?;
        let settings = EdgeSettings {
            listen: address,
            allowed_origins: config.cors_allowed_origins.clone(),
            allowed_hosts: config.own_names(),
        };
        let (rest, _) = everruns_rest::router(gateway.clone());
        let router = edge::check_origins(edge::router(gateway).merge(rest), settings);
        runner.start().await?;
        Ok(Self { router, listener, address, feed, runner, counters })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its database has been asked so far.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Answers until `stop`, then ends streams, gives turns up and lets open requests end.
    pub fn run(self, stop: CancellationToken) -> BoxFuture<'static, Result<()>> {
        self.serve(stop).boxed()
    }

    async fn serve(self, stop: CancellationToken) -> Result<()> {
        let Self { router, listener, feed, runner, .. } = self;
        let signal = stop.clone();
        let serving =
            axum::serve(Sockets(listener), router).with_graceful_shutdown(async move { signal.cancelled().await });
        let serving = tokio::spawn(serving.into_future());
        stop.cancelled().await;
        feed.stop();
        runner.stop().await;
        match tokio::time::timeout(DRAIN, serving).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => Err(Error::internal(error)),
            Ok(Err(error)) => Err(Error::internal(error)),
            Err(_) => {
                tracing::warn!("requests that did not end in time were cut");
                Ok(())
            }
        }
    }
}

fn models(config: &Config) -> Result<Models> {
    let clients = outbound::model_clients().map_err(|error| Error::internal(outbound::cause(error)))?;
    Ok(Models::new(config.models.clone(), clients, ModelTimeouts::DEFAULT))
}
