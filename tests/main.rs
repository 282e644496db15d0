//! The one test binary: every test is a story told to a running server. `TEST_DATABASE_URL` (a PostgreSQL whose role may create databases) moves
//! the whole suite from SQLite to PostgreSQL.

mod app;

mod edge;
mod guard;
mod llm;
mod schema;
mod tables;
mod tidy;
