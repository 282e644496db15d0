//! Look-ups by id, gathered: what one request asks for on one level of its query is one statement.

use std::task;
use std::task::Poll;
use std::time::Duration;

use async_graphql::Context;
use async_graphql::dataloader::DataLoader;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

use super::ids::Id;
use super::{Store, patiently};
use crate::error::Result;

/// What the loaders of a request need; each noun's `graphql.rs` says how its own are read.
pub struct Lookups {
    /// Where to look.
    pub store: Store,
    /// Whose rows may be seen.
    pub organization_id: Id,
    /// How long to wait for a database that is out of reach.
    pub patience: Duration,
}

/// The loads of one request. They run on the request's own task, when it can go no further without them: on another one they would begin
/// while the request still gathers what to ask for.
pub struct Loads {
    begun: mpsc::UnboundedReceiver<BoxFuture<'static, ()>>,
    running: FuturesUnordered<BoxFuture<'static, ()>>,
}

impl Lookups {
    /// The loader of one request, and its loads. It waits for nothing: the default delay would add a millisecond to each level of a query.
    pub fn loader(store: Store, organization_id: Id, patience: Duration) -> (DataLoader<Self>, Loads) {
        let (begin, begun) = mpsc::unbounded_channel();
        // The request may be gone, and with it who asked.
        let spawn = move |load| drop(begin.send(load));
        let loader = DataLoader::new(Self { store, organization_id, patience }, spawn).delay(Duration::ZERO);
        (loader, Loads { begun, running: FuturesUnordered::new() })
    }

    /// Looks something up, as patiently as the request is.
    pub async fn look<T, R: Future<Output = Result<T>>>(&self, look: impl Fn() -> R) -> Result<T> {
        patiently(self.patience, look).await
    }
}

impl Loads {
    /// Polls the request; where it waits, its loads, and it again whenever one is done.
    pub fn poll_with<T>(
        &mut self,
        cx: &mut task::Context<'_>,
        mut request: impl FnMut(&mut task::Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        loop {
            if let Poll::Ready(answer) = request(cx) {
                return Poll::Ready(answer);
            }
            while let Poll::Ready(Some(load)) = self.begun.poll_recv(cx) {
                self.running.push(load);
            }
            if !matches!(self.running.poll_next_unpin(cx), Poll::Ready(Some(()))) {
                return Poll::Pending;
            }
        }
    }
}

/// The loader of the request that is being answered.
pub fn lookups<'c>(ctx: &Context<'c>) -> &'c DataLoader<Lookups> {
    ctx.data_unchecked()
}

/// The database that answers.
pub fn store<'c>(ctx: &Context<'c>) -> &'c Store {
    ctx.data_unchecked()
}
