//! The whole server, put together: from settings to a listener that answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::auth::Accounts;
use crate::bus::Bus;
use crate::clock::Timestamp;
use crate::config::{AuthMode, Config, Switch};
use crate::db::{Counters, Store, commit, key_file, read};
use crate::edge::{self, EdgeSettings, Sockets};
use crate::error::{Error, Result};
use crate::events::Feed;
use crate::gateway::Gateway;
use crate::graphql::{self, RunnerMode};
use crate::llm::{ModelTimeouts, Models, ProviderRules};
use crate::organizations::{DEFAULT_ORGANIZATION, Organization};
use crate::outbound::{self, Reach};
use crate::replica;
use crate::runner::{Runner, Web};
use crate::secrets::{KEY_BYTES, Secrets};
use crate::turns::Signals;

/// How long open requests may take to end when the server stops.
const DRAIN: Duration = Duration::from_secs(10);

/// What is added to the database's name for the file of the key that the server makes for itself.
const SECRETS_KEY_FILE: &str = "secrets-key";

/// A server that is ready to answer.
pub struct App {
    router: Router,
    listener: TcpListener,
    address: SocketAddr,
    feed: Feed,
    /// Nothing where this process only answers requests.
    runner: Option<Arc<Runner>>,
    counters: Arc<Counters>,
    bus: Bus,
    stop_listening: CancellationToken,
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
        if config.runner == Switch::Off && !store.is_shared() {
            tracing::warn!("RUNNER is off, and no other process can use this database: nobody answers messages");
        }
        let accounts = Accounts::open(&config.auth, &config.database_url, store.clone(), DEFAULT_ORGANIZATION).await?;
        let bus = Bus::open(&store, &config.database_url, config.nats_url.as_ref()).await?;
        let (feed, signals) = (Feed::new(bus.clone()), Signals::new(bus.clone()));
        let rules = provider_rules(&config, &store).await?;
        let models = models(&config, &rules)?;
        let lease = Duration::from_millis(config.turn_lease_ms);
        let web = Web::new(&config.outbound_allowed_hosts)?;
        let stop_listening = CancellationToken::new();
        replica::listen(&store, &bus, feed.clone(), signals.clone(), stop_listening.clone());
        let runner = Runner::new(store.clone(), feed.clone(), signals.clone(), models, web, lease);
        let mode = RunnerMode::of(&store, config.nats_url.is_some());
        let schema = graphql::schema(store.clone(), accounts.clone(), feed.clone(), signals, rules, mode);
        let gateway = Gateway::new(schema, store, accounts.clone(), config.introspection);
        let listener = TcpListener::bind((config.host.as_str(), config.port)).await.map_err(|error| {
            Error::unavailable(format!("cannot listen on {}:{}: {error}", config.host, config.port))
        })?;
        let address = listener.local_addr().map_err(Error::internal)?;
        let settings = EdgeSettings {
            listen: address,
            allowed_origins: config.cors_allowed_origins.clone(),
            allowed_hosts: config.own_names(),
            base_url: config.auth.base_url.clone(),
            asks_nobody: accounts.is_open(),
        };
        let (rest, _) = everruns_rest::router(gateway.clone());
        let router = edge::check_origins(edge::router(gateway, config.graphiql).merge(rest), settings);
        let runner = if config.runner == Switch::On {
            runner.start().await?;
            Some(runner)
        } else {
            None
        };
        Ok(Self { router, listener, address, feed, runner, counters, bus, stop_listening })
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
        let Self { router, listener, feed, runner, bus, stop_listening, .. } = self;
        let signal = stop.clone();
        let serving =
            axum::serve(Sockets(listener), router).with_graceful_shutdown(async move { signal.cancelled().await });
        let serving = tokio::spawn(serving.into_future());
        stop.cancelled().await;
        feed.stop();
        if let Some(runner) = runner {
            runner.stop().await;
        }
        bus.stop().await;
        stop_listening.cancel();
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

/// The key's file is beside the database, so that is open by now.
async fn provider_rules(config: &Config, store: &Store) -> Result<ProviderRules> {
    // A server that was given a key later still opens what its own sealed.
    let kept = key_file::read(&config.database_url, SECRETS_KEY_FILE, KEY_BYTES)?;
    let own_key = match (kept, &config.secrets.secrets_encryption_key) {
        (None, None) if read!(store, llm::has_sealed())? => {
            let text = "the database holds sealed keys of providers, but neither the file of the key that sealed them is beside it nor is \
                        SECRETS_ENCRYPTION_KEY set: restore one of them";
            return Err(Error::bad_input("SECRETS_ENCRYPTION_KEY", text));
        }
        (None, None) => key_file::read_or_make(&config.database_url, SECRETS_KEY_FILE, KEY_BYTES)?,
        (kept, _) => kept,
    };
    let reach = Reach {
        allowed: config.outbound_allowed_hosts.clone(),
        // Where every user is the operator, its own machine and network are theirs.
        private_networks: config.auth.mode != AuthMode::Full,
    };
    Ok(ProviderRules { reach, secrets: Arc::new(Secrets::new(&config.secrets, own_key)?) })
}

fn models(config: &Config, rules: &ProviderRules) -> Result<Models> {
    let clients = outbound::model_clients(&rules.reach).map_err(|error| Error::internal(outbound::cause(error)))?;
    Ok(Models::new(config.models.clone(), clients, ModelTimeouts::DEFAULT, rules.secrets.clone()))
}
