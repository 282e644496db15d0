//! What an agent is.

use async_graphql::{InputObject, MaybeUndefined, SimpleObject};
use diesel::{Insertable, Queryable, Selectable};

use crate::clock::Timestamp;
use crate::db::ids::{Id, Noun};
use crate::db::tables::agents;
use crate::db::types::{Tags, text_enum};
use crate::error::{Error, Result};
use crate::validate::{self, DESCRIPTION_BYTES_MAX, SYSTEM_PROMPT_BYTES_MAX};

/// Who answers: a system prompt with a name.
#[derive(Queryable, Selectable, Insertable, SimpleObject, Clone, Debug)]
#[diesel(table_name = agents)]
#[graphql(complex)]
pub struct Agent {
    #[graphql(skip)]
    pub organization_id: Id,
    /// The agent's id.
    pub id: Id,
    /// What people call it: 1 to 255 characters.
    pub name: String,
    /// What it is for, in words for people; models do not see it.
    pub description: Option<String>,
    /// What the model is told before the conversation.
    pub system_prompt: String,
    /// Labels to find it by, at most 50.
    pub tags: Tags,
    /// Whether it takes new sessions and messages.
    pub status: AgentStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Id of the model that answers where neither message nor session chooses one; null leaves it to the organization.
    pub default_model_id: Option<Id>,
}

text_enum! {
    /// Whether an agent takes new sessions and messages.
    pub enum AgentStatus {
        /// It does.
        Active = "active",
        /// It does not, and lists leave it out unless they are asked for it.
        Archived = "archived",
    }
}

/// Which agents to list. Fields given together must all hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct AgentFilter {
    /// Agents of this status; without it, active ones.
    pub status: Option<AgentStatus>,
    /// Agents that carry this tag.
    pub tag: Option<String>,
}

/// A new agent.
#[derive(InputObject, Clone, Debug)]
pub struct CreateAgentInput {
    /// What people call it: 1 to 255 characters.
    pub name: String,
    /// What the model is told before the conversation: at most 1 MiB, may be empty.
    pub system_prompt: String,
    /// What it is for: at most 10 KiB.
    pub description: Option<String>,
    /// Labels to find it by: at most 50, each of 1 to 64 characters.
    pub tags: Option<Vec<String>>,
    /// The model that answers where neither message nor session chooses one.
    pub default_model_id: Option<Id>,
    /// A key of the caller's choice, 1 to 255 printable ASCII characters, so that this can be sent again safely: for 24 hours the same key with the
    /// same input answers what the first request made; with another input it is IDEMPOTENCY_KEY_REUSED.
    pub idempotency_key: Option<String>,
}

/// A change of an agent. A field that is left out is left alone; null clears the description and the default model and is refused elsewhere.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateAgentInput {
    /// Which agent.
    pub id: Id,
    /// What people call it: 1 to 255 characters.
    pub name: MaybeUndefined<String>,
    /// What the model is told before the conversation: at most 1 MiB, may be empty.
    pub system_prompt: MaybeUndefined<String>,
    /// What it is for: at most 10 KiB; null clears it.
    pub description: MaybeUndefined<String>,
    /// Labels to find it by: at most 50, each of 1 to 64 characters. They replace the old ones.
    pub tags: MaybeUndefined<Vec<String>>,
    /// ACTIVE brings an archived agent back.
    pub status: MaybeUndefined<AgentStatus>,
    /// The model that answers where neither message nor session chooses one; null leaves it to the organization.
    pub default_model_id: MaybeUndefined<Id>,
}

impl Agent {
    /// The agent that `input` describes, checked but for its model.
    pub fn new(organization_id: Id, input: CreateAgentInput) -> Result<Self> {
        validate::name("input.name", &input.name)?;
        validate::bytes("input.systemPrompt", &input.system_prompt, SYSTEM_PROMPT_BYTES_MAX)?;
        if let Some(description) = &input.description {
            validate::bytes("input.description", description, DESCRIPTION_BYTES_MAX)?;
        }
        let tags = input.tags.unwrap_or_default();
        validate::tags("input.tags", &tags)?;
        let now = Timestamp::now();
        Ok(Self {
            organization_id,
            id: Id::new(Noun::Agent),
            name: input.name,
            description: input.description,
            system_prompt: input.system_prompt,
            tags: Tags(tags),
            status: AgentStatus::Active,
            created_at: now,
            updated_at: now,
            default_model_id: input.default_model_id,
        })
    }

    /// Refuses what an archived agent does not take.
    pub fn check_active(&self) -> Result<()> {
        match self.status {
            AgentStatus::Active => Ok(()),
            AgentStatus::Archived => Err(Error::conflict("the agent is archived")),
        }
    }
}

impl AgentFilter {
    /// Checks every field that is given.
    pub fn check(&self) -> Result<()> {
        self.tag.as_ref().map_or(Ok(()), |tag| validate::tag("filter.tag", tag))
    }
}

impl UpdateAgentInput {
    /// Checks every field that is given, but for the model.
    pub fn check(&self) -> Result<()> {
        if let Some(name) = validate::not_null("input.name", &self.name)? {
            validate::name("input.name", name)?;
        }
        if let Some(prompt) = validate::not_null("input.systemPrompt", &self.system_prompt)? {
            validate::bytes("input.systemPrompt", prompt, SYSTEM_PROMPT_BYTES_MAX)?;
        }
        if let MaybeUndefined::Value(description) = &self.description {
            validate::bytes("input.description", description, DESCRIPTION_BYTES_MAX)?;
        }
        if let Some(tags) = validate::not_null("input.tags", &self.tags)? {
            validate::tags("input.tags", tags)?;
        }
        validate::not_null("input.status", &self.status)?;
        Ok(())
    }
}
