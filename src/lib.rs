//! Everruns: a self-hosted server for AI agents. GraphQL is its model; REST asks it and prints.
//!
//! # Floor plan
//! A request comes in at [`edge`] (HTTP, WebSocket, the guard before the parser), passes the one door [`gateway`], runs in [`graphql`] (the nouns'
//! roots merged) and lands in a noun: `<noun>/graphql.rs` says how it is asked for, `<noun>/<noun>.rs` what it is, `<noun>/store.rs` how it is kept.
//! REST (the crate `everruns-rest`) maps `/v1` onto documents and comes in at the same door. A message that was sent is answered by [`runner`]:
//! claim, model call, end, each one transaction; what it says is shown by [`events`].
//!
//! # Arrows
//! They point down only, and `tests/tidy.rs` says so:
//! `main > app > edge > gateway > graphql > <noun>/graphql.rs`, `app > runner, replica`, all `> messages > turns > sessions > events > agents >
//! capabilities > llm > organizations > auth > bus > idempotency > db > page, validate, secrets, clock, outbound, error, config`. All
//! `<noun>/graphql.rs` are one
//! layer. SQL stands in store files and
//! [`db`], the environment is read in [`config`], axum is named in [`edge`] (and where `app` serves), reqwest in [`outbound`].
//!
//! # Invariants
//! No open stream and no model call holds a database connection. Nothing durable starts in a task. Every write of a running turn names its epoch.

pub mod app;
pub mod edge;
pub mod gateway;
pub mod graphql;
mod library_errors;
pub mod replica;
pub mod runner;

pub mod messages;
pub mod turns;
pub mod sessions;
pub mod events;
pub mod agents;
pub mod capabilities;
pub mod llm;
pub mod organizations;
pub mod auth;

pub mod bus;
pub mod idempotency;
pub mod db;
pub mod page;
pub mod validate;
pub mod secrets;
pub mod clock;
pub mod outbound;
pub mod error;
pub mod config;
