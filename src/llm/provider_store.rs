//! How providers are kept.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::backend::Conn;
use super::idempotency;
use super::model_store::refuse_if_chosen;
use crate::clock::Timestamp;
use crate::db::ids::Id;
use crate::db::tables::{llm_models, llm_providers};
use crate::error::{Error, Result};
use crate::idempotency::{Made, Once};
use crate::llm::{LlmProvider, PROVIDERS_MAX, ProviderRules, SealedKey, UpdateLlmProviderInput};
use crate::page::Page;

/// Stores a new provider with its key.
pub async fn create_provider(
    conn: &mut Conn,
    provider: LlmProvider,
    key: SealedKey,
    once: Option<Once>,
) -> Result<Made<LlmProvider>> {
    if let Some(id) = idempotency::begin(conn, provider.organization_id, once, provider.id).await? {
        return Made::before(get_provider(conn, provider.organization_id, id).await?, "provider");
    }
    if count_providers(conn, provider.organization_id).await? >= PROVIDERS_MAX {
        return Err(Error::conflict(format!("an organization has at most {PROVIDERS_MAX} providers")));
    }
    if provider.is_default {
        take_default(conn, &provider).await?;
    }
    let row = (&provider, llm_providers::api_key.eq(key.api_key));
    diesel::insert_into(llm_providers::table).values(row).execute(conn).await.map_err(Error::of_unique_row)?;
    Ok(Made::now(provider))
}

/// The provider with this id.
pub async fn get_provider(conn: &mut Conn, organization_id: Id, id: Id) -> Result<Option<LlmProvider>> {
    let found = llm_providers::table.find((organization_id, id)).select(LlmProvider::as_select());
    Ok(found.get_result(conn).await.optional()?)
}

/// The providers with these ids, in any order.
pub async fn get_providers(conn: &mut Conn, organization_id: Id, ids: Vec<Id>) -> Result<Vec<LlmProvider>> {
    let own = llm_providers::table.filter(llm_providers::organization_id.eq(organization_id));
    Ok(own.filter(llm_providers::id.eq_any(ids)).select(LlmProvider::as_select()).load(conn).await?)
}

/// A page of providers, newest first.
pub async fn list_providers(conn: &mut Conn, organization_id: Id, page: &Page<Id>) -> Result<Vec<LlmProvider>> {
    let own = llm_providers::table.filter(llm_providers::organization_id.eq(organization_id));
    let mut query = own.limit(page.limit()).select(LlmProvider::as_select()).into_boxed();
    // Newest first: after a cursor stand the older ones.
    if let Some(after) = page.after {
        query = query.filter(llm_providers::id.lt(after));
    }
    if let Some(before) = page.before {
        query = query.filter(llm_providers::id.gt(before));
    }
    let query =
        if page.backwards { query.order(llm_providers::id.asc()) } else { query.order(llm_providers::id.desc()) };
    Ok(query.load(conn).await?)
}

/// How many providers the organization has.
pub async fn count_providers(conn: &mut Conn, organization_id: Id) -> Result<i64> {
    let own = llm_providers::table.filter(llm_providers::organization_id.eq(organization_id));
    Ok(own.count().get_result(conn).await?)
}

/// Changes what `input`, which was checked, gives.
pub async fn update_provider(
    conn: &mut Conn,
    organization_id: Id,
    input: UpdateLlmProviderInput,
    rules: ProviderRules,
) -> Result<LlmProvider> {
    let row = || llm_providers::table.find((organization_id, input.id));
    // Locked while it is judged: a key must not meet an address that another change gives in the same moment.
    let locked = diesel::update(row()).set(llm_providers::updated_at.eq(llm_providers::updated_at));
    let before = locked.returning(LlmProvider::as_select()).get_result(conn).await.optional()?;
    let before = before.ok_or_else(|| Error::not_found("provider"))?;
    let row = row();
    let (provider, key) = before.changed(input, &rules)?;
    if provider.is_default {
        take_default(conn, &provider).await?;
    }
    let change = (
        llm_providers::name.eq(&provider.name),
        llm_providers::base_url.eq(&provider.base_url),
        key.map(|key| llm_providers::api_key.eq(key.api_key)),
        llm_providers::api_key_last4.eq(&provider.api_key_last4),
        llm_providers::is_default.eq(provider.is_default),
        llm_providers::status.eq(provider.status),
        llm_providers::updated_at.eq(provider.updated_at),
    );
    diesel::update(row).set(change).execute(conn).await.map_err(Error::of_unique_row)?;
    Ok(provider)
}

/// Deletes a provider with its models, where nobody has chosen one of them.
pub async fn delete_provider(conn: &mut Conn, organization_id: Id, id: Id) -> Result<()> {
    let provider = get_provider(conn, organization_id, id).await?.ok_or_else(|| Error::not_found("provider"))?;
    let own = || llm_models::table.filter(llm_models::organization_id.eq(organization_id));
    let models = || own().filter(llm_models::provider_id.eq(id));
    refuse_if_chosen(conn, models().into_boxed()).await?;
    if provider.is_default && diesel::select(diesel::dsl::exists(models())).get_result(conn).await? {
        return Err(Error::conflict("the provider is the organization's default: make another one the default first"));
    }
    diesel::delete(llm_providers::table.find((organization_id, id))).execute(conn).await?;
    Ok(())
}

/// Makes room for a new default.
async fn take_default(conn: &mut Conn, provider: &LlmProvider) -> Result<()> {
    let others = llm_providers::table
        .filter(llm_providers::organization_id.eq(provider.organization_id))
        .filter(llm_providers::is_default)
        .filter(llm_providers::id.ne(provider.id));
    let change = (llm_providers::is_default.eq(false), llm_providers::updated_at.eq(Timestamp::now()));
    diesel::update(others).set(change).execute(conn).await?;
    Ok(())
}

/// Whether any key is sealed here, whoever's it is: the server asks before it makes itself a new key to seal with.
pub async fn has_sealed(conn: &mut Conn) -> Result<bool> {
    let sealed = llm_providers::table.filter(llm_providers::api_key.is_not_null()).select(llm_providers::id).limit(1);
    Ok(sealed.get_result::<Id>(conn).await.optional()?.is_some())
}
