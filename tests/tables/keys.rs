//! Ready for a database in parts: every key begins with the organization, and nothing in the schema reaches from one organization into another.

use std::collections::{BTreeMap, BTreeSet};

use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::{AsyncConnection as _, AsyncPgConnection};

use crate::app::TestApp;

/// The table whose rows are the organizations themselves, and the one that the migrations keep for themselves.
const ABOVE: [&str; 2] = ["organizations", "__diesel_schema_migrations"];

/// Indexes that begin with something else, each for a reason.
const OTHER: [(&str, &str); 8] = [
    ("turns_queue", "the runner claims for all organizations"),
    ("turns_leases", "the runner claims for all organizations"),
    ("users_by_email", "who signs in has no organization yet"),
    ("user_identities_by_subject", "who signs in has no organization yet"),
    ("refresh_tokens_by_hash", "who refreshes has no organization yet"),
    ("api_keys_by_hash", "who sends a key has no organization yet"),
    ("agents_by_tag", "an index of tags holds nothing else"),
    ("sessions_by_tag", "an index of tags holds nothing else"),
];

#[derive(diesel::QueryableByName)]
struct Index {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    first_column: Option<String>,
    #[diesel(sql_type = BigInt)]
    is_primary: i64,
}

/// One column of a foreign key.
#[derive(diesel::QueryableByName)]
struct Reference {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = Text)]
    other_table: String,
    #[diesel(sql_type = Text)]
    other_column: String,
}

#[derive(diesel::QueryableByName)]
struct Thing {
    #[diesel(sql_type = Text)]
    name: String,
}

struct Schema {
    indexes: Vec<Index>,
    references: Vec<Reference>,
    /// Sequences, triggers and functions.
    machinery: Vec<Thing>,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_begins_with_the_organization() {
    let schema = schema().await;
    let mut with_primary_key = BTreeSet::new();
    let mut wrong = Vec::new();
    for index in schema.indexes.iter().filter(|index| !ABOVE.contains(&index.table_name.as_str())) {
        if index.is_primary == 1 {
            with_primary_key.insert(index.table_name.as_str());
        }
        let begins = index.first_column.as_deref() == Some("organization_id");
        if !begins && !OTHER.iter().any(|(name, _)| *name == index.name) {
            wrong.push(format!("{} of {}: {:?}", index.name, index.table_name, index.first_column));
        }
    }
    assert!(wrong.is_empty(), "these begin with something else: {wrong:#?}");
    let tables: BTreeSet<_> = schema.indexes.iter().map(|index| index.table_name.as_str()).collect();
    let bare: Vec<_> =
        tables.iter().filter(|table| !with_primary_key.contains(*table) && !ABOVE.contains(table)).collect();
    assert!(with_primary_key.len() > 10 && bare.is_empty(), "these have no primary key: {bare:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_keys_stay_inside_an_organization_and_nothing_runs_in_the_database() {
    let schema = schema().await;
    let mut keys = BTreeMap::<_, Vec<&Reference>>::new();
    for reference in &schema.references {
        keys.entry((&reference.table_name, &reference.name)).or_default().push(reference);
    }
    assert!(keys.len() > 10);
    for (key, columns) in keys {
        let stays = columns.iter().any(|column| {
            let there = if column.other_table == "organizations" { "id" } else { "organization_id" };
            column.column_name == "organization_id" && column.other_column == there
        });
        assert!(stays, "{key:?} leads out of the organization");
    }
    let machinery: Vec<_> = schema.machinery.iter().map(|thing| &thing.name).collect();
    assert!(machinery.is_empty(), "{machinery:?}");
}

async fn schema() -> Schema {
    let app = TestApp::start().await;
    let url = secrecy::ExposeSecret::expose_secret(&app.config.database_url).to_owned();
    let schema = match url.strip_prefix("sqlite://") {
        Some(path) => on_sqlite(path),
        None => on_postgres(&url).await,
    };
    app.stop().await;
    schema
}

fn on_sqlite(path: &str) -> Schema {
    use diesel::{Connection as _, RunQueryDsl as _};
    let mut conn = diesel::SqliteConnection::establish(path).expect("the file opens");
    // A key that is a whole table of its own has no name of ours.
    let indexes = "SELECT m.name AS table_name, i.name AS name, i.origin = 'pk' AS is_primary,
             (SELECT c.name FROM pragma_index_info(i.name) c WHERE c.seqno = 0) AS first_column
         FROM sqlite_master m, pragma_index_list(m.name) i WHERE m.type = 'table'";
    let references = "SELECT m.name AS table_name, CAST(f.id AS TEXT) AS name, f.\"from\" AS column_name,
             f.\"table\" AS other_table, f.\"to\" AS other_column
         FROM sqlite_master m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table'";
    let machinery = "SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index') OR name = 'sqlite_sequence'";
    Schema {
        indexes: diesel::sql_query(indexes).load(&mut conn).expect("indexes"),
        references: diesel::sql_query(references).load(&mut conn).expect("foreign keys"),
        machinery: diesel::sql_query(machinery).load(&mut conn).expect("the rest"),
    }
}

async fn on_postgres(url: &str) -> Schema {
    use diesel_async::RunQueryDsl as _;
    let mut conn = AsyncPgConnection::establish(url).await.expect("PostgreSQL answers");
    let indexes = "SELECT t.relname::text AS table_name, i.relname::text AS name, x.indisprimary::int::bigint AS is_primary,
             (SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = x.indkey[0]) AS first_column
         FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
         WHERE t.relnamespace = 'public'::regnamespace";
    let references = "SELECT c.relname::text AS table_name, k.conname::text AS name, a.attname::text AS column_name,
             r.relname::text AS other_table, b.attname::text AS other_column
         FROM pg_constraint k CROSS JOIN LATERAL unnest(k.conkey, k.confkey) AS pair (here, there)
         JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class r ON r.oid = k.confrelid
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = pair.here
         JOIN pg_attribute b ON b.attrelid = r.oid AND b.attnum = pair.there WHERE k.contype = 'f'";
    let machinery =
        "SELECT relname::text AS name FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace
         UNION ALL SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal
         UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
             AND proname NOT LIKE 'diesel%'";
    Schema {
        indexes: diesel::sql_query(indexes).load(&mut conn).await.expect("indexes"),
        references: diesel::sql_query(references).load(&mut conn).await.expect("foreign keys"),
        machinery: diesel::sql_query(machinery).load(&mut conn).await.expect("the rest"),
    }
}
