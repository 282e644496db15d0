//! What a writer does that has no room to write: the limit of pages stands for a full disk.

use diesel::RunQueryDsl as _;
use diesel::sql_types::BigInt;
use futures_util::future::join_all;

use super::*;
use crate::error::ErrorCode;

/// Bytes of a row that needs pages of its own.
const LARGE: usize = 64 * 1024;

struct File {
    database: Database,
    _folder: tempfile::TempDir,
}

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

impl File {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let lock = lock(&path).await.unwrap();
        let database = Database::open(&path, lock, Arc::default()).unwrap();
        let file = Self { database, _folder: folder };
        file.run("CREATE TABLE rows (number INTEGER PRIMARY KEY, body BLOB)".into()).await.unwrap();
        file
    }

    async fn run(&self, statement: String) -> Result<()> {
        let work = move |conn: &mut SqliteConnection| conn.batch_execute(&statement);
        self.database.write(move |conn| async move { Ok(conn.spawn_blocking(work).await?) }.boxed()).await
    }

    async fn insert(&self, number: usize, bytes: usize) -> Result<()> {
        self.run(format!("INSERT INTO rows VALUES ({number}, zeroblob({bytes}))")).await
    }

    /// From now on there is no room, or there is again.
    async fn fill(&self, is_full: bool) {
        let pages = if is_full { 1 } else { 1_000_000 };
        // Never less than there are.
        self.run(format!("PRAGMA max_page_count = {pages}")).await.unwrap();
    }

    async fn rows(&self) -> i64 {
        let mut reader = self.database.reader().await.unwrap();
        let count = diesel::sql_query("SELECT COUNT(*) AS count FROM rows");
        reader.spawn_blocking(|conn| count.get_result::<Count>(conn)).await.unwrap().count
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_transaction_was_taken_back_stores_nothing_and_says_so_to_all() {
    let file = File::new().await;
    file.insert(0, 1).await.unwrap();
    file.fill(true).await;
    // The writer is held up until all of these wait, so they share a commit.
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let (begin, begun) = oneshot::channel();
    let holding = file.database.write(move |_| {
        async move {
            let _ = begin.send(());
            let _ = held.recv();
            Ok(())
        }
        .boxed()
    });
    let writes = async {
        begun.await.unwrap();
        join_all((1..=9).map(|number| file.insert(number, if number == 5 { LARGE } else { 1 }))).await
    };
    let release = async {
        while file.database.jobs.max_capacity() - file.database.jobs.capacity() < 9 {
            tokio::task::yield_now().await;
        }
        hold.send(()).unwrap();
    };
    let (held, answers, ()) = tokio::join!(holding, writes, release);
    held.unwrap();
    for answer in answers {
        let error = answer.unwrap_err();
        assert_eq!((error.code, error.retry_after), (ErrorCode::Unavailable, Some(1)));
    }
    // The writer goes on, reads never stopped.
    assert_eq!(file.rows().await, 1);
    file.insert(1, 1).await.unwrap();
    assert_eq!(file.insert(2, LARGE).await.unwrap_err().code, ErrorCode::Unavailable);
    file.fill(false).await;
    file.insert(2, LARGE).await.unwrap();
    assert_eq!(file.rows().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_panics_or_waits_takes_its_batch_along_and_the_writer_goes_on() {
    let file = File::new().await;
    let waiting = file.database.write::<(), _>(|_| std::future::pending().boxed());
    assert_eq!(waiting.await.unwrap_err().code, ErrorCode::Unavailable);
    file.insert(1, 1).await.unwrap();
    let panicking = file.database.write::<(), _>(|_| async { panic!("a fault of a job") }.boxed());
    assert_eq!(panicking.await.unwrap_err().code, ErrorCode::Unavailable);
    file.insert(2, 1).await.unwrap();
    assert_eq!(file.rows().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_write_is_taken_back_alone_and_housekeeping_is_not_counted() {
    let file = File::new().await;
    let (statements, commits) = (file.database.counters.statements(), file.database.counters.commits());
    assert_eq!(file.insert(1, 1).await.map_err(|error| error.code), Ok(()));
    assert_eq!(file.insert(1, 1).await.unwrap_err().code, ErrorCode::InternalServerError);
    let counted = (file.database.counters.statements() - statements, file.database.counters.commits() - commits);
    assert_eq!(counted, (2, 2));
    let aside = Database { counters: Arc::default(), ..file.database.clone() };
    let aside = File { database: aside, _folder: tempfile::tempdir().unwrap() };
    aside.insert(2, 1).await.unwrap();
    assert_eq!(aside.rows().await, 2);
    assert_eq!(file.database.counters.commits() - commits, 2);
    assert_eq!((aside.database.counters.statements(), aside.database.counters.commits()), (2, 1));
}
