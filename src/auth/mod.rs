//! Who asks: users, their logins and API keys, and what each of them may do.
//!
//! Every face hands over the `Authorization` and `Cookie` headers of a request as they came; `presented` reads them, [`Accounts`] finds the
//! viewer, one statement each time, so that what is revoked is over at once.

mod accounts;
mod api_key;
mod cookies;
pub mod graphql;
mod identity;
mod login;
pub mod oauth;
mod passwords;
#[path = "."]
pub mod postgres {
    use crate::db::postgres as backend;
    use crate::idempotency::postgres as idempotency;
    #[path = "store.rs"]
    mod store;
    pub use store::*;
}
mod presented;
mod scope;
#[path = "."]
pub mod sqlite {
    use crate::db::sqlite as backend;
    use crate::idempotency::sqlite as idempotency;
    #[path = "store.rs"]
    mod store;
    pub use store::*;
}
mod streams;
mod tokens;
mod user;
mod viewer;

pub use accounts::{Accounts, accounts};
pub use api_key::{ApiKey, CreateApiKeyInput};
pub use identity::{Identity, OauthProvider};
pub use login::{Login, RefreshToken, Refreshed};
pub use scope::{Scope, Scopes};
pub use streams::Stay;
pub use tokens::{AccessToken, Tokens};
pub use user::{User, normal_email};
pub use viewer::{Access, Credential, DEFAULT_OWNER, Viewer, signed_in, viewer};
