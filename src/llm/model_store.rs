//! How stored models are kept, and what a call of one needs.

use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::backend::{Backend, Conn};
use super::idempotency;
use super::provider_store::get_provider;
use crate::clock::Timestamp;
use crate::db::ids::Id;
use crate::db::tables::{agents, llm_models, llm_providers, sessions};
use crate::error::{Error, Result};
use crate::idempotency::{Made, Once};
use crate::llm::{LlmModel, LlmModelFilter, LlmStatus, MODELS_MAX, StoredTarget, UpdateLlmModelInput};
use crate::page::Page;

/// Stores a new model of a provider.
pub async fn create_model(conn: &mut Conn, model: LlmModel, once: Option<Once>) -> Result<Made<LlmModel>> {
    if let Some(id) = idempotency::begin(conn, model.organization_id, once, model.id).await? {
        return Made::before(get_model(conn, model.organization_id, id).await?, "model");
    }
    let provider = get_provider(conn, model.organization_id, model.provider_id).await?;
    provider.ok_or_else(|| Error::not_found("provider"))?;
    if count_models(conn, model.organization_id, LlmModelFilter::default()).await? >= MODELS_MAX {
        return Err(Error::conflict(format!("an organization has at most {MODELS_MAX} models")));
    }
    refuse_twin(conn, &model).await?;
    if model.is_default {
        take_default(conn, &model).await?;
    }
    diesel::insert_into(llm_models::table).values(&model).execute(conn).await.map_err(Error::of_unique_row)?;
    Ok(Made::now(model))
}

/// The model with this id.
pub async fn get_model(conn: &mut Conn, organization_id: Id, id: Id) -> Result<Option<LlmModel>> {
    let found = llm_models::table.find((organization_id, id)).select(LlmModel::as_select());
    Ok(found.get_result(conn).await.optional()?)
}

/// The models with these ids, in any order.
pub async fn get_models(conn: &mut Conn, organization_id: Id, ids: Vec<Id>) -> Result<Vec<LlmModel>> {
    let own = llm_models::table.filter(llm_models::organization_id.eq(organization_id));
    Ok(own.filter(llm_models::id.eq_any(ids)).select(LlmModel::as_select()).load(conn).await?)
}

/// A page of models, newest first.
pub async fn list_models(
    conn: &mut Conn,
    organization_id: Id,
    filter: LlmModelFilter,
    page: &Page<Id>,
) -> Result<Vec<LlmModel>> {
    let mut query = matching(organization_id, &filter).limit(page.limit()).select(LlmModel::as_select());
    // Newest first: after a cursor stand the older ones.
    if let Some(after) = page.after {
        query = query.filter(llm_models::id.lt(after));
    }
    if let Some(before) = page.before {
        query = query.filter(llm_models::id.gt(before));
    }
    let query = if page.backwards { query.order(llm_models::id.asc()) } else { query.order(llm_models::id.desc()) };
    Ok(query.load(conn).await?)
}

/// How many models a list has in all.
pub async fn count_models(conn: &mut Conn, organization_id: Id, filter: LlmModelFilter) -> Result<i64> {
    Ok(matching(organization_id, &filter).count().get_result(conn).await?)
}

/// Changes what `input`, which was checked, gives.
pub async fn update_model(conn: &mut Conn, organization_id: Id, input: UpdateLlmModelInput) -> Result<LlmModel> {
    let row = || llm_models::table.find((organization_id, input.id));
    let locked = diesel::update(row()).set(llm_models::updated_at.eq(llm_models::updated_at));
    let before = locked.returning(LlmModel::as_select()).get_result(conn).await.optional()?;
    let before = before.ok_or_else(|| Error::not_found("model"))?;
    let row = row();
    let model = before.changed(input);
    refuse_twin(conn, &model).await?;
    if model.is_default {
        take_default(conn, &model).await?;
    }
    let change = (
        llm_models::model_id.eq(&model.model_id),
        llm_models::display_name.eq(&model.display_name),
        llm_models::context_window.eq(model.context_window),
        llm_models::input_price_per_million.eq(model.input_price_per_million),
        llm_models::output_price_per_million.eq(model.output_price_per_million),
        llm_models::is_default.eq(model.is_default),
        llm_models::status.eq(model.status),
        llm_models::updated_at.eq(model.updated_at),
    );
    diesel::update(row).set(change).execute(conn).await.map_err(Error::of_unique_row)?;
    Ok(model)
}

/// Deletes a model that nobody has chosen.
pub async fn delete_model(conn: &mut Conn, organization_id: Id, id: Id) -> Result<()> {
    let row = || llm_models::table.find((organization_id, id));
    refuse_if_chosen(conn, row().into_boxed()).await?;
    let deleted = diesel::delete(row()).execute(conn).await?;
    if deleted == 1 { Ok(()) } else { Err(Error::not_found("model")) }
}

/// Checks that the model which `field` of an input names is there. One that is disabled may be named.
pub async fn check_named(conn: &mut Conn, organization_id: Id, id: Option<Id>, field: &'static str) -> Result<()> {
    let Some(id) = id else { return Ok(()) };
    let found = get_model(conn, organization_id, id).await?;
    found.map_or_else(|| Err(Error::bad_input(field, "there is no model with this id")), |_| Ok(()))
}

/// What calls of these models need, in any order; those that do not answer are left out.
pub async fn targets(conn: &mut Conn, organization_id: Id, ids: Vec<Id>) -> Result<Vec<StoredTarget>> {
    let of_model = llm_providers::organization_id
        .eq(llm_models::organization_id)
        .and(llm_providers::id.eq(llm_models::provider_id));
    let active = llm_models::table
        .inner_join(llm_providers::table.on(of_model))
        .filter(llm_models::organization_id.eq(organization_id))
        .filter(llm_models::id.eq_any(ids))
        .filter(llm_models::status.eq(LlmStatus::Active))
        .filter(llm_providers::status.eq(LlmStatus::Active));
    let columns = (
        llm_models::id,
        llm_models::model_id,
        llm_models::context_window,
        llm_providers::id,
        llm_providers::provider_type,
        llm_providers::base_url,
        llm_providers::api_key,
    );
    Ok(active.select(columns).load(conn).await?)
}

/// Refuses where one of these models was chosen by an active agent, by a session or as the default: it would be gone without a word.
pub(super) async fn refuse_if_chosen(conn: &mut Conn, models: llm_models::BoxedQuery<'static, Backend>) -> Result<()> {
    let by_agent = || {
        let of_organization = agents::table.filter(agents::organization_id.eq(llm_models::organization_id));
        let named = of_organization.filter(agents::default_model_id.eq(llm_models::id.nullable()));
        // The word is agents' own; this module stands below them.
        exists(named.filter(agents::status.eq("active")))
    };
    let by_session = || {
        let of_organization = sessions::table.filter(sessions::organization_id.eq(llm_models::organization_id));
        exists(of_organization.filter(sessions::model_id.eq(llm_models::id.nullable())))
    };
    let chosen = models.filter(llm_models::is_default.or(by_agent()).or(by_session())).select((
        llm_models::display_name,
        llm_models::is_default,
        by_agent(),
    ));
    let chosen: Option<(String, bool, bool)> = chosen.first(conn).await.optional()?;
    let Some((name, is_default, by_agent)) = chosen else { return Ok(()) };
    let whose = match (is_default, by_agent) {
        (true, _) => "is the organization's default",
        (_, true) => "is the default of an active agent",
        _ => "is chosen by a session",
    };
    Err(Error::conflict(format!("the model {name} {whose}: choose another one there first")))
}

/// Refuses a second model of the same name under a provider.
async fn refuse_twin(conn: &mut Conn, model: &LlmModel) -> Result<()> {
    let twin = llm_models::table
        .filter(llm_models::organization_id.eq(model.organization_id))
        .filter(llm_models::provider_id.eq(model.provider_id))
        .filter(llm_models::model_id.eq(&model.model_id))
        .filter(llm_models::id.ne(model.id));
    if diesel::select(exists(twin)).get_result(conn).await? {
        return Err(Error::conflict(format!("the provider has a model {} already", model.model_id)));
    }
    Ok(())
}

/// Makes room for a new default.
async fn take_default(conn: &mut Conn, model: &LlmModel) -> Result<()> {
    let others = llm_models::table
        .filter(llm_models::organization_id.eq(model.organization_id))
        .filter(llm_models::is_default)
        .filter(llm_models::id.ne(model.id));
    let change = (llm_models::is_default.eq(false), llm_models::updated_at.eq(Timestamp::now()));
    diesel::update(others).set(change).execute(conn).await?;
    Ok(())
}

fn matching(organization_id: Id, filter: &LlmModelFilter) -> llm_models::BoxedQuery<'static, Backend> {
    let own = llm_models::table.filter(llm_models::organization_id.eq(organization_id)).into_boxed();
    match filter.provider_id {
        Some(provider_id) => own.filter(llm_models::provider_id.eq(provider_id)),
        None => own,
    }
}
