//! The runner: claims turns and answers them, a task each. What it holds is in the database; a runner that dies loses nothing but time.

mod calls;
mod end;
mod request;
mod retry;
mod saying;
mod step;
mod stored;
mod tools;
mod turn;
mod worker;

#[cfg(test)]
mod simulation;

pub use tools::Web;
pub use worker::Runner;
