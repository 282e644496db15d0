//! The tables that the queries know are the tables that the migrations make, on both databases.

mod keys;

use std::collections::BTreeMap;

use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};

use crate::app::TestApp;

/// Table -> column -> (kind, whether null is allowed).
type Tables = BTreeMap<String, BTreeMap<String, (String, bool)>>;

#[derive(diesel::QueryableByName)]
struct Column {
    #[diesel(sql_type = diesel::sql_types::Text)]
    table_name: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    column_name: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    kind: String,
    #[diesel(sql_type = diesel::sql_types::Bool)]
    nullable: bool,
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_rs_is_what_the_migrations_make() {
    let app = TestApp::start().await;
    let url = secrecy::ExposeSecret::expose_secret(&app.config.database_url).to_owned();
    let (made, kinds) = if let Some(path) = url.strip_prefix("sqlite://") {
        (on_sqlite(path), ["BLOB", "INTEGER", "TEXT", "TEXT", "TEXT", "INTEGER", "BLOB", "BOOLEAN", "DOUBLE"])
    } else {
        (on_postgres(&url).await, ["uuid", "timestamptz", "jsonb", "_text", "text", "int8", "bytea", "bool", "float8"])
    };
    assert_eq!(made, declared(kinds));
    app.stop().await;
}

fn on_sqlite(path: &str) -> Tables {
    use diesel::Connection as _;
    let mut conn = diesel::SqliteConnection::establish(path).expect("the file opens");
    let columns = diesel::sql_query(
        "SELECT m.name AS table_name, c.name AS column_name, c.type AS kind, c.\"notnull\" = 0 AS nullable
         FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'",
    );
    tables(diesel::RunQueryDsl::load(columns, &mut conn).expect("the catalogue answers"))
}

async fn on_postgres(url: &str) -> Tables {
    let mut conn = AsyncPgConnection::establish(url).await.expect("PostgreSQL answers");
    let columns = diesel::sql_query(
        "SELECT table_name::text, column_name::text, udt_name::text AS kind, is_nullable = 'YES' AS nullable
         FROM information_schema.columns WHERE table_schema = 'public'",
    );
    tables(columns.load(&mut conn).await.expect("the catalogue answers"))
}

fn tables(columns: Vec<Column>) -> Tables {
    let mut tables = Tables::new();
    for column in columns.into_iter().filter(|column| column.table_name != "__diesel_schema_migrations") {
        let table = tables.entry(column.table_name).or_default();
        table.insert(column.column_name, (column.kind, column.nullable));
    }
    tables
}

/// Reads src/db/tables.rs. `kinds` are the database's words for IdSql, TimestampSql, JsonSql, TagsSql, Text, BigInt, Binary, Bool and
/// Double.
fn declared(kinds: [&str; 9]) -> Tables {
    let source = include_str!("../src/db/tables.rs");
    let (_, body) = source.split_once("tables! {").expect("the declaration");
    let words = ["IdSql", "TimestampSql", "JsonSql", "TagsSql", "Text", "BigInt", "Binary", "Bool", "Double"];
    let mut tables = Tables::new();
    let mut table = String::new();
    for line in body.lines().map(str::trim) {
        if let Some((name, _)) = line.split_once(" (").filter(|_| line.ends_with('{')) {
            table = name.to_owned();
        } else if let Some((name, kind)) = line.trim_end_matches(',').split_once(" -> ") {
            let inner = kind.strip_prefix("Nullable<").map(|inner| inner.trim_end_matches('>'));
            let index = words.iter().position(|word| *word == inner.unwrap_or(kind)).expect("a known kind");
            tables
                .entry(table.clone())
                .or_default()
                .insert(name.to_owned(), (kinds[index].to_owned(), inner.is_some()));
        }
    }
    tables
}

#[derive(diesel::QueryableByName)]
struct Plan {
    #[diesel(sql_type = diesel::sql_types::Text)]
    detail: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_finds_its_turn_by_an_index_however_long_the_history_is() {
    use diesel::Connection as _;
    let app = TestApp::start().await;
    // PostgreSQL chooses by statistics, which an empty database does not have; SQLite has one writer, which a scan would hold up.
    if let Some(path) = secrecy::ExposeSecret::expose_secret(&app.config.database_url).strip_prefix("sqlite://") {
        let statement = everruns::turns::sqlite::claim_statement().replace("$1", "'owner'").replace("$2", "1000");
        let mut conn = diesel::SqliteConnection::establish(path).expect("the file opens");
        let plan = diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}"));
        let plan: Vec<Plan> = diesel::RunQueryDsl::load(plan, &mut conn).expect("a plan");
        let plan: Vec<_> = plan.into_iter().map(|step| step.detail).collect();
        let scans = |table: &str| plan.iter().any(|step| *step == format!("SCAN {table}"));
        assert!(!scans("t") && !scans("r") && !scans("turns"), "{plan:#?}");
        assert!(plan.iter().any(|step| step.contains("turns_queue")), "{plan:#?}");
    }
    app.stop().await;
}
