//! Settings: each an environment variable and a flag of `everruns serve`. Nothing else reads the environment.

use clap::{Parser, Subcommand, ValueEnum};
use secrecy::SecretString;

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

    /// How callers prove who they are.
    #[arg(long, env = "AUTH_MODE", value_enum, default_value_t = AuthModeSetting::None)]
    pub auth_mode: AuthModeSetting,

    /// Key of OpenAI or of the server that OPENAI_BASE_URL names.
    #[arg(long, env = "OPENAI_API_KEY", hide_env_values = true)]
    pub openai_api_key: Option<SecretString>,

    /// API root of a server that speaks OpenAI's chat completions, for example http://localhost:8080/v1.
    #[arg(long, env = "OPENAI_BASE_URL")]
    pub openai_base_url: Option<String>,

    /// Model that answers; without it, the first that the provider lists.
    #[arg(long, env = "DEFAULT_MODEL")]
    pub default_model: Option<String>,

    /// Origins whose pages may use the server, besides its own (comma list).
    #[arg(long, env = "CORS_ALLOWED_ORIGINS", value_delimiter = ',')]
    pub cors_allowed_origins: Vec<String>,

    /// What to log, for example info or everruns=debug.
    #[arg(long = "log", env = "RUST_LOG", default_value = "info")]
    pub log: String,
}

/// How callers prove who they are.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthModeSetting {
    /// Not at all.
    None,
}

impl CommandLine {
    /// The settings to serve with.
    pub fn config(self) -> Config {
        match self.command {
            Some(Command::Serve(config)) => *config,
            _ => self.settings,
        }
    }
}
