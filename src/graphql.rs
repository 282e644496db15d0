//! The schema: the nouns' questions, changes and streams under one root each, and what belongs to no noun.

use std::time::Duration;

use async_graphql::{Context, Enum, Interface, MergedObject, Object, Result, Schema};
use futures_util::FutureExt as _;

use crate::agents::Agent;
use crate::agents::graphql::{AgentById, AgentMutation, AgentQuery};
use crate::auth::graphql::{ApiKeyMutation, AuthConfig, AuthMutation, api_key};
use crate::auth::oauth::graphql::OauthMutation;
use crate::auth::{Accounts, ApiKey, Scope, User, accounts, signed_in, viewer};
use crate::capabilities::graphql::{CapabilityMutation, CapabilityQuery};
use crate::config::AuthMode;
use crate::db::ids::{Id, Noun};
use crate::db::{Store, lookups, read, store};
use crate::error::{Error, ErrorCode};
use crate::events::Feed;
use crate::events::graphql::EventSubscription;
use crate::llm::graphql::{
    LlmModelById, LlmModelMutation, LlmModelQuery, LlmProviderById, LlmProviderMutation, LlmProviderQuery,
};
use crate::llm::{LlmModel, LlmProvider, ProviderRules};
use crate::messages::Message;
use crate::messages::graphql::{MessageById, MessageMutation};
use crate::organizations::Organization;
use crate::organizations::graphql::OrganizationQuery;
use crate::sessions::Session;
use crate::sessions::graphql::files::FileMutation;
use crate::sessions::graphql::{SessionById, SessionMutation, SessionQuery};
use crate::turns::graphql::{StepById, ToolCallById, TurnById};
use crate::turns::{Signals, Step, ToolCall, Turn};

/// How soon the database must answer a server that calls itself ready.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// Ids that `nodes` takes at once.
const NODES_MAX: usize = 500;

/// Everything that can be asked.
#[derive(MergedObject, Default)]
pub struct Query(
    ServerQuery,
    OrganizationQuery,
    AgentQuery,
    CapabilityQuery,
    SessionQuery,
    LlmProviderQuery,
    LlmModelQuery,
);

/// Everything that can be changed.
#[derive(MergedObject, Default)]
pub struct Mutation(
    AuthMutation,
    OauthMutation,
    ApiKeyMutation,
    AgentMutation,
    CapabilityMutation,
    SessionMutation,
    FileMutation,
    MessageMutation,
    LlmProviderMutation,
    LlmModelMutation,
);

/// The whole schema.
pub type Canonical = Schema<Query, Mutation, EventSubscription>;

/// Builds the schema over what its resolvers need.
pub fn schema(
    store: Store,
    accounts: Accounts,
    feed: Feed,
    signals: Signals,
    rules: ProviderRules,
    mode: RunnerMode,
) -> Canonical {
    describe().data(store).data(accounts).data(feed).data(signals).data(rules).data(mode).finish()
}

/// The schema's text: what `schema.graphql` holds.
pub fn sdl() -> String {
    let options = async_graphql::SDLExportOptions::new().sorted_enum_items().include_specified_by();
    describe().finish().sdl_with_options(options)
}

fn describe() -> async_graphql::SchemaBuilder<Query, Mutation, EventSubscription> {
    Schema::build(Query::default(), Mutation::default(), EventSubscription).disable_suggestions()
}

/// Anything that has an id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "&Id", desc = "The object's id: a UUID, unique over all kinds."))]
pub enum Node {
    Organization(Organization),
    User(User),
    ApiKey(ApiKey),
    Agent(Agent),
    Session(Session),
    Message(Message),
    Turn(Turn),
    Step(Step),
    ToolCall(ToolCall),
    LlmProvider(LlmProvider),
    LlmModel(LlmModel),
}

/// Questions that belong to no noun.
#[derive(Default)]
pub struct ServerQuery;

#[Object]
impl ServerQuery {
    /// Anything by its id; null where there is nothing.
    async fn node(&self, ctx: &Context<'_>, #[graphql(desc = "The object's id.")] id: Id) -> Result<Option<Node>> {
        find(ctx, id).await
    }

    /// Several by their ids, in the order of the ids; null where there is nothing.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The objects' ids, at most 500.")] ids: Vec<Id>,
    ) -> Result<Vec<Option<Node>>> {
        if ids.len() > NODES_MAX {
            return Err(Error::bad_input("ids", format!("at most {NODES_MAX} ids are allowed")).into());
        }
        // Asked for together, so that the loaders can gather them.
        futures_util::future::try_join_all(ids.into_iter().map(|id| find(ctx, id))).await
    }

    /// This server.
    async fn server(&self) -> Server {
        Server
    }
}

async fn find(ctx: &Context<'_>, id: Id) -> Result<Option<Node>> {
    let Some(noun) = id.noun() else { return Ok(None) };
    let lookups = lookups(ctx);
    let viewer = match noun {
        Noun::Organization | Noun::User | Noun::ApiKey => signed_in(ctx),
        Noun::Agent | Noun::LlmProvider | Noun::LlmModel => viewer(ctx, Scope::AgentsRead),
        _ => viewer(ctx, Scope::SessionsRead),
    }?;
    Ok(match noun {
        Noun::Organization if id != viewer.organization_id => None,
        Noun::Organization => read!(store(ctx), organizations::get(id))?.map(Node::Organization),
        // A user sees itself and its own keys; in mode none neither has a row.
        Noun::User if id != viewer.user_id => None,
        Noun::User => read!(store(ctx), auth::get_user(viewer.organization_id, id))?.map(Node::User),
        Noun::ApiKey if accounts(ctx).is_open() => None,
        Noun::ApiKey => api_key(ctx, id).await?.map(Node::ApiKey),
        Noun::Agent => lookups.load_one(AgentById(id)).await?.map(Node::Agent),
        Noun::Session => lookups.load_one(SessionById(id)).await?.map(Node::Session),
        Noun::Message => lookups.load_one(MessageById(id)).await?.map(Node::Message),
        Noun::Turn => lookups.load_one(TurnById(id)).await?.map(Node::Turn),
        Noun::Step => lookups.load_one(StepById(id)).await?.map(Node::Step),
        Noun::ToolCall => lookups.load_one(ToolCallById(id)).await?.map(Node::ToolCall),
        Noun::LlmProvider => lookups.load_one(LlmProviderById(id)).await?.map(Node::LlmProvider),
        Noun::LlmModel => lookups.load_one(LlmModelById(id)).await?.map(Node::LlmModel),
        Noun::Login => None,
    })
}

/// This server.
pub struct Server;

/// This server.
#[Object]
impl Server {
    /// `ok` while it answers.
    async fn status(&self) -> &str {
        "ok"
    }

    /// Its version.
    async fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    /// `ready` while it can do what it is asked. UNAVAILABLE while its database is out of reach, and as soon as it stops.
    async fn readiness(&self, ctx: &Context<'_>) -> Result<&str> {
        if ctx.data_unchecked::<Feed>().stopping().now_or_never().is_some() {
            return Err(Error::unavailable("the server stops").into());
        }
        match tokio::time::timeout(READY_WITHIN, store(ctx).answers()).await {
            Ok(answer) => answer?,
            Err(_) => return Err(Error::unavailable("the database takes too long to answer").into()),
        }
        Ok("ready")
    }

    /// Where turns are kept and claimed.
    async fn runner_mode(&self, ctx: &Context<'_>) -> RunnerMode {
        *ctx.data_unchecked()
    }

    /// How callers prove who they are.
    async fn auth_mode(&self, ctx: &Context<'_>) -> AuthMode {
        accounts(ctx).settings().mode
    }

    /// How callers may sign in.
    async fn auth_config(&self, ctx: &Context<'_>) -> AuthConfig {
        AuthConfig::new(accounts(ctx))
    }

    /// Every code that `extensions.code` of an error may hold.
    async fn error_codes(&self) -> Vec<ErrorCode> {
        ErrorCode::ALL.to_vec()
    }
}

/// Where turns are kept and claimed.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub enum RunnerMode {
    /// In this process, with SQLite.
    InProcess,
    /// In PostgreSQL.
    Postgres,
    /// In PostgreSQL, and NATS carries what replicas tell each other.
    PostgresNats,
}

impl RunnerMode {
    /// The mode with this database, and NATS or not.
    pub fn of(store: &Store, has_nats: bool) -> Self {
        match (store.is_shared(), has_nats) {
            (false, _) => Self::InProcess,
            (true, false) => Self::Postgres,
            (true, true) => Self::PostgresNats,
        }
    }
}
