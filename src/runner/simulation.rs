//! A simulation: random stories, told to real runners on a real database, with a random fault at some of their writes. Whatever goes wrong, every
//! promise about turns holds at the end, and every watcher has seen the same. What a seed does is always the same, but for the order in which
//! threads get their turn.

mod check;
mod process;
mod story;
mod watcher;
mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;

use self::story::Story;
use self::world::World;
use crate::db::Store;

/// Seeds of an ordinary run; the environment may ask for others.
const SEEDS: u64 = 500;
/// Seeds that run at the same time. Most of them wait most of the time.
const SEEDS_AT_ONCE: usize = 12;
/// A seed that is not through by then hangs.
const SEED_WITHIN: Duration = Duration::from_secs(30);

#[test]
fn whatever_goes_wrong_at_a_write_every_promise_holds() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    // One seed alone, to look at it closely.
    let only = number("SIMULATION_SEED");
    let seeds = only.map_or(0..number("SIMULATION_SEEDS").unwrap_or(SEEDS), |seed| seed..seed + 1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let count = seeds.end - seeds.start;
    let broken: Vec<String> = runtime.block_on(async {
        let template = template(folder.path()).await;
        let each = |seed| {
            let (template, path) = (template.clone(), folder.path().join(format!("{seed}.db")));
            async move { tokio::spawn(run(seed, template, path)).await.unwrap_or_else(|error| Err(error.to_string())) }
        };
        let outcomes = stream::iter(seeds).map(each).buffer_unordered(SEEDS_AT_ONCE);
        outcomes.filter_map(async |outcome| outcome.err()).collect().await
    });
    assert!(broken.is_empty(), "{} of {count} seeds broke a promise:\n{}", broken.len(), broken.join("\n"));
    println!("{count} seeds in {:?}", begun.elapsed());
}

/// An empty database, migrated once for all seeds.
async fn template(folder: &Path) -> PathBuf {
    let path = folder.join("template.db");
    drop(open(&path).await);
    // The last connection takes the log into the file when it is closed.
    while folder.join("template.db-wal").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    path
}

async fn open(path: &Path) -> Store {
    let url = format!("sqlite://{}", path.display());
    Store::open(&url.into(), Arc::default()).await.unwrap()
}

/// Runs a seed; tells which promise it broke.
async fn run(seed: u64, template: PathBuf, path: PathBuf) -> Result<(), String> {
    std::fs::copy(template, &path).unwrap();
    let story = Story::of(seed);
    let world = World::new(open(&path).await, seed, &story).await;
    let told = tokio::time::timeout(SEED_WITHIN, world.tell(&story)).await;
    let outcome = match told {
        Ok(watchers) => check::all(&world, &story, &watchers).await,
        Err(_) => Err(format!("it hangs: {}", world.turns_as_text().await)),
    };
    world.stop();
    outcome.map_err(|broken| format!("SIMULATION_SEED={seed}: {broken}\n  {story:?}"))
}
