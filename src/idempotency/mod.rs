//! Idempotency: a change that a caller sends again, because its answer was lost, is made once.
//!
//! Every mutation that creates something, and sending a message, takes a key of the caller's choice. What was made under it is stored in the
//! mutation's own transaction: either both are there or neither. So an error is never kept, and of requests that race the database lets one go
//! first, for which the others wait. The table holds no more than two hashes and an id. The one names the key; the other, of the input, is keyed
//! with the key itself: whoever reads the table learns neither, not even by guessing at an input that holds a secret, as long as the key is random.
//!
//! A mutation uses it in three places: `Once::of` reads the key, the store's `begin` is the first statement of the transaction, and [`tell`] says in
//! a header that the answer is a repeated one. Without a key none of them asks the database anything.

mod once;
#[path = "."]
pub mod postgres {
    use crate::db::postgres as backend;
    #[path = "store.rs"]
    mod store;
    pub use store::*;
}
#[path = "."]
pub mod sqlite {
    use crate::db::sqlite as backend;
    #[path = "store.rs"]
    mod store;
    pub use store::*;
}

pub use once::{KEPT, Made, Once, tell};
