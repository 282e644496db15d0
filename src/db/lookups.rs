//! Look-ups by id, gathered: what one request asks for on one level of its query is one statement.

use async_graphql::Context;
use async_graphql::dataloader::DataLoader;

use super::Store;
use super::ids::Id;

/// What the loaders of a request need; each noun's `graphql.rs` says how its own are read.
pub struct Lookups {
    /// Where to look.
    pub store: Store,
    /// Whose rows may be seen.
    pub organization_id: Id,
}

impl Lookups {
    /// The loader of one request. It waits for nothing: the default delay would add a millisecond to each level of a query.
    pub fn loader(store: Store, organization_id: Id) -> DataLoader<Self> {
        DataLoader::new(Self { store, organization_id }, tokio::spawn).delay(std::time::Duration::ZERO)
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
