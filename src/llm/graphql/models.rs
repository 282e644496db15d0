//! How stored models are asked for.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use async_graphql::{ComplexObject, Context, InputObject, Object, Result, SimpleObject};

use super::LlmProviderById;
use crate::auth::{Scope, viewer};
use crate::db::ids::Id;
use crate::db::{Lookups, commit, lookups, read, scan, store};
use crate::error::Error;
use crate::idempotency::{Made, Once, tell};
use crate::llm::{CreateLlmModelInput, LlmModel, LlmModelFilter, LlmProvider, UpdateLlmModelInput};
use crate::page::{Page, PageArguments, connection, wants_total};

connection!(LlmModelConnection, LlmModelEdge, LlmModel);

/// Questions about models.
#[derive(Default)]
pub struct LlmModelQuery;

#[Object]
impl LlmModelQuery {
    /// The model with this id; null where there is none.
    async fn llm_model(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The model's id.")] id: Id,
    ) -> Result<Option<LlmModel>> {
        Ok(read!(store(ctx), llm::get_model(viewer(ctx, Scope::AgentsRead)?.organization_id, id))?)
    }

    /// The models of the viewer's organization, newest first.
    async fn llm_models(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the beginning: 50 where neither `first` nor `last` is given, at most 500.")]
        first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, at most 500.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
        #[graphql(desc = "Which models.")] filter: Option<LlmModelFilter>,
    ) -> Result<LlmModelConnection> {
        let organization_id = viewer(ctx, Scope::AgentsRead)?.organization_id;
        let page = PageArguments { first, after, last, before }.check(Id::parse)?;
        let filter = filter.unwrap_or_default();
        if let Some(provider_id) = filter.provider_id {
            let provider = read!(store(ctx), llm::get_provider(organization_id, provider_id))?;
            provider.ok_or_else(|| Error::not_found("provider"))?;
        }
        Ok(model_page(ctx, filter, page).await?)
    }
}

/// A page of models.
pub(super) async fn model_page(
    ctx: &Context<'_>,
    filter: LlmModelFilter,
    page: Page<Id>,
) -> Result<LlmModelConnection, Error> {
    let organization_id = viewer(ctx, Scope::AgentsRead)?.organization_id;
    let total =
        if wants_total(ctx) { scan!(store(ctx), llm::count_models(organization_id, filter.clone()))? } else { 0 };
    let models = read!(store(ctx), llm::list_models(organization_id, filter, &page))?;
    Ok(LlmModelConnection::new(&page, models, total, |model| model.id.to_string()))
}

/// The model that an agent, a session or a message names; nothing where it names none or one that is gone.
pub async fn find_named(ctx: &Context<'_>, id: Option<Id>) -> Result<Option<LlmModel>> {
    let Some(id) = id else { return Ok(None) };
    viewer(ctx, Scope::AgentsRead)?;
    Ok(lookups(ctx).load_one(LlmModelById(id)).await?)
}

#[ComplexObject]
impl LlmModel {
    /// Whose it is.
    async fn provider(&self, ctx: &Context<'_>) -> Result<LlmProvider> {
        viewer(ctx, Scope::AgentsRead)?;
        let found = lookups(ctx).load_one(LlmProviderById(self.provider_id)).await?;
        Ok(found.ok_or_else(|| Error::not_found("provider"))?)
    }
}

/// Changes of models.
#[derive(Default)]
pub struct LlmModelMutation;

#[Object]
impl LlmModelMutation {
    /// Adds a model to a provider. CONFLICT where the provider has one of that name.
    async fn create_llm_model(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new model.")] input: CreateLlmModelInput,
    ) -> Result<CreateLlmModelPayload> {
        let organization_id = viewer(ctx, Scope::AgentsWrite)?.organization_id;
        let once = Once::of("createLlmModel", &input, input.idempotency_key.as_deref())?;
        let model = LlmModel::new(organization_id, input)?;
        let Made { row: model, replayed } = commit!(store(ctx), llm::create_model(model, once))?;
        tell(ctx, replayed);
        Ok(CreateLlmModelPayload { model, replayed })
    }

    /// Changes a model.
    async fn update_llm_model(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: UpdateLlmModelInput,
    ) -> Result<UpdateLlmModelPayload> {
        let organization_id = viewer(ctx, Scope::AgentsWrite)?.organization_id;
        input.check()?;
        Ok(UpdateLlmModelPayload { model: commit!(store(ctx), llm::update_model(organization_id, input))? })
    }

    /// Deletes a model. CONFLICT where an active agent or a session has chosen it, or it is the default.
    async fn delete_llm_model(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which model.")] input: DeleteLlmModelInput,
    ) -> Result<DeleteLlmModelPayload> {
        let (organization_id, id) = (viewer(ctx, Scope::AgentsWrite)?.organization_id, input.id);
        commit!(store(ctx), llm::delete_model(organization_id, id))?;
        Ok(DeleteLlmModelPayload { deleted_model_id: id })
    }
}

/// Which model to delete.
#[derive(InputObject)]
pub struct DeleteLlmModelInput {
    /// The model's id.
    pub id: Id,
}

/// What `createLlmModel` answers.
#[derive(SimpleObject)]
pub struct CreateLlmModelPayload {
    /// The new model.
    model: LlmModel,
    /// Whether an earlier request with the same idempotency key made it: this is the model as it is now.
    replayed: bool,
}

/// What `updateLlmModel` answers.
#[derive(SimpleObject)]
pub struct UpdateLlmModelPayload {
    /// The model as it is now.
    model: LlmModel,
}

/// What `deleteLlmModel` answers.
#[derive(SimpleObject)]
pub struct DeleteLlmModelPayload {
    /// Id of the model that is gone.
    deleted_model_id: Id,
}

/// Looks a model up by its id.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LlmModelById(pub Id);

impl Loader<LlmModelById> for Lookups {
    type Value = LlmModel;
    type Error = Error;

    async fn load(&self, keys: &[LlmModelById]) -> Result<HashMap<LlmModelById, LlmModel>, Error> {
        let ids = || keys.iter().map(|key| key.0).collect();
        let found = self.look(|| async { read!(&self.store, llm::get_models(self.organization_id, ids())) }).await?;
        Ok(found.into_iter().map(|model| (LlmModelById(model.id), model)).collect())
    }
}
