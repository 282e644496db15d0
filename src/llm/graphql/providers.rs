//! How providers are asked for.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use async_graphql::{ComplexObject, Context, InputObject, Object, Result, SimpleObject};

use super::models::{LlmModelConnection, model_page};
use crate::auth::{Scope, viewer};
use crate::db::ids::Id;
use crate::db::{Lookups, commit, read, scan, store};
use crate::error::Error;
use crate::idempotency::{Made, Once, tell};
use crate::llm::{CreateLlmProviderInput, LlmModelFilter, LlmProvider, ProviderRules, UpdateLlmProviderInput};
use crate::page::{PageArguments, connection, wants_total};

connection!(LlmProviderConnection, LlmProviderEdge, LlmProvider);

/// Questions about providers.
#[derive(Default)]
pub struct LlmProviderQuery;

#[Object]
impl LlmProviderQuery {
    /// The provider with this id; null where there is none.
    async fn llm_provider(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The provider's id.")] id: Id,
    ) -> Result<Option<LlmProvider>> {
        Ok(read!(store(ctx), llm::get_provider(viewer(ctx, Scope::AgentsRead)?.organization_id, id))?)
    }

    /// The providers of the viewer's organization, newest first.
    async fn llm_providers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the beginning: 50 where neither `first` nor `last` is given, at most 500.")]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, at most 500.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<LlmProviderConnection> {
        let organization_id = viewer(ctx, Scope::AgentsRead)?.organization_id;
        let page = PageArguments { first, after, last, before }.check(Id::parse)?;
        let total = if wants_total(ctx) { scan!(store(ctx), llm::count_providers(organization_id))? } else { 0 };
        let providers = read!(store(ctx), llm::list_providers(organization_id, &page))?;
        Ok(LlmProviderConnection::new(&page, providers, total, |provider| provider.id.to_string()))
    }
}

#[ComplexObject]
impl LlmProvider {
    /// Its models, newest first.
    async fn models(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many: 50 where it is not given, at most 500.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
    ) -> Result<LlmModelConnection> {
        let page = PageArguments { first, after, ..PageArguments::default() }.check(Id::parse)?;
        Ok(model_page(ctx, LlmModelFilter { provider_id: Some(self.id) }, page).await?)
    }
}

/// Changes of providers.
#[derive(Default)]
pub struct LlmProviderMutation;

#[Object]
impl LlmProviderMutation {
    /// Adds a provider.
    async fn create_llm_provider(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new provider.")] input: CreateLlmProviderInput,
    ) -> Result<CreateLlmProviderPayload> {
        let organization_id = viewer(ctx, Scope::AgentsWrite)?.organization_id;
        let idempotency_key = input.idempotency_key.as_deref();
        let once = Once::with_secret("createLlmProvider", &input, input.api_key.as_ref(), idempotency_key)?;
        let (provider, key) = LlmProvider::new(organization_id, input, ctx.data_unchecked::<ProviderRules>())?;
        let Made { row: provider, replayed } = commit!(store(ctx), llm::create_provider(provider, key, once))?;
        tell(ctx, replayed);
        Ok(CreateLlmProviderPayload { provider, replayed })
    }

    /// Changes a provider.
    async fn update_llm_provider(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: UpdateLlmProviderInput,
    ) -> Result<UpdateLlmProviderPayload> {
        let organization_id = viewer(ctx, Scope::AgentsWrite)?.organization_id;
        input.check()?;
        let rules = ctx.data_unchecked::<ProviderRules>().clone();
        let provider = commit!(store(ctx), llm::update_provider(organization_id, input, rules))?;
        Ok(UpdateLlmProviderPayload { provider })
    }

    /// Deletes a provider with its models. CONFLICT where an active agent or a session has chosen one of them, or one is the default.
    async fn delete_llm_provider(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which provider.")] input: DeleteLlmProviderInput,
    ) -> Result<DeleteLlmProviderPayload> {
        let (organization_id, id) = (viewer(ctx, Scope::AgentsWrite)?.organization_id, input.id);
        commit!(store(ctx), llm::delete_provider(organization_id, id))?;
        Ok(DeleteLlmProviderPayload { deleted_provider_id: id })
    }
}

/// Which provider to delete.
#[derive(InputObject)]
pub struct DeleteLlmProviderInput {
    /// The provider's id.
    pub id: Id,
}

/// What `createLlmProvider` answers.
#[derive(SimpleObject)]
pub struct CreateLlmProviderPayload {
    /// The new provider.
    provider: LlmProvider,
    /// Whether an earlier request with the same idempotency key made it: this is the provider as it is now.
    replayed: bool,
}

/// What `updateLlmProvider` answers.
#[derive(SimpleObject)]
pub struct UpdateLlmProviderPayload {
    /// The provider as it is now.
    provider: LlmProvider,
}

/// What `deleteLlmProvider` answers.
#[derive(SimpleObject)]
pub struct DeleteLlmProviderPayload {
    /// Id of the provider that is gone.
    deleted_provider_id: Id,
}

/// Looks a provider up by its id.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LlmProviderById(pub Id);

impl Loader<LlmProviderById> for Lookups {
    type Value = LlmProvider;
    type Error = Error;

    async fn load(&self, keys: &[LlmProviderById]) -> Result<HashMap<LlmProviderById, LlmProvider>, Error> {
        let ids = || keys.iter().map(|key| key.0).collect();
        let found = self.look(|| async { read!(&self.store, llm::get_providers(self.organization_id, ids())) }).await?;
        Ok(found.into_iter().map(|provider| (LlmProviderById(provider.id), provider)).collect())
    }
}
