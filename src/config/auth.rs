//! Settings of who may ask: modes, the first user, tokens, and sign-in elsewhere.

use clap::ValueEnum;
use secrecy::SecretString;

/// How callers prove who they are.
#[derive(clap::Args, Clone, Debug)]
pub struct AuthSettings {
    /// Who may ask: none (everybody, as the owner), admin (one user) or full (accounts).
    #[arg(long = "auth-mode", env = "AUTH_MODE", value_enum, default_value_t = AuthMode::None)]
    pub mode: AuthMode,

    /// Where browsers reach this server, for sign-in elsewhere to come back to.
    #[arg(long = "auth-base-url", env = "AUTH_BASE_URL", default_value = "http://localhost:9000")]
    pub base_url: String,

    /// E-mail of the admin (mode admin), or of a first user (mode full).
    #[arg(long = "auth-admin-email", env = "AUTH_ADMIN_EMAIL")]
    pub admin_email: Option<String>,

    /// Password of the admin or the first user.
    #[arg(long = "auth-admin-password", env = "AUTH_ADMIN_PASSWORD", hide_env_values = true)]
    pub admin_password: Option<SecretString>,

    /// Signs access tokens: at least 32 characters. With SQLite the server makes its own where this is not set.
    #[arg(long = "auth-jwt-secret", env = "AUTH_JWT_SECRET", hide_env_values = true)]
    pub jwt_secret: Option<SecretString>,

    /// How long an access token lasts, in seconds.
    #[arg(
        long = "auth-jwt-access-token-lifetime",
        env = "AUTH_JWT_ACCESS_TOKEN_LIFETIME",
        default_value_t = 900,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub access_token_lifetime_s: u32,

    /// How long a refresh token lasts, in seconds.
    #[arg(
        long = "auth-jwt-refresh-token-lifetime",
        env = "AUTH_JWT_REFRESH_TOKEN_LIFETIME",
        default_value_t = 2_592_000,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub refresh_token_lifetime_s: u32,

    /// Mode full: nobody signs in by password.
    #[arg(long = "auth-disable-password", env = "AUTH_DISABLE_PASSWORD", default_value_t = false, value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, default_missing_value = "true")]
    pub disable_password: bool,

    /// Mode full: nobody makes an account by itself.
    #[arg(long = "auth-disable-signup", env = "AUTH_DISABLE_SIGNUP", default_value_t = false, value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, default_missing_value = "true")]
    pub disable_signup: bool,

    #[command(flatten)]
    pub google: GoogleSettings,

    #[command(flatten)]
    pub github: GithubSettings,
}

/// How callers prove who they are.
#[derive(ValueEnum, async_graphql::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMode {
    /// Not at all: everybody acts as the default organization's owner.
    None,
    /// As the one user whom the settings name.
    Admin,
    /// By accounts, each with an organization of its own.
    Full,
}

/// Sign-in with Google: the client's id switches it on.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct GoogleSettings {
    /// Client id at Google.
    #[arg(long = "auth-google-client-id", env = "AUTH_GOOGLE_CLIENT_ID")]
    pub google_client_id: Option<String>,
    /// Client secret at Google.
    #[arg(long = "auth-google-client-secret", env = "AUTH_GOOGLE_CLIENT_SECRET", hide_env_values = true)]
    pub google_client_secret: Option<SecretString>,
    /// Where Google sends the browser back; AUTH_BASE_URL/v1/auth/callback/google where it is not set.
    #[arg(long = "auth-google-redirect-uri", env = "AUTH_GOOGLE_REDIRECT_URI")]
    pub google_redirect_uri: Option<String>,
    /// E-mail domains that may sign in (comma list); without it, all.
    #[arg(long = "auth-google-allowed-domains", env = "AUTH_GOOGLE_ALLOWED_DOMAINS", value_delimiter = ',')]
    pub google_allowed_domains: Vec<String>,
    /// Instead of Google's own.
    #[arg(long = "auth-google-authorize-url", env = "AUTH_GOOGLE_AUTHORIZE_URL")]
    pub google_authorize_url: Option<String>,
    /// Instead of Google's own.
    #[arg(long = "auth-google-token-url", env = "AUTH_GOOGLE_TOKEN_URL")]
    pub google_token_url: Option<String>,
    /// Instead of Google's own.
    #[arg(long = "auth-google-userinfo-url", env = "AUTH_GOOGLE_USERINFO_URL")]
    pub google_userinfo_url: Option<String>,
}

/// Sign-in with GitHub: the client's id switches it on.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct GithubSettings {
    /// Client id at GitHub.
    #[arg(long = "auth-github-client-id", env = "AUTH_GITHUB_CLIENT_ID")]
    pub github_client_id: Option<String>,
    /// Client secret at GitHub.
    #[arg(long = "auth-github-client-secret", env = "AUTH_GITHUB_CLIENT_SECRET", hide_env_values = true)]
    pub github_client_secret: Option<SecretString>,
    /// Where GitHub sends the browser back; AUTH_BASE_URL/v1/auth/callback/github where it is not set.
    #[arg(long = "auth-github-redirect-uri", env = "AUTH_GITHUB_REDIRECT_URI")]
    pub github_redirect_uri: Option<String>,
    /// Instead of GitHub's own.
    #[arg(long = "auth-github-authorize-url", env = "AUTH_GITHUB_AUTHORIZE_URL")]
    pub github_authorize_url: Option<String>,
    /// Instead of GitHub's own.
    #[arg(long = "auth-github-token-url", env = "AUTH_GITHUB_TOKEN_URL")]
    pub github_token_url: Option<String>,
    /// Instead of GitHub's own.
    #[arg(long = "auth-github-user-url", env = "AUTH_GITHUB_USER_URL")]
    pub github_user_url: Option<String>,
    /// Instead of GitHub's own.
    #[arg(long = "auth-github-emails-url", env = "AUTH_GITHUB_EMAILS_URL")]
    pub github_emails_url: Option<String>,
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self {
            mode: AuthMode::None,
            base_url: "http://localhost:9000".into(),
            admin_email: None,
            admin_password: None,
            jwt_secret: None,
            access_token_lifetime_s: 900,
            refresh_token_lifetime_s: 2_592_000,
            disable_password: false,
            disable_signup: false,
            google: GoogleSettings::default(),
            github: GithubSettings::default(),
        }
    }
}
