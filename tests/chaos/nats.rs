//! A NATS server of a test's own, killed and started again on the same port.

use std::fs::File;
use std::process::{Child, Command, Stdio};

use super::postgres::free_port;
use super::processes::until_in_log;

/// A `nats-server`; it ends when it is dropped.
pub struct Nats {
    pub port: u16,
    process: Option<Child>,
    folder: tempfile::TempDir,
}

impl Nats {
    /// A running one.
    pub fn start() -> Self {
        let mut nats = Self { port: free_port(), process: None, folder: tempfile::tempdir().unwrap() };
        nats.go_on();
        nats
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Starts it again, on the same port; it answers.
    pub fn go_on(&mut self) {
        let log = self.folder.path().join("log");
        let mut command = Command::new("nats-server");
        command.args(["--addr", "127.0.0.1", "--port", &self.port.to_string()]).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        let mut process = command.spawn().expect("nats-server is installed");
        until_in_log(&mut process, &log, |log| log.contains("Server is ready").then_some(()));
        self.process = Some(process);
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}
