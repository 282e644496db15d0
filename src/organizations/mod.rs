//! Organizations: who owns. Every row belongs to one, and nobody sees another's.

pub mod graphql;
mod organization;
#[path = "."]
pub mod postgres {
    use crate::auth::postgres as auth;
    use crate::db::postgres as backend;
    #[path = "store.rs"]
    mod store;
    pub use store::*;
}
#[path = "."]
pub mod sqlite {
    use crate::auth::sqlite as auth;
    use crate::db::sqlite as backend;
    #[path = "store.rs"]
    mod store;
    pub use store::*;
}

pub use organization::{DEFAULT_ORGANIZATION, Organization};
