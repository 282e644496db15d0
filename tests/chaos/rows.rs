//! What a database holds, read past the program: SQLite's file or PostgreSQL, by the same few queries, ids as hexadecimal text.

use std::collections::BTreeSet;

use diesel::connection::SimpleConnection as _;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel::{Connection as _, QueryableByName};
use diesel_async::{AsyncConnection as _, AsyncPgConnection};

/// A database that replicas share.
#[derive(Clone)]
pub struct Database {
    pub url: String,
}

/// Everything of turns that it holds.
#[derive(Clone)]
pub struct Rows {
    pub messages: Vec<MessageRow>,
    pub turns: Vec<TurnRow>,
    pub steps: Vec<StepRow>,
    pub events: Vec<EventRow>,
}

#[derive(QueryableByName, Clone, Debug, PartialEq)]
pub struct MessageRow {
    #[diesel(sql_type = Text)]
    pub session: String,
    #[diesel(sql_type = BigInt)]
    pub sequence: i64,
    #[diesel(sql_type = Text)]
    pub id: String,
    #[diesel(sql_type = Text)]
    pub role: String,
    #[diesel(sql_type = Text)]
    pub text: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub step: Option<String>,
    #[diesel(sql_type = Bool)]
    pub withdrawn: bool,
}

#[derive(QueryableByName, Clone, Debug, PartialEq)]
pub struct TurnRow {
    #[diesel(sql_type = Text)]
    pub id: String,
    #[diesel(sql_type = Text)]
    pub session: String,
    #[diesel(sql_type = Text)]
    pub message: String,
    #[diesel(sql_type = Text)]
    pub status: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub error_code: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub attempts: i64,
    #[diesel(sql_type = BigInt)]
    pub epoch: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub owner: Option<String>,
}

#[derive(QueryableByName, Clone, Debug, PartialEq)]
pub struct StepRow {
    #[diesel(sql_type = Text)]
    pub id: String,
    #[diesel(sql_type = Text)]
    pub session: String,
    #[diesel(sql_type = Text)]
    pub turn: String,
    #[diesel(sql_type = BigInt)]
    pub started_sequence: i64,
    #[diesel(sql_type = BigInt)]
    pub step_index: i64,
    #[diesel(sql_type = Text)]
    pub status: String,
    #[diesel(sql_type = Text)]
    pub text: String,
}

#[derive(QueryableByName, Clone, Debug, PartialEq)]
pub struct EventRow {
    #[diesel(sql_type = Text)]
    pub session: String,
    #[diesel(sql_type = BigInt)]
    pub sequence: i64,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = Text)]
    pub turn: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub step: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub message: Option<String>,
}

impl Database {
    pub fn is_shared(&self) -> bool {
        !self.url.starts_with("sqlite:")
    }

    /// Everything, each in the order of its session.
    pub async fn rows(&self) -> Rows {
        let id = |column: &str| {
            if self.is_shared() { format!("replace({column}::text, '-', '')") } else { format!("lower(hex({column}))") }
        };
        let optional = |column: &str| format!("CASE WHEN {column} IS NULL THEN NULL ELSE {} END", id(column));
        let (session, turn, own) = (id("session_id"), id("turn_id"), id("id"));
        let (step, message) = (optional("step_id"), optional("message_id"));
        let messages = format!(
            "SELECT {session} AS session, sequence, {own} AS id, role, text, {step} AS step, \
             withdrawn_at IS NOT NULL AS withdrawn FROM messages ORDER BY session_id, sequence"
        );
        let turns = format!(
            "SELECT {own} AS id, {session} AS session, {message} AS message, status, error_code, attempts, epoch, owner \
             FROM turns ORDER BY session_id, message_sequence"
        );
        let steps = format!(
            "SELECT {own} AS id, {session} AS session, {turn} AS turn, started_sequence, step_index, status, text \
             FROM steps ORDER BY session_id, started_sequence"
        );
        let events = format!(
            "SELECT {session} AS session, sequence, kind, {turn} AS turn, {step} AS step, {message} AS message \
             FROM events ORDER BY session_id, sequence"
        );
        let mut reading = self.begin().await;
        Rows {
            messages: reading.read(&messages).await,
            turns: reading.read(&turns).await,
            steps: reading.read(&steps).await,
            events: reading.read(&events).await,
        }
    }

    /// A transaction that sees one moment.
    async fn begin(&self) -> Reading {
        if let Some(path) = self.url.strip_prefix("sqlite://") {
            let mut conn = SqliteConnection::establish(path).unwrap();
            conn.batch_execute("PRAGMA busy_timeout = 10000; BEGIN").unwrap();
            Reading::Sqlite(Box::new(conn))
        } else {
            let mut conn = AsyncPgConnection::establish(&self.url).await.unwrap();
            let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
            diesel_async::SimpleAsyncConnection::batch_execute(&mut conn, begin).await.unwrap();
            Reading::Postgres(Box::new(conn))
        }
    }
}

enum Reading {
    Sqlite(Box<SqliteConnection>),
    Postgres(Box<AsyncPgConnection>),
}

impl Reading {
    async fn read<T>(&mut self, sql: &str) -> Vec<T>
    where
        T: QueryableByName<Sqlite> + QueryableByName<diesel::pg::Pg> + Send + 'static,
    {
        match self {
            Self::Sqlite(conn) => diesel::RunQueryDsl::load(diesel::sql_query(sql), conn.as_mut()).unwrap(),
            Self::Postgres(conn) => {
                diesel_async::RunQueryDsl::load(diesel::sql_query(sql), conn.as_mut()).await.unwrap()
            }
        }
    }
}

impl Rows {
    /// Whether no turn waits or runs.
    pub fn are_quiet(&self) -> bool {
        self.turns.iter().all(|turn| !["queued", "running"].contains(&turn.status.as_str()))
    }

    /// Number of a session's last event; 0 where it has none.
    pub fn last_event(&self, session_id: &str) -> i64 {
        self.events_of(&plain(session_id)).last().map_or(0, |event| event.sequence)
    }

    /// The sessions that anything was said in, as the rows name them.
    pub fn sessions(&self) -> BTreeSet<&str> {
        self.messages.iter().map(|message| message.session.as_str()).collect()
    }

    pub fn events_of(&self, session: &str) -> Vec<&EventRow> {
        self.events.iter().filter(|event| event.session == session).collect()
    }
}

/// An id as the rows here have it.
pub fn plain(id: &str) -> String {
    id.replace('-', "")
}
