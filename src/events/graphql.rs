//! How events are asked for: the two subscriptions.

mod kinds;

use std::sync::Arc;

use async_graphql::{Context, InputObject, Result, Subscription};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, future, stream};
use tokio::sync::broadcast::error::RecvError;

pub use kinds::SessionEvent;

use super::{Cursor, Event, EventType, Feed, News, watch};
use crate::auth::{Scope, viewer};
use crate::db::ids::Id;
use crate::db::{STREAM_PATIENCE, patiently, read, store};
use crate::error::Error;
use crate::sessions::graphql::{find_agent, find_session};

/// Which sessions' events to show. Fields given together must all hold.
#[derive(InputObject, Clone, Copy, Debug, Default)]
pub struct EventFilter {
    /// Events of this agent's sessions. One that does not exist is NOT_FOUND.
    pub agent_id: Option<Id>,
    /// Events of this session. One that does not exist is NOT_FOUND.
    pub session_id: Option<Id>,
}

/// Streams of events.
#[derive(Default)]
pub struct EventSubscription;

/// Everything that can be watched.
#[Subscription(name = "Subscription")]
impl EventSubscription {
    /// Everything of the session after the cursor, then what happens, with no hole and no repeat between. It ends when the session is deleted or
    /// the server stops; resume with the last cursor seen.
    async fn session_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which session.")] session_id: Id,
        #[graphql(desc = "Its agent: a session of another one is NOT_FOUND.")] agent_id: Option<Id>,
        #[graphql(desc = "Only what comes after this; without it, everything from the start.")] after: Option<Cursor>,
        #[graphql(desc = "Only these; without it, all.")] types: Option<Vec<EventType>>,
    ) -> Result<impl Stream<Item = Result<SessionEvent>>> {
        let organization_id = viewer(ctx, Scope::SessionsRead)?.organization_id;
        // The channel comes first: a session that is deleted from here on closes it.
        let channel = ctx.data_unchecked::<Feed>().channel(session_id);
        let session = find_session(ctx, organization_id, session_id, agent_id).await?;
        let lives = watch(store(ctx), channel, (organization_id, session_id), after, session.head()).await?;
        Ok(lives
            .try_filter(move |live| {
                future::ready(types.as_ref().is_none_or(|types| types.contains(&live.event_type())))
            })
            .map(move |live| Ok(SessionEvent::new(session_id, live?)?)))
    }

    /// The organization's stored events, live only and without deltas: read your list again on connecting. A watcher that falls 1,024 events
    /// behind, or may have missed some that another replica stored, is ended with UNAVAILABLE, to connect again.
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which sessions.")] filter: Option<EventFilter>,
        #[graphql(desc = "Only these; without it, all.")] types: Option<Vec<EventType>>,
    ) -> Result<impl Stream<Item = Result<SessionEvent>>> {
        let filter = filter.unwrap_or_default();
        let organization_id = viewer(ctx, Scope::SessionsRead)?.organization_id;
        if let Some(session_id) = filter.session_id {
            find_session(ctx, organization_id, session_id, filter.agent_id).await?;
        } else if let Some(agent_id) = filter.agent_id {
            find_agent(ctx, organization_id, agent_id).await?;
        }
        let feed = ctx.data_unchecked::<Feed>();
        let (database, receiver, stopping) = (store(ctx).clone(), feed.organization(organization_id), feed.stopping());
        let stored = stream::unfold(Some(receiver), async |receiver| {
            let mut receiver = receiver?;
            match receiver.recv().await {
                Ok(News::Event(event)) => Some((Ok(event), Some(receiver))),
                Ok(News::Gap) => Some((Err(Error::unavailable("the watcher may have missed events")), None)),
                Err(RecvError::Lagged(_)) => Some((Err(Error::unavailable("the watcher fell behind")), None)),
                Err(RecvError::Closed) => None,
            }
        });
        let wanted = move |event: &Arc<Event>| {
            filter.session_id.is_none_or(|session_id| session_id == event.session_id)
                && types.as_ref().is_none_or(|types| types.contains(&event.kind.into()))
        };
        Ok(stored
            .take_until(stopping)
            .try_filter(move |event| future::ready(wanted(event)))
            .try_filter_map(move |event| {
                let database = database.clone();
                async move {
                    let Some(agent_id) = filter.agent_id else { return Ok(Some(event)) };
                    let look =
                        || async { read!(&database, sessions::get(organization_id, event.session_id, Some(agent_id))) };
                    let session = patiently(STREAM_PATIENCE, look).await?;
                    Ok(session.map(|_| event))
                }
            })
            .map(|event| Ok(SessionEvent::stored(&*event?)?)))
    }
}
