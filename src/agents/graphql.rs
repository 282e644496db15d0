//! How agents are asked for.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use async_graphql::{ComplexObject, Context, InputObject, Object, Result, SimpleObject};

use super::{Agent, AgentFilter, CreateAgentInput, UpdateAgentInput};
use crate::auth::{Scope, viewer};
use crate::capabilities::AgentCapability;
use crate::capabilities::graphql::CapabilitiesOfAgent;
use crate::db::ids::Id;
use crate::db::{Lookups, commit, lookups, read, scan, store};
use crate::error::Error;
use crate::idempotency::{Made, Once, tell};
use crate::llm::LlmModel;
use crate::llm::graphql::find_named;
use crate::page::{Page, PageArguments, connection, wants_total};
use crate::sessions::SessionFilter;
use crate::sessions::graphql::{SessionConnection, session_page};

connection!(AgentConnection, AgentEdge, Agent);

/// Questions about agents.
#[derive(Default)]
pub struct AgentQuery;

#[Object]
impl AgentQuery {
    /// The agent with this id, archived or not; null where there is none.
    async fn agent(&self, ctx: &Context<'_>, #[graphql(desc = "The agent's id.")] id: Id) -> Result<Option<Agent>> {
        // Not by the loader: gathering, even for no time at all, costs a timer's round.
        Ok(read!(store(ctx), agents::get(viewer(ctx, Scope::AgentsRead)?.organization_id, id))?)
    }

    /// The agents of the viewer's organization, newest first. Without `filter.status`, active ones only.
    async fn agents(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the beginning: 50 where neither `first` nor `last` is given, at most 500.")]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, at most 500.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Which agents.")] filter: Option<AgentFilter>,
    ) -> Result<AgentConnection> {
        let page = PageArguments { first, after, last, before }.check(Id::parse)?;
        let filter = filter.unwrap_or_default();
        filter.check()?;
        Ok(agent_page(ctx, filter, page).await?)
    }
}

async fn agent_page(ctx: &Context<'_>, filter: AgentFilter, page: Page<Id>) -> Result<AgentConnection, Error> {
    let organization_id = viewer(ctx, Scope::AgentsRead)?.organization_id;
    let total = if wants_total(ctx) { scan!(store(ctx), agents::count(organization_id, filter.clone()))? } else { 0 };
    let agents = read!(store(ctx), agents::list(organization_id, filter, &page))?;
    Ok(AgentConnection::new(&page, agents, total, |agent| agent.id.to_string()))
}

#[ComplexObject]
impl Agent {
    /// What it can do beyond speaking, in the order in which it was given.
    async fn capabilities(&self, ctx: &Context<'_>) -> Result<Vec<AgentCapability>> {
        viewer(ctx, Scope::AgentsRead)?;
        Ok(lookups(ctx).load_one(CapabilitiesOfAgent(self.id)).await?.unwrap_or_default())
    }

    /// The model that answers where neither message nor session chooses one; null where none is named, or it is gone.
    async fn default_model(&self, ctx: &Context<'_>) -> Result<Option<LlmModel>> {
        find_named(ctx, self.default_model_id).await
    }

    /// The agent's sessions, newest first.
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the beginning: 50 where neither `first` nor `last` is given, at most 500.")]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, at most 500.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<SessionConnection> {
        let page = PageArguments { first, after, last, before }.check(Id::parse)?;
        let filter = SessionFilter { agent_id: Some(self.id), ..SessionFilter::default() };
        Ok(session_page(ctx, filter, page).await?)
    }
}

/// Changes of agents.
#[derive(Default)]
pub struct AgentMutation;

#[Object]
impl AgentMutation {
    /// Makes an agent.
    async fn create_agent(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new agent.")] input: CreateAgentInput,
    ) -> Result<CreateAgentPayload> {
        let organization_id = viewer(ctx, Scope::AgentsWrite)?.organization_id;
        let once = Once::of("createAgent", &input, input.idempotency_key.as_deref())?;
        let agent = Agent::new(organization_id, input)?;
        let Made { row: agent, replayed } = commit!(store(ctx), agents::create(agent, once))?;
        tell(ctx, replayed);
        Ok(CreateAgentPayload { agent, replayed })
    }

    /// Changes an agent, or brings an archived one back.
    async fn update_agent(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: UpdateAgentInput,
    ) -> Result<UpdateAgentPayload> {
        let organization_id = viewer(ctx, Scope::AgentsWrite)?.organization_id;
        input.check()?;
        let changed = commit!(store(ctx), agents::update(organization_id, input))?;
        Ok(UpdateAgentPayload { agent: changed.ok_or_else(|| Error::not_found("agent"))? })
    }

    /// Archives an agent: lists leave it out, and it takes no new session and no new message. Archived already: NOT_FOUND.
    async fn archive_agent(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which agent.")] input: ArchiveAgentInput,
    ) -> Result<ArchiveAgentPayload> {
        let organization_id = viewer(ctx, Scope::AgentsWrite)?.organization_id;
        let archived = commit!(store(ctx), agents::archive(organization_id, input.id))?;
        Ok(ArchiveAgentPayload { agent: archived.ok_or_else(|| Error::not_found("agent"))? })
    }
}

/// Which agent to archive.
#[derive(InputObject)]
pub struct ArchiveAgentInput {
    /// The agent's id.
    pub id: Id,
}

/// What `createAgent` answers.
#[derive(SimpleObject)]
pub struct CreateAgentPayload {
    /// The new agent.
    agent: Agent,
    /// Whether an earlier request with the same idempotency key made it: this is the agent as it is now.
    replayed: bool,
}

/// What `updateAgent` answers.
#[derive(SimpleObject)]
pub struct UpdateAgentPayload {
    /// The agent as it is now.
    agent: Agent,
}

/// What `archiveAgent` answers.
#[derive(SimpleObject)]
pub struct ArchiveAgentPayload {
    /// The agent as it is now.
    agent: Agent,
}

/// Looks an agent up by its id.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AgentById(pub Id);

impl Loader<AgentById> for Lookups {
    type Value = Agent;
    type Error = Error;

    async fn load(&self, keys: &[AgentById]) -> Result<HashMap<AgentById, Agent>, Error> {
        // Most often one is asked for, whose statement is prepared once.
        let found = match keys {
            [key] => self
                .look(|| async { read!(&self.store, agents::get(self.organization_id, key.0)) })
                .await?
                .into_iter()
                .collect(),
            _ => {
                let ids = || keys.iter().map(|key| key.0).collect();
                self.look(|| async { read!(&self.store, agents::get_many(self.organization_id, ids())) }).await?
            }
        };
        Ok(found.into_iter().map(|agent| (AgentById(agent.id), agent)).collect())
    }
}
