//! The viewer: who asks the request that is being answered, in which organization, with which scopes.

use async_graphql::Context;

use super::{Scope, Scopes};
use crate::clock::Timestamp;
use crate::db::ids::Id;
use crate::error::{Error, Result};

/// The user of everybody in mode none. Its last four bits say user.
pub const DEFAULT_OWNER: Id = Id::fixed(0x0000_0000_0000_7000_8000_0000_0000_0017);

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Viewer {
    /// The organization in which the viewer acts: the only one whose rows it meets.
    pub organization_id: Id,
    /// Who signed in, or owns the API key.
    pub user_id: Id,
    /// What the credential may do.
    pub scopes: Scopes,
    /// How the viewer proved it.
    pub credential: Credential,
}

/// How a viewer proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Not at all: mode none.
    None,
    /// By an access token of this login.
    Login {
        /// The login.
        id: Id,
        /// When the token ends.
        expires_at: Timestamp,
    },
    /// By this API key.
    ApiKey {
        /// The key's id.
        id: Id,
        /// When it ends, if ever.
        expires_at: Option<Timestamp>,
    },
}

/// What the gateway found out about who asks: a viewer, or why there is none. Operations that are open to everybody do not look at it.
#[derive(Clone, Debug)]
pub struct Access(pub Result<Viewer>);

/// Who asks, where an object of this scope is entered. Errors: UNAUTHENTICATED without a valid credential, FORBIDDEN where it lacks the scope.
pub fn viewer(ctx: &Context<'_>, scope: Scope) -> Result<Viewer> {
    let viewer = signed_in(ctx)?;
    if viewer.scopes.has(scope) { Ok(viewer) } else { Err(Error::lacks_scope(scope.as_str())) }
}

/// Who asks, whatever its scopes.
pub fn signed_in(ctx: &Context<'_>) -> Result<Viewer> {
    ctx.data_unchecked::<Access>().0.clone()
}
