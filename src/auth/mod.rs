//! Who asks: users, their sign-ins and API keys, and what each of them may do.

mod scope;
mod viewer;

pub use scope::{Scope, Scopes};
pub use viewer::{Access, Credential, DEFAULT_OWNER, Viewer, signed_in, viewer};
