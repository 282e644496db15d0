//! A PostgreSQL of a test's own, that it may stop and start; the binaries are looked for as `scripts/test` does.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

/// Connections that it allows: for three replicas and those who look in.
const CONNECTIONS_MAX: u32 = 100;
/// A refused start is tried again on another port so often: a port is only known to be free by taking it.
const PORT_ATTEMPTS_MAX: u32 = 10;

/// A running server; it ends, and its folder goes, when it is dropped.
pub struct Postgres {
    pub port: u16,
    password: String,
    binaries: PathBuf,
    folder: tempfile::TempDir,
    /// Whom it runs as, where we are root: it refuses to.
    user: Option<(u32, u32)>,
}

impl Postgres {
    /// A new, empty one.
    pub fn start() -> Self {
        // Not in a folder of the caller's: the server's user must be able to enter it, and a socket's path is short.
        let folder = tempfile::Builder::new().prefix("everruns-chaos.").tempdir_in("/tmp").unwrap();
        let password = format!("{:032x}", rand::random::<u128>());
        let mut postgres = Self { port: 0, password, binaries: binaries(), folder, user: server_user() };
        fs::write(postgres.path("password"), &postgres.password).unwrap();
        if let Some((user, group)) = postgres.user {
            chown(postgres.folder.path(), Some(user), Some(group)).unwrap();
            chown(postgres.path("password"), Some(user), Some(group)).unwrap();
        }
        let (data, password) = (postgres.path("data"), postgres.path("password"));
        postgres.run(
            "initdb",
            &[
                &format!("--pgdata={data}"),
                &format!("--pwfile={password}"),
                "--username=everruns",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ],
        );
        for _ in 0..PORT_ATTEMPTS_MAX {
            postgres.port = free_port();
            if postgres.try_go_on() {
                return postgres;
            }
        }
        panic!("no start: {}", fs::read_to_string(postgres.path("log")).unwrap_or_default());
    }

    /// Its only database, reached at this port: its own, or that of a proxy.
    pub fn url_at(&self, port: u16) -> String {
        format!("postgres://everruns:{}@127.0.0.1:{port}/postgres", self.password)
    }

    /// As if it were killed: connections break, nothing is written down before.
    pub fn stop(&self) {
        self.run("pg_ctl", &["stop", &format!("--pgdata={}", self.path("data")), "--mode=immediate", "--wait"]);
    }

    /// Starts it again, on the same port.
    pub fn go_on(&self) {
        assert!(self.try_go_on(), "{}", fs::read_to_string(self.path("log")).unwrap_or_default());
    }

    fn try_go_on(&self) -> bool {
        let (data, log) = (self.path("data"), self.path("log"));
        // Without fsync: what a stopped server has written stays with the system, and nobody pulls the plug on that.
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories={} -c max_connections={CONNECTIONS_MAX} \
             -c fsync=off",
            self.port,
            self.folder.path().display()
        );
        let arguments = [format!("--pgdata={data}"), format!("--log={log}"), format!("--options={options}")];
        let mut command = self.command("pg_ctl");
        command.args(["start", "--wait", "--silent"]).args(arguments);
        // Its children would keep a pipe of ours open.
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status().unwrap().success()
    }

    fn run(&self, binary: &str, arguments: &[&str]) {
        let output = self.command(binary).args(arguments).output().unwrap();
        assert!(output.status.success(), "{binary}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn command(&self, binary: &str) -> Command {
        let mut command = Command::new(self.binaries.join(binary));
        command.current_dir(self.folder.path());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = format!("--pgdata={}", self.path("data"));
        let _ = self.command("pg_ctl").args(["stop", &data, "--mode=immediate", "--wait", "--silent"]).output();
    }
}

/// A port that nobody has a moment ago.
pub fn free_port() -> u16 {
    // Below those that the system gives to clients: it stays free while its server is down.
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| rand::random_range(20_000..32_000)).find(is_free).unwrap()
}

/// The folder of the newest server; a client alone does not count.
fn binaries() -> PathBuf {
    let in_path = printed("sh", &["-c", "dirname \"$(command -v initdb)\""]);
    let installed = printed("sh", &["-c", "printf '%s\\n' /usr/lib/postgresql/*/bin | sort --version-sort --reverse"]);
    let configured = printed("pg_config", &["--bindir"]);
    let places = [in_path, installed, configured].concat();
    let found = places
        .lines()
        .map(PathBuf::from)
        .find(|folder| ["initdb", "pg_ctl", "postgres"].iter().all(|binary| folder.join(binary).is_file()));
    found.expect("PostgreSQL is installed: initdb is in no known folder")
}

/// User and group of the server, where we are root.
fn server_user() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| printed("id", arguments).trim().parse::<u32>().ok();
    if id(&["-u"]) != Some(0) {
        return None;
    }
    let user = if id(&["-u", "postgres"]).is_some() { "postgres" } else { "nobody" };
    Some((id(&["-u", user]).unwrap(), id(&["-g", user]).unwrap()))
}

/// What a command prints; nothing where it is missing.
fn printed(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}
