//! The program as a process of its own: killed, paused, told to stop, started again; what it logged is kept for failures.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::app::{self, Caller, PATIENCE};

/// How often a log is read again for what is waited for.
const GLANCE: Duration = Duration::from_millis(5);
/// Lines of a log that a failed test shows.
const LOG_LINES_SHOWN: usize = 40;
/// The lease of programs whose test says nothing else, in milliseconds: another server takes over soon.
const SHORT_LEASE_MS: &str = "1000";

/// A running `everruns`. Dropping it is kill -9.
pub struct Program {
    pub caller: Caller,
    /// Where it listens.
    pub port: u16,
    process: Child,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

impl Program {
    /// Started on this database; it answers.
    pub fn start(database_url: &str) -> Self {
        Self::start_with(database_url, &[])
    }

    /// The same with more variables in its environment, which win over those of all programs here.
    pub fn start_with(database_url: &str, settings: &[(String, String)]) -> Self {
        Self::run(Command::new(env!("CARGO_BIN_EXE_everruns")), database_url, settings)
    }

    /// The same by a command that becomes the program.
    pub fn run(mut command: Command, database_url: &str, settings: &[(String, String)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("DATABASE_URL", database_url).env("PORT", "0").env("NO_COLOR", "1");
        let secret = app::secret_settings().secrets_encryption_key.unwrap();
        command.env("SECRETS_ENCRYPTION_KEY", secrecy::ExposeSecret::expose_secret(&secret));
        // Where tests have their pages.
        command.env("OUTBOUND_ALLOWED_HOSTS", "127.0.0.1").env("TURN_LEASE_MS", SHORT_LEASE_MS);
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        let output = File::create(&log).unwrap();
        let mut process = command.stdin(Stdio::null()).stderr(output).spawn().unwrap();
        let port = until_in_log(&mut process, &log, port_in);
        Self { caller: Caller::new(port), port, process, log, _folder: folder }
    }

    /// kill -9, and the moment of it.
    pub fn kill(mut self) -> Instant {
        let now = Instant::now();
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        now
    }

    /// SIGTERM; returns its moment and how long the program took to end.
    pub async fn stop(mut self) -> (Instant, Duration) {
        let now = Instant::now();
        self.signal("TERM");
        while self.process.try_wait().unwrap().is_none() {
            assert!(now.elapsed() < PATIENCE, "a program does not stop: {}", self.log_tail());
            tokio::time::sleep(GLANCE).await;
        }
        (now, now.elapsed())
    }

    /// SIGSTOP: it stands still until `wake`.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// SIGCONT.
    pub fn wake(&self) {
        self.signal("CONT");
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }

    /// A path as the process sees it.
    pub fn path(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.process.id()));
        root.join(path.strip_prefix("/").unwrap())
    }

    fn signal(&self, name: &str) {
        // Every shell has `kill`, and the standard library only knows SIGKILL.
        let kill = format!("kill -{name} {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }
}

impl Drop for Program {
    /// kill -9; a test that is failing shows the log.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            println!("--- the log of port {}:\n{}", self.port, self.log_tail());
        }
    }
}

/// Waits until `find` finds something in the log of this process, which must not end before.
pub fn until_in_log<T>(process: &mut Child, log: &Path, find: impl Fn(&str) -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        let text = fs::read_to_string(log).unwrap_or_default();
        if let Some(found) = find(&text) {
            return found;
        }
        let ended = process.try_wait().unwrap();
        assert!(ended.is_none() && began.elapsed() < PATIENCE, "a process did not start ({ended:?}): {text}");
        std::thread::sleep(GLANCE);
    }
}

fn port_in(log: &str) -> Option<u16> {
    let (_, rest) = log.split_once("listening on http://127.0.0.1:")?;
    let (port, _) = rest.split_once([',', '\n'])?;
    port.parse().ok()
}
