//! The adapter over a stub of the executor: no server, no socket, no database.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]
#![expect(unreachable_pub, reason = "what is shared by tests is shared within one binary")]

mod contract;
mod errors;
mod events;
mod openapi;
mod printer;
mod requests;
mod stub;
