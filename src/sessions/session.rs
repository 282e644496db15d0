//! What a session is.

use async_graphql::{InputObject, MaybeUndefined, SimpleObject};
use diesel::{Insertable, Queryable, Selectable};

use crate::clock::Timestamp;
use crate::db::ids::{Id, Noun};
use crate::db::tables::sessions;
use crate::db::types::{Tags, text_enum};
use crate::error::Result;
use crate::validate::{self, NAME_CHARACTERS_MAX};

/// One conversation with an agent.
#[derive(Queryable, Selectable, Insertable, SimpleObject, Clone, Debug)]
#[diesel(table_name = sessions)]
#[graphql(complex)]
pub struct Session {
    #[graphql(skip)]
    pub organization_id: Id,
    /// The session's id.
    pub id: Id,
    /// Id of the agent who answers.
    pub agent_id: Id,
    /// What people call it: at most 255 characters.
    pub title: Option<String>,
    /// Labels to find it by, at most 50.
    pub tags: Tags,
    /// What it is doing.
    pub status: SessionStatus,
    /// Raised at each claim of a turn; only who names the newest one may write.
    #[graphql(skip)]
    pub epoch: i64,
    #[graphql(skip)]
    pub next_event_sequence: i64,
    #[graphql(skip)]
    pub next_message_sequence: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its title, tags or model were changed, or a message was sent, last.
    pub updated_at: Timestamp,
    /// When its first turn began.
    pub started_at: Option<Timestamp>,
    /// When its last turn ended; null while it is running.
    pub finished_at: Option<Timestamp>,
    /// Id of the model that answers where a message chooses none; null leaves it to the agent.
    pub model_id: Option<Id>,
}

text_enum! {
    /// What a session is doing.
    pub enum SessionStatus {
        /// It waits for a message.
        Pending = "pending",
        /// A turn is queued or running.
        Running = "running",
        /// Its last turn failed. It takes new messages all the same.
        Failed = "failed",
    }
}

/// Which sessions to list. Fields given together must all hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct SessionFilter {
    /// Sessions of this agent. One that does not exist is NOT_FOUND.
    pub agent_id: Option<Id>,
    /// Sessions of this status.
    pub status: Option<SessionStatus>,
    /// Sessions that carry this tag.
    pub tag: Option<String>,
}

/// A new session.
#[derive(InputObject, Clone, Debug)]
pub struct CreateSessionInput {
    /// Who shall answer: an active agent.
    pub agent_id: Id,
    /// What people call it: at most 255 characters.
    pub title: Option<String>,
    /// Labels to find it by: at most 50, each of 1 to 64 characters.
    pub tags: Option<Vec<String>>,
    /// The model that answers where a message chooses none.
    pub model_id: Option<Id>,
    /// A key of the caller's choice, 1 to 255 printable ASCII characters, so that this can be sent again safely: for 24 hours the same key with the
    /// same input answers what the first request made; with another input it is IDEMPOTENCY_KEY_REUSED.
    pub idempotency_key: Option<String>,
}

/// A change of a session. A field that is left out is left alone; null clears the title and the model and is refused elsewhere.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateSessionInput {
    /// Which session.
    pub id: Id,
    /// Its agent: a session of another one is NOT_FOUND.
    pub agent_id: Option<Id>,
    /// What people call it: at most 255 characters; null clears it.
    pub title: MaybeUndefined<String>,
    /// Labels to find it by: at most 50, each of 1 to 64 characters. They replace the old ones.
    pub tags: MaybeUndefined<Vec<String>>,
    /// The model that answers where a message chooses none; null leaves it to the agent.
    pub model_id: MaybeUndefined<Id>,
}

impl Session {
    /// The session that `input` describes, checked but for its agent and its model.
    pub fn new(organization_id: Id, input: CreateSessionInput) -> Result<Self> {
        if let Some(title) = &input.title {
            validate::characters("input.title", title, NAME_CHARACTERS_MAX)?;
        }
        let tags = input.tags.unwrap_or_default();
        validate::tags("input.tags", &tags)?;
        let now = Timestamp::now();
        Ok(Self {
            organization_id,
            id: Id::new(Noun::Session),
            agent_id: input.agent_id,
            title: input.title,
            tags: Tags(tags),
            status: SessionStatus::Pending,
            epoch: 0,
            next_event_sequence: 1,
            next_message_sequence: 1,
            created_at: now,
            updated_at: now,
            started_at: None,
            finished_at: None,
            model_id: input.model_id,
        })
    }

    /// Number of the newest stored event; 0 where there is none.
    pub fn head(&self) -> i64 {
        self.next_event_sequence - 1
    }
}

impl SessionFilter {
    /// Checks every field that is given, but for its agent.
    pub fn check(&self) -> Result<()> {
        self.tag.as_ref().map_or(Ok(()), |tag| validate::tag("filter.tag", tag))
    }
}

impl UpdateSessionInput {
    /// Checks every field that is given, but for the model.
    pub fn check(&self) -> Result<()> {
        if let MaybeUndefined::Value(title) = &self.title {
            validate::characters("input.title", title, NAME_CHARACTERS_MAX)?;
        }
        if let Some(tags) = validate::not_null("input.tags", &self.tags)? {
            validate::tags("input.tags", tags)?;
        }
        Ok(())
    }
}
