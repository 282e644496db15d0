//! How organizations are asked for.

use async_graphql::{Context, Object, Result};

use super::Organization;
use crate::auth::graphql::{ApiKeyConnection, api_key_page};
use crate::auth::{Credential, Scope, User, Viewer, signed_in};
use crate::db::{read, store};
use crate::error::Error;
use crate::page::PageArguments;

/// Questions about who asks.
#[derive(Default)]
pub struct OrganizationQuery;

#[Object]
impl OrganizationQuery {
    /// Who asks: the caller's own view of itself.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<ViewerObject> {
        Ok(ViewerObject(signed_in(ctx)?))
    }
}

/// Who asks.
pub struct ViewerObject(Viewer);

/// Who asks.
#[Object(name = "Viewer")]
impl ViewerObject {
    /// The organization in which the viewer acts: everything that the viewer sees belongs to it.
    async fn organization(&self, ctx: &Context<'_>) -> Result<Organization> {
        Ok(self.own_organization(ctx).await?)
    }

    /// Who signed in, or owns the API key; in mode none, the owner of everything.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        if self.0.credential == Credential::None {
            let organization = self.own_organization(ctx).await?;
            return Ok(Some(User::default_owner(organization.id, organization.created_at)));
        }
        Ok(read!(store(ctx), auth::get_user(self.0.organization_id, self.0.user_id))?)
    }

    /// The viewer's API keys, newest first. FORBIDDEN to an API key, NOT_FOUND in mode none.
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the beginning: 50 where it is not given, at most 500.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
    ) -> Result<ApiKeyConnection> {
        Ok(api_key_page(ctx, &PageArguments { first, after, ..PageArguments::default() }).await?)
    }

    /// What its credential may do.
    async fn scopes(&self) -> Vec<Scope> {
        self.0.scopes.iter().collect()
    }
}

impl ViewerObject {
    async fn own_organization(&self, ctx: &Context<'_>) -> Result<Organization, Error> {
        let found = read!(store(ctx), organizations::get(self.0.organization_id))?;
        found.ok_or_else(|| Error::not_found("organization"))
    }
}
