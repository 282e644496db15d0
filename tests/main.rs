//! The one test binary: every test is a story told to a running server. `TEST_DATABASE_URL` (a PostgreSQL whose role may create databases) moves
//! the whole suite from SQLite to PostgreSQL.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]
#![expect(unreachable_pub, reason = "what is shared by tests is shared within one binary")]

mod app;
mod log;
mod shapes;

mod agents;
mod auth;
mod bad_input;
mod bus;
mod capabilities;
mod chaos;
mod costs;
mod docs;
mod edge;
mod failures;
mod files;
mod guard;
mod idempotency;
mod isolation;
mod llm;
mod messages;
mod node;
mod outbound;
mod providers;
mod openapi;
mod oauth;
mod oauth_provider;
mod oauth_routes;
mod relay;
mod schema;
mod sessions;
mod storage;
mod streams;
mod tables;
mod tidy;
mod tools;
mod turns;
mod tutorial;
