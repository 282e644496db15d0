//! How sessions are asked for.

pub mod files;

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use async_graphql::{ComplexObject, Context, InputObject, Object, Result, SimpleObject};

use files::SessionFileConnection;

use super::file::checked_path;
use super::{CreateSessionInput, Session, SessionFile, SessionFilter, UpdateSessionInput};
use crate::agents::Agent;
use crate::agents::graphql::AgentById;
use crate::auth::{Scope, viewer};
use crate::db::ids::Id;
use crate::db::{Lookups, commit, lookups, read, scan, store};
use crate::error::Error;
use crate::events::graphql::SessionEvent;
use crate::events::{Cursor, EventType, Feed, check};
use crate::idempotency::{Made, Once, tell};
use crate::llm::LlmModel;
use crate::llm::graphql::find_named;
use crate::messages::graphql::{MessageConnection, message_page};
use crate::page::{Page, PageArguments, PageInfo, connection, wants_total};
use crate::turns::graphql::{TurnConnection, UsageOfSession, turn_page};
use crate::turns::{Signals, TurnStatus, Usage};

connection!(SessionConnection, SessionEdge, Session);

/// Questions about sessions.
#[derive(Default)]
pub struct SessionQuery;

#[Object]
impl SessionQuery {
    /// The session with this id; null where there is none.
    async fn session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The session's id.")] id: Id,
        #[graphql(desc = "Its agent: a session of another one is null.")] agent_id: Option<Id>,
    ) -> Result<Option<Session>> {
        // Not by the loader: gathering, even for no time at all, costs a timer's round.
        Ok(read!(store(ctx), sessions::get(viewer(ctx, Scope::SessionsRead)?.organization_id, id, agent_id))?)
    }

    /// The sessions of the viewer's organization, newest first.
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the beginning: 50 where neither `first` nor `last` is given, at most 500.")]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, at most 500.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Which sessions.")] filter: Option<SessionFilter>,
    ) -> Result<SessionConnection> {
        let organization_id = viewer(ctx, Scope::SessionsRead)?.organization_id;
        let page = PageArguments { first, after, last, before }.check(Id::parse)?;
        let filter = filter.unwrap_or_default();
        filter.check()?;
        if let Some(agent_id) = filter.agent_id {
            find_agent(ctx, organization_id, agent_id).await?;
        }
        Ok(session_page(ctx, filter, page).await?)
    }
}

/// A page of sessions.
pub async fn session_page(
    ctx: &Context<'_>,
    filter: SessionFilter,
    page: Page<Id>,
) -> Result<SessionConnection, Error> {
    let organization_id = viewer(ctx, Scope::SessionsRead)?.organization_id;
    let total = if wants_total(ctx) { scan!(store(ctx), sessions::count(organization_id, filter.clone()))? } else { 0 };
    let sessions = read!(store(ctx), sessions::list(organization_id, filter, &page))?;
    Ok(SessionConnection::new(&page, sessions, total, |session| session.id.to_string()))
}

/// The agent that an operation acts in.
pub async fn find_agent(ctx: &Context<'_>, organization_id: Id, id: Id) -> Result<Agent, Error> {
    let found = read!(store(ctx), agents::get(organization_id, id))?;
    found.ok_or_else(|| Error::not_found("agent"))
}

/// The session that an operation acts in.
pub async fn find_session(
    ctx: &Context<'_>,
    organization_id: Id,
    id: Id,
    agent_id: Option<Id>,
) -> Result<Session, Error> {
    let found = read!(store(ctx), sessions::get(organization_id, id, agent_id))?;
    found.ok_or_else(|| Error::not_found("session"))
}

#[ComplexObject]
impl Session {
    /// Who answers.
    async fn agent(&self, ctx: &Context<'_>) -> Result<Agent> {
        viewer(ctx, Scope::AgentsRead)?;
        Ok(lookups(ctx).load_one(AgentById(self.agent_id)).await?.ok_or_else(|| Error::not_found("agent"))?)
    }

    /// The model that answers where a message chooses none; null where none is named, or it is gone.
    async fn model(&self, ctx: &Context<'_>) -> Result<Option<LlmModel>> {
        find_named(ctx, self.model_id).await
    }

    /// What was said, oldest first.
    async fn messages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the beginning: 50 where neither `first` nor `last` is given, at most 500.")]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, at most 500.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<MessageConnection> {
        let page = PageArguments { first, after, last, before }.check(|cursor| cursor.parse().ok())?;
        Ok(message_page(ctx, self.id, page).await?)
    }

    /// The turns, oldest first. Those that are QUEUED are the session's queue, the next one first.
    async fn turns(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those that are so far.")] status: Option<TurnStatus>,
        #[graphql(desc = "This many from the beginning: 50 where neither `first` nor `last` is given, at most 500.")]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, at most 500.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<TurnConnection> {
        let page = PageArguments { first, after, last, before }.check(|cursor| cursor.parse().ok())?;
        Ok(turn_page(ctx, self.id, status, page).await?)
    }

    /// The stored events, oldest first, without deltas.
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many: 50 where it is not given, at most 500.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<Cursor>,
        #[graphql(desc = "Only these; without it, all. MESSAGE_DELTA and CAUGHT_UP are no stored events.")]
        types: Option<Vec<EventType>>,
    ) -> Result<SessionEventConnection> {
        viewer(ctx, Scope::SessionsRead)?;
        let page: Page<Cursor> = PageArguments { first, ..PageArguments::default() }.check(|_| None)?;
        let page = Page { after, ..page };
        let kinds = types.map(|types| types.into_iter().filter_map(EventType::kind).collect());
        if let Some(cursor) = after {
            let channel = ctx.data_unchecked::<Feed>().channel(self.id);
            check(store(ctx), &channel, (self.organization_id, self.id), cursor, self.head()).await?;
        }
        let from = after.unwrap_or_default().sequence;
        let mut events = read!(store(ctx), events::list(self.organization_id, self.id, from, kinds, page.limit()))?;
        let page_info = page.cut(&mut events, |event| Cursor::after(event.sequence).to_string());
        let edges = events.iter().map(|event| {
            Ok(SessionEventEdge { cursor: Cursor::after(event.sequence), node: SessionEvent::stored(event)? })
        });
        Ok(SessionEventConnection { edges: edges.collect::<Result<_, Error>>()?, page_info })
    }

    /// Its files, by their paths as in a folder: a file that is written again keeps its place.
    async fn files(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many: 50 where it is not given, at most 500.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
    ) -> Result<SessionFileConnection> {
        let page = PageArguments { first, after, ..PageArguments::default() };
        let page = page.check(|cursor| checked_path("after", cursor).ok())?;
        Ok(files::file_page(ctx, self.id, page).await?)
    }

    /// The file at this path; null where there is none.
    async fn file(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where it stands.")] path: String,
    ) -> Result<Option<SessionFile>> {
        Ok(files::file_at(ctx, self.id, &path).await?)
    }

    /// Where the stored stream stands now: subscribe after it to see exactly what comes next.
    async fn head_cursor(&self) -> Cursor {
        Cursor::after(self.head())
    }

    /// What the models counted in all its turns.
    async fn usage(&self, ctx: &Context<'_>) -> Result<Usage> {
        viewer(ctx, Scope::SessionsRead)?;
        Ok(lookups(ctx).load_one(UsageOfSession(self.id)).await?.unwrap_or_default())
    }
}

/// A page of stored events.
pub struct SessionEventConnection {
    edges: Vec<SessionEventEdge>,
    page_info: PageInfo,
}

/// One stored event and where it stands.
#[derive(SimpleObject)]
pub struct SessionEventEdge {
    /// Where it stands: pass it as `after`, here or to the subscription.
    cursor: Cursor,
    /// The event.
    node: SessionEvent,
}

/// A page of stored events.
#[Object]
impl SessionEventConnection {
    /// The events, each with its cursor.
    async fn edges(&self) -> &[SessionEventEdge] {
        &self.edges
    }

    /// The events alone.
    async fn nodes(&self) -> Vec<&SessionEvent> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }

    /// Where in the list this page stands.
    async fn page_info(&self) -> &PageInfo {
        &self.page_info
    }
}

/// Changes of sessions.
#[derive(Default)]
pub struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Opens a session with an active agent.
    async fn create_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new session.")] input: CreateSessionInput,
    ) -> Result<CreateSessionPayload> {
        let organization_id = viewer(ctx, Scope::SessionsWrite)?.organization_id;
        let once = Once::of("createSession", &input, input.idempotency_key.as_deref())?;
        let session = Session::new(organization_id, input)?;
        let Made { row: session, replayed } = commit!(store(ctx), sessions::create(session, once))?;
        tell(ctx, replayed);
        Ok(CreateSessionPayload { session, replayed })
    }

    /// Changes a session's title, tags or model.
    async fn update_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: UpdateSessionInput,
    ) -> Result<UpdateSessionPayload> {
        let organization_id = viewer(ctx, Scope::SessionsWrite)?.organization_id;
        input.check()?;
        let session = commit!(store(ctx), sessions::update(organization_id, input))?;
        // A claim may have passed over the session while this held its lock.
        ctx.data_unchecked::<Signals>().work_waits();
        Ok(UpdateSessionPayload { session })
    }

    /// Deletes a session with everything in it: a running turn stops, open streams end.
    async fn delete_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which session.")] input: DeleteSessionInput,
    ) -> Result<DeleteSessionPayload> {
        let (organization_id, id, agent_id) =
            (viewer(ctx, Scope::SessionsWrite)?.organization_id, input.id, input.agent_id);
        commit!(store(ctx), sessions::delete(organization_id, id, agent_id))?;
        ctx.data_unchecked::<Signals>().stop(id, None);
        ctx.data_unchecked::<Feed>().close(id);
        Ok(DeleteSessionPayload { deleted_session_id: id })
    }
}

/// Which session to delete.
#[derive(InputObject)]
pub struct DeleteSessionInput {
    /// The session's id.
    pub id: Id,
    /// Its agent: a session of another one is NOT_FOUND.
    pub agent_id: Option<Id>,
}

/// What `createSession` answers.
#[derive(SimpleObject)]
pub struct CreateSessionPayload {
    /// The new session.
    session: Session,
    /// Whether an earlier request with the same idempotency key made it: this is the session as it is now.
    replayed: bool,
}

/// What `updateSession` answers.
#[derive(SimpleObject)]
pub struct UpdateSessionPayload {
    /// The session as it is now.
    session: Session,
}

/// What `deleteSession` answers.
#[derive(SimpleObject)]
pub struct DeleteSessionPayload {
    /// Id of the session that is gone.
    deleted_session_id: Id,
}

/// Looks a session up by its id.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionById(pub Id);

impl Loader<SessionById> for Lookups {
    type Value = Session;
    type Error = Error;

    async fn load(&self, keys: &[SessionById]) -> Result<HashMap<SessionById, Session>, Error> {
        // Most often one is asked for, whose statement is prepared once.
        let found = match keys {
            [key] => self
                .look(|| async { read!(&self.store, sessions::get(self.organization_id, key.0, None)) })
                .await?
                .into_iter()
                .collect(),
            _ => {
                let ids = || keys.iter().map(|key| key.0).collect();
                self.look(|| async { read!(&self.store, sessions::get_many(self.organization_id, ids())) }).await?
            }
        };
        Ok(found.into_iter().map(|session| (SessionById(session.id), session)).collect())
    }
}
