//! How organizations are asked for.

use async_graphql::{Context, Object, Result};

use super::Organization;
use crate::auth::{Scope, Viewer, signed_in};
use crate::db::{read, store};
use crate::error::Error;

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
        let found = read!(store(ctx), organizations::get(self.0.organization_id))?;
        Ok(found.ok_or_else(|| Error::not_found("organization"))?)
    }

    /// What its credential may do.
    async fn scopes(&self) -> Vec<Scope> {
        self.0.scopes.iter().collect()
    }
}
