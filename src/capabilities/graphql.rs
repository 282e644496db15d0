//! How capabilities are asked for.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use async_graphql::{ComplexObject, Context, InputObject, Object, Result, SimpleObject};

use super::{AgentCapability, Capability, all, check, find};
use crate::agents::Agent;
use crate::auth::{Scope, viewer};
use crate::db::ids::Id;
use crate::db::{Lookups, commit, read, store};
use crate::error::Error;
use crate::sessions::graphql::find_agent;

/// Questions about capabilities.
#[derive(Default)]
pub struct CapabilityQuery;

#[Object]
impl CapabilityQuery {
    /// Every capability of this server, those that are coming soon too.
    async fn capabilities(&self, ctx: &Context<'_>) -> Result<&'static [Capability]> {
        viewer(ctx, Scope::AgentsRead)?;
        Ok(all())
    }

    /// The capability with this id; null where there is none.
    async fn capability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The capability's id, for example `current_time`.")] id: String,
    ) -> Result<Option<&'static Capability>> {
        viewer(ctx, Scope::AgentsRead)?;
        Ok(find(&id))
    }
}

#[ComplexObject]
impl AgentCapability {
    /// The capability; null where this server no longer has it.
    async fn capability(&self, ctx: &Context<'_>) -> Result<Option<&'static Capability>> {
        viewer(ctx, Scope::AgentsRead)?;
        Ok(find(&self.capability_id))
    }
}

/// Changes of what agents can do.
#[derive(Default)]
pub struct CapabilityMutation;

#[Object]
impl CapabilityMutation {
    /// Gives an agent, archived or not, these capabilities and no others: its next turns have their tools.
    async fn set_agent_capabilities(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which agent, and what it shall have.")] input: SetAgentCapabilitiesInput,
    ) -> Result<SetAgentCapabilitiesPayload> {
        let organization_id = viewer(ctx, Scope::AgentsWrite)?.organization_id;
        let agent_id = input.agent_id;
        find_agent(ctx, organization_id, agent_id).await?;
        check("input.capabilityIds", &input.capability_ids)?;
        commit!(store(ctx), capabilities::update(organization_id, agent_id, input.capability_ids))?;
        let capabilities = read!(store(ctx), capabilities::list(organization_id, vec![agent_id]))?;
        Ok(SetAgentCapabilitiesPayload { agent: find_agent(ctx, organization_id, agent_id).await?, capabilities })
    }
}

/// Which agent, and what it shall have.
#[derive(InputObject)]
pub struct SetAgentCapabilitiesInput {
    /// The agent's id.
    pub agent_id: Id,
    /// Ids of the capabilities, in their order; they replace the old ones. One that is unknown, coming soon or named twice is BAD_USER_INPUT, and
    /// nothing changes.
    pub capability_ids: Vec<String>,
}

/// What `setAgentCapabilities` answers.
#[derive(SimpleObject)]
pub struct SetAgentCapabilitiesPayload {
    /// The agent as it is now.
    agent: Agent,
    /// What it can do now, in the order in which it was given.
    capabilities: Vec<AgentCapability>,
}

/// Looks up what an agent can do.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CapabilitiesOfAgent(pub Id);

impl Loader<CapabilitiesOfAgent> for Lookups {
    type Value = Vec<AgentCapability>;
    type Error = Error;

    async fn load(
        &self,
        keys: &[CapabilitiesOfAgent],
    ) -> Result<HashMap<CapabilitiesOfAgent, Vec<AgentCapability>>, Error> {
        let ids = || keys.iter().map(|key| key.0).collect();
        let mut found = HashMap::<_, Vec<_>>::new();
        for row in self.look(|| async { read!(&self.store, capabilities::list(self.organization_id, ids())) }).await? {
            found.entry(CapabilitiesOfAgent(row.agent_id)).or_default().push(row);
        }
        Ok(found)
    }
}
