//! What a capability and a tool are.

use async_graphql::{Enum, SimpleObject};

use crate::db::ids::Id;
use crate::db::types::Json;
use crate::error::{Error, Result};

/// Something that can be switched on for an agent: it gives the agent's model tools.
#[derive(SimpleObject, Clone, Debug)]
pub struct Capability {
    /// Its id: a word, the same on every server.
    pub id: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// What it does, in words for people.
    pub description: &'static str,
    /// Whether it can be switched on.
    pub status: CapabilityStatus,
    /// What it belongs to, to group a list by.
    pub category: &'static str,
    /// Name of an icon that suits it.
    pub icon: &'static str,
    /// What the model may call.
    pub tools: Vec<Tool>,
}

/// Whether a capability can be switched on.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapabilityStatus {
    /// It can.
    Available,
    /// It cannot yet: giving it to an agent is refused.
    ComingSoon,
}

/// What a model may call, as the model is told of it.
#[derive(SimpleObject, Clone, Debug)]
pub struct Tool {
    /// The tool's name; no two tools share one.
    pub name: &'static str,
    /// What it does, in words for a model.
    pub description: &'static str,
    /// JSON Schema of its arguments, an object.
    pub parameters: Json,
    /// Whether running it once more with the same arguments changes nothing: after a crash such a call runs again.
    #[graphql(skip)]
    pub idempotent: bool,
}

/// A capability that an agent has.
#[derive(SimpleObject, Clone, Debug)]
#[graphql(complex)]
pub struct AgentCapability {
    #[graphql(skip)]
    pub agent_id: Id,
    /// Id of the capability.
    pub capability_id: String,
    /// Its place in the agent's list, from 0.
    pub position: i64,
}

/// Refuses a list that an agent cannot have: with an unknown id, one that is not available yet, or one twice.
pub fn check(field: &'static str, ids: &[String]) -> Result<()> {
    for (index, id) in ids.iter().enumerate() {
        let Some(capability) = super::find(id) else {
            let shown: String = id.chars().take(SHOWN_CHARACTERS_MAX).collect();
            return Err(Error::bad_input(field, format!("there is no capability {shown:?}")));
        };
        if capability.status == CapabilityStatus::ComingSoon {
            return Err(Error::bad_input(field, format!("the capability {id} is not available yet")));
        }
        if ids[..index].contains(id) {
            return Err(Error::bad_input(field, format!("the capability {id} is named twice")));
        }
    }
    Ok(())
}

/// Characters of an unknown id that its refusal repeats.
const SHOWN_CHARACTERS_MAX: usize = 64;
