//! How API keys are asked for. Only a login manages them: a key that leaked must not make others.

use async_graphql::{ComplexObject, Context, InputObject, Object, Result, SimpleObject};
use secrecy::{ExposeSecret as _, SecretString};

use super::config;
use crate::auth::{ApiKey, CreateApiKeyInput, Credential, Viewer, accounts, signed_in};
use crate::db::ids::Id;
use crate::db::{commit, read, store};
use crate::error::Error;
use crate::idempotency::Once;
use crate::page::{PageArguments, connection, wants_total};

connection!(ApiKeyConnection, ApiKeyEdge, ApiKey);

/// A page of the viewer's API keys, newest first. Errors as those of `manager`.
pub async fn api_key_page(ctx: &Context<'_>, arguments: &PageArguments) -> Result<ApiKeyConnection, Error> {
    let viewer = manager(ctx)?;
    let page = arguments.check(Id::parse)?;
    let (organization_id, user_id) = (viewer.organization_id, viewer.user_id);
    let total = if wants_total(ctx) { read!(store(ctx), auth::count_keys(organization_id, user_id))? } else { 0 };
    let keys = read!(store(ctx), auth::list_keys(organization_id, user_id, &page))?;
    Ok(ApiKeyConnection::new(&page, keys, total, |key| key.id.to_string()))
}

/// One of the viewer's API keys; nothing where it is another's. Errors as those of `manager`.
pub async fn api_key(ctx: &Context<'_>, id: Id) -> Result<Option<ApiKey>, Error> {
    let viewer = manager(ctx)?;
    read!(store(ctx), auth::get_key(viewer.organization_id, viewer.user_id, id))
}

/// Changes of API keys.
#[derive(Default)]
pub struct ApiKeyMutation;

#[Object]
impl ApiKeyMutation {
    /// Makes an API key of the viewer's; at most 100. The key is shown this once. FORBIDDEN to an API key, NOT_FOUND in mode none.
    async fn create_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new key.")] input: CreateApiKeyInput,
    ) -> Result<CreateApiKeyPayload> {
        let manager = manager(ctx)?;
        let once = Once::of("createApiKey", &input, input.idempotency_key.as_deref())?;
        let (api_key, secret, hash) = ApiKey::new(manager, input)?;
        Ok(CreateApiKeyPayload { api_key: commit!(store(ctx), auth::create_key(api_key, hash, once))?, secret })
    }

    /// Deletes an API key of the viewer's: requests with it are refused from then on, and its open streams end. FORBIDDEN to an API key, NOT_FOUND
    /// in mode none.
    async fn delete_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which key.")] input: DeleteApiKeyInput,
    ) -> Result<DeleteApiKeyPayload> {
        let viewer = manager(ctx)?;
        let id = input.id;
        if !commit!(store(ctx), auth::delete_key(viewer.organization_id, viewer.user_id, id))? {
            return Err(Error::not_found("API key").into());
        }
        accounts(ctx).end_streams(id);
        Ok(DeleteApiKeyPayload { deleted_api_key_id: id })
    }
}

/// Which API key to delete.
#[derive(InputObject)]
pub struct DeleteApiKeyInput {
    /// The key's id.
    pub id: Id,
}

/// What `createApiKey` answers.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct CreateApiKeyPayload {
    /// The new key, as it is listed.
    api_key: ApiKey,
    /// The key itself, which is shown this once.
    #[graphql(skip)]
    secret: SecretString,
}

#[ComplexObject]
impl CreateApiKeyPayload {
    /// The key itself: it is shown this once.
    async fn key(&self) -> &str {
        self.secret.expose_secret()
    }
}

/// What `deleteApiKey` answers.
#[derive(SimpleObject)]
pub struct DeleteApiKeyPayload {
    /// Id of the key that is gone.
    deleted_api_key_id: Id,
}

/// Who may manage API keys. Errors: NOT_FOUND in mode none, UNAUTHENTICATED, FORBIDDEN to an API key.
fn manager(ctx: &Context<'_>) -> Result<Viewer, Error> {
    config(ctx)?;
    let viewer = signed_in(ctx)?;
    match viewer.credential {
        Credential::ApiKey { .. } => Err(Error::forbidden("an API key does not manage API keys; sign in")),
        Credential::Login { .. } | Credential::None => Ok(viewer),
    }
}
