//! Settings of models: the providers that the environment names, the keys that seal stored ones, and where calls may go.

use secrecy::SecretString;

/// Providers without a row: a key or a base URL makes one.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct ModelSettings {
    /// Key of OpenAI or of the server that OPENAI_BASE_URL names.
    #[arg(long, env = "OPENAI_API_KEY", hide_env_values = true)]
    pub openai_api_key: Option<SecretString>,

    /// API root of a server that speaks OpenAI's chat completions, for example http://localhost:8080/v1.
    #[arg(long, env = "OPENAI_BASE_URL", hide_env_values = true)]
    pub openai_base_url: Option<String>,

    /// Key of Anthropic or of the server that ANTHROPIC_BASE_URL names.
    #[arg(long, env = "ANTHROPIC_API_KEY", hide_env_values = true)]
    pub anthropic_api_key: Option<SecretString>,

    /// API root of a server that speaks Anthropic's messages, for example `https://api.anthropic.com/v1`.
    #[arg(long, env = "ANTHROPIC_BASE_URL", hide_env_values = true)]
    pub anthropic_base_url: Option<String>,

    /// Key of Gemini or of the server that GEMINI_BASE_URL names.
    #[arg(long, env = "GEMINI_API_KEY", hide_env_values = true)]
    pub gemini_api_key: Option<SecretString>,

    /// API root of a server that speaks Gemini's API, for example `https://generativelanguage.googleapis.com/v1beta`.
    #[arg(long, env = "GEMINI_BASE_URL", hide_env_values = true)]
    pub gemini_base_url: Option<String>,

    /// Model that answers where nobody chose one; without it, the first that the provider lists.
    #[arg(long, env = "DEFAULT_MODEL")]
    pub default_model: Option<String>,
}

/// The keys that seal what is secret in the database.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct SecretSettings {
    /// Seals stored keys of providers: KEY_ID:BASE64 of 32 bytes. With SQLite the server makes its own where this is not set.
    #[arg(long, env = "SECRETS_ENCRYPTION_KEY", hide_env_values = true)]
    pub secrets_encryption_key: Option<SecretString>,

    /// Keys that sealed before (comma list, each KEY_ID:BASE64): what they sealed is still read.
    #[arg(long, env = "SECRETS_ENCRYPTION_KEY_PREVIOUS", hide_env_values = true)]
    pub secrets_encryption_key_previous: Option<SecretString>,
}
