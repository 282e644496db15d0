//! How much of everything a run takes, from the environment, and the seed of its random choices.

use std::env;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{SeedableRng as _, random};

/// Kills of one story.
pub fn kills() -> u64 {
    number("CHAOS_KILLS").unwrap_or(10)
}

/// Reconnects that its watchers decide on.
pub fn reconnects() -> u64 {
    number("CHAOS_RECONNECTS").unwrap_or(100)
}

/// How long a database is gone.
pub fn outage() -> Duration {
    Duration::from_secs(number("CHAOS_OUTAGE_SECONDS").unwrap_or(5))
}

/// Kills whose takeover is timed with the default lease; none in the ordinary run, which has a short one.
pub fn takeovers() -> Option<u64> {
    number("CHAOS_TAKEOVERS")
}

/// Random choices of one story's part: the same for the same seed.
pub fn random_for(part: &str) -> StdRng {
    static SEED: LazyLock<u64> = LazyLock::new(|| {
        let seed = number("CHAOS_SEED").unwrap_or_else(random);
        say("seed", &[("CHAOS_SEED", &seed)]);
        seed
    });
    // FNV-1a: parts differ, and the standard library's hashes are not promised to stay.
    let part = part
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    StdRng::seed_from_u64(*SEED ^ part)
}

/// A line of figures for `scripts/chaos`.
pub fn say(what: &str, figures: &[(&str, &dyn Display)]) {
    let figures: String = figures.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    println!("chaos: {what}{figures}");
}

fn number<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}
