//! Settings: each an environment variable and a flag of `everruns serve`. Nothing else reads the environment.

mod auth;
mod models;

use std::fs;
use std::str::FromStr;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use http::Uri;
use secrecy::SecretString;

pub use auth::{AuthMode, AuthSettings, GithubSettings, GoogleSettings};
pub use models::{ModelSettings, SecretSettings};

use crate::outbound::AllowedHosts;

/// A self-hosted server for AI agents.
#[derive(Parser, Debug)]
#[command(name = "everruns", version, about, args_conflicts_with_subcommands = true)]
pub struct CommandLine {
    /// What to do; without it, serve.
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    settings: Config,
}

/// What the program can do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the server.
    Serve(Box<Config>),
    /// Print the GraphQL schema.
    Schema,
}

/// What can be set.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    /// Address to listen on.
    #[arg(long, env = "HOST", default_value = "127.0.0.1")]
    pub host: String,

    /// Port to listen on.
    #[arg(long, env = "PORT", default_value_t = 9000)]
    pub port: u16,

    /// Where to keep everything: sqlite://PATH (its folder is made) or postgres://USER:PASSWORD@HOST/NAME.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, default_value = "sqlite://data/everruns.db")]
    pub database_url: SecretString,

    /// How long a turn belongs to its server without a sign of life, in milliseconds.
    #[arg(long, env = "TURN_LEASE_MS", default_value_t = 15_000, value_parser = clap::value_parser!(u64).range(300..))]
    pub turn_lease_ms: u64,

    /// NATS server that carries what replicas tell each other faster than PostgreSQL does: nats://HOST:PORT, with PostgreSQL only.
    #[arg(long, env = "NATS_URL", hide_env_values = true)]
    pub nats_url: Option<SecretString>,

    /// Whether this process answers turns: on, or off, and it answers requests only.
    #[arg(long, env = "RUNNER", value_enum, default_value_t = Switch::On)]
    pub runner: Switch,

    #[command(flatten)]
    pub auth: AuthSettings,

    #[command(flatten)]
    pub models: ModelSettings,

    #[command(flatten)]
    pub secrets: SecretSettings,

    /// Hosts with a private address that the server may be sent to by its users (comma list of names or addresses, each with or without a port).
    #[arg(long, env = "OUTBOUND_ALLOWED_HOSTS", default_value = "")]
    pub outbound_allowed_hosts: AllowedHosts,

    /// Whether the schema tells of itself: on, or off; without it, in mode none to everybody and else to signed-in callers.
    #[arg(long, env = "INTROSPECTION", value_enum)]
    pub introspection: Option<Switch>,

    /// Whether GraphiQL's page is served.
    #[arg(long, env = "GRAPHIQL", value_enum, default_value_t = Switch::On)]
    pub graphiql: Switch,

    /// Origins whose pages may use the server, besides its own (comma list); their hosts are names of this server too.
    #[arg(long, env = "CORS_ALLOWED_ORIGINS", default_value = "")]
    pub cors_allowed_origins: Origins,

    /// What to log, for example info or everruns=debug.
    #[arg(long = "log", env = "RUST_LOG", default_value = "info")]
    pub log: String,
}

/// On or off.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It is there.
    On,
    /// It is not there.
    Off,
}

impl CommandLine {
    /// Reads the arguments and the environment, or says what is wrong with them and ends the program. A variable that is set to nothing is not set:
    /// so it stands in many a file of variables.
    pub fn read() -> Self {
        let command = Self::command();
        let is_blank = |arg: &clap::Arg| {
            arg.get_env().is_some_and(|name| std::env::var_os(name).is_some_and(|value| value.is_empty()))
        };
        let blank: Vec<_> =
            command.get_arguments().filter(|arg| is_blank(arg)).map(|arg| arg.get_id().clone()).collect();
        let without_blanks = |command: clap::Command| {
            blank.iter().fold(command, |command, id| command.mut_arg(id, |arg| arg.env(None::<&'static str>)))
        };
        let command = without_blanks(command).mut_subcommand("serve", without_blanks);
        let mut matches = command.get_matches();
        Self::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.exit())
    }

    /// The settings to serve with.
    pub fn config(self) -> Config {
        match self.command {
            Some(Command::Serve(config)) => *config,
            _ => self.settings,
        }
    }
}

impl Config {
    /// The names that this server answers to, besides localhost and its addresses.
    pub fn own_names(&self) -> Vec<String> {
        let mut names = vec![self.host.clone()];
        names.extend(machine_name());
        names.extend(self.cors_allowed_origins.hosts());
        names
    }
}

/// Origins as a browser writes them: lower case, without a default port or a slash at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    fn hosts(&self) -> impl Iterator<Item = String> {
        self.0.iter().filter_map(|origin| origin.parse::<Uri>().ok()?.host().map(str::to_owned))
    }
}

impl FromStr for Origins {
    type Err = String;

    /// Reads a comma list; an empty one has no origin.
    fn from_str(list: &str) -> Result<Self, String> {
        let origins = list.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        origins.map(origin).collect::<Result<_, _>>().map(Self)
    }
}

fn origin(given: &str) -> Result<String, String> {
    let text = given.strip_suffix('/').unwrap_or(given).to_ascii_lowercase();
    let uri = text.parse::<Uri>().map_err(|_| no_origin(given))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(no_origin(given)) };
    // A path, a query or credentials are no part of an origin, and `*` would open a server without passwords to every page.
    if text != format!("{scheme}://{authority}") || text.contains(['@', '*']) {
        return Err(no_origin(given));
    }
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    Ok(text.strip_suffix(default_port).unwrap_or(&text).to_owned())
}

fn no_origin(given: &str) -> String {
    format!("`{given}` is no origin; write each in full, as https://app.example.com or http://localhost:3000")
}

/// The machine's own name, where the system has a file that says it.
fn machine_name() -> Option<String> {
    let name =
        ["/proc/sys/kernel/hostname", "/etc/hostname"].into_iter().find_map(|file| fs::read_to_string(file).ok())?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
