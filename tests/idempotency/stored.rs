//! What is stored of keys: no key, no input, and nothing for longer than a day; and what it costs.

use diesel::connection::SimpleConnection as _;
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _};
use secrecy::ExposeSecret as _;

use super::*;

/// A row that can be printed.
#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = diesel::sql_types::Text)]
    text: String,
}

/// Makes every key older, by so many hours.
async fn age(app: &TestApp, hours: u64) {
    let url = app.config.database_url.expose_secret().to_owned();
    if let Some(path) = url.strip_prefix("sqlite://") {
        let older = format!("UPDATE idempotency_keys SET created_at = created_at - {hours} * 3600000000");
        let mut conn = <diesel::SqliteConnection as diesel::Connection>::establish(path).unwrap();
        conn.batch_execute(&format!("PRAGMA busy_timeout = 5000; {older}")).unwrap();
    } else {
        let older = format!("UPDATE idempotency_keys SET created_at = created_at - INTERVAL '{hours} hours'");
        AsyncPgConnection::establish(&url).await.unwrap().batch_execute(&older).await.unwrap();
    }
}

/// Every row, its bytes as hexadecimal digits.
async fn rows(app: &TestApp) -> Vec<String> {
    let url = app.config.database_url.expose_secret().to_owned();
    let columns =
        |hex: &str| format!("SELECT mutation || ' ' || {hex} AS text FROM idempotency_keys ORDER BY created_at");
    let rows: Vec<Row> = if let Some(path) = url.strip_prefix("sqlite://") {
        let mut conn = <diesel::SqliteConnection as diesel::Connection>::establish(path).unwrap();
        let query = columns("lower(hex(key_hash)) || ' ' || lower(hex(input_hash))");
        diesel::RunQueryDsl::load(diesel::sql_query(query), &mut conn).unwrap()
    } else {
        let mut conn = AsyncPgConnection::establish(&url).await.unwrap();
        let query = columns("encode(key_hash, 'hex') || ' ' || encode(input_hash, 'hex')");
        diesel::sql_query(query).load(&mut conn).await.unwrap()
    };
    rows.into_iter().map(|row| row.text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stands_for_a_day_and_is_then_taken_away() {
    let app = TestApp::start().await;
    let agent = json!({ "name": "A", "system_prompt": "" });
    let first = post(&app, "/v1/agents", "k", &agent).await;
    age(&app, 23).await;
    assert!(is_replayed(&post(&app, "/v1/agents", "k", &agent).await));
    age(&app, 2).await;
    let second = post(&app, "/v1/agents", "k", &agent).await;
    assert_eq!((second.status, is_replayed(&second)), (201, false));
    assert_ne!(first.body["id"], second.body["id"]);
    // Now it stands for the second one, also where another input replaced it.
    assert_eq!(post(&app, "/v1/agents", "k", &agent).await.body["id"], second.body["id"]);
    age(&app, 25).await;
    assert_eq!(post(&app, "/v1/agents", "k", &json!({ "name": "B", "system_prompt": "" })).await.status, 201);
    assert_eq!(post(&app, "/v1/agents", "k", &agent).await.status, 409);
    for number in 0..5 {
        post(&app, "/v1/agents", &format!("k {number}"), &agent).await;
    }
    assert_eq!(rows(&app).await.len(), 6);
    age(&app, 25).await;
    post(&app, "/v1/agents", "l", &agent).await;
    assert_eq!(rows(&app).await.len(), 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_key_nor_input_can_be_read_from_the_table_and_equal_inputs_do_not_look_alike() {
    use sha2::{Digest as _, Sha256};
    let app = TestApp::start().await;
    let provider = json!({ "name": "P", "provider_type": "openai", "api_key": "sk-canary-4711" });
    for key in ["key-canary-1", "key-canary-2"] {
        assert_eq!(post(&app, "/v1/llm-providers", key, &provider).await.status, 201);
    }
    let rows = rows(&app).await;
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let plain = Sha256::digest("key-canary-1").iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for word in ["canary".to_owned(), hex("canary"), plain] {
        assert!(rows.iter().all(|row| !row.contains(&word)), "{rows:?}");
    }
    let inputs: Vec<&str> = rows.iter().map(|row| row.rsplit(' ').next().unwrap()).collect();
    assert_ne!(inputs[0], inputs[1]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_costs_two_statements_and_without_one_none() {
    let app = TestApp::start_with(|config| config.turn_lease_ms = 3 * 60 * 60 * 1000).await;
    let agent = json!({ "name": "A", "system_prompt": "" });
    let cost = async |key: Option<&str>| {
        let before = app.counters.statements();
        let made = match key {
            Some(key) => post(&app, "/v1/agents", key, &agent).await,
            None => app.post("/v1/agents", agent.clone()).await,
        };
        assert_eq!(made.status, 201, "{}", made.body);
        app.counters.statements() - before
    };
    // The server may still be at something that came before: the least of several is the request's own.
    let (mut without, mut first, mut again) = (u64::MAX, u64::MAX, u64::MAX);
    for number in 0..5 {
        let key = number.to_string();
        without = without.min(cost(None).await);
        first = first.min(cost(Some(&key)).await);
        again = again.min(cost(Some(&key)).await);
    }
    assert_eq!((without, first, again), (1, 3, 3));
}
