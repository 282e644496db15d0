//! The adapter over a stub of the executor: no server, no socket, no database.

mod contract;
mod errors;
mod events;
mod printer;
mod requests;
mod stub;
