//! What a model is asked, what it answers piece by piece, and the trait of the clients that ask.

use std::fmt;
use std::time::Duration;

use futures_util::stream::BoxStream;
use secrecy::SecretString;
use serde_json::Value;

use crate::db::ids::Id;
use crate::db::types::text_enum;

text_enum! {
    /// How a provider is spoken to.
    #[graphql(name = "LlmProviderType")]
    pub enum ProviderType {
        /// OpenAI itself.
        Openai = "openai",
        /// Anthropic.
        Anthropic = "anthropic",
        /// Google's Gemini.
        Gemini = "gemini",
        /// OpenAI's models at Azure.
        AzureOpenai = "azure_openai",
        /// Ollama.
        Ollama = "ollama",
        /// Any other server that speaks OpenAI's chat completions.
        OpenaiCompatible = "openai_compatible",
        /// The built-in simulator.
        Llmsim = "llmsim",
    }
}

/// One model at one provider, with all that a call needs.
#[derive(Clone)]
pub struct ModelTarget {
    pub provider_type: ProviderType,
    /// API root (`https://host/v1`); absent means the provider's public one.
    pub base_url: Option<String>,
    /// Absent where the server asks for none.
    pub api_key: Option<SecretString>,
    /// The model's name as the provider spells it.
    pub model: String,
    /// Tokens that the model takes in all, where known.
    pub context_window: Option<i64>,
    /// The provider that a user keeps; absent where the operator named it by the environment: its address is then not checked.
    pub provider_id: Option<Id>,
}

/// One model call: the whole conversation so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatRequest {
    /// The system prompt; may be empty.
    pub system: String,
    pub messages: Vec<ChatMessage>,
    /// What the model may call; names are unique.
    pub tools: Vec<ToolDefinition>,
}

/// A tool as a model is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolDefinition {
    /// Letters, digits and underscores.
    pub name: String,
    pub description: String,
    /// JSON Schema of the arguments: an object.
    pub parameters: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatMessage {
    User(Vec<ChatPart>),
    /// What the model said, and the tools that it called then.
    Assistant {
        /// May be empty where there are calls.
        text: String,
        calls: Vec<ModelToolCall>,
    },
    /// What the tools answered to the calls of the message before, in the order of the calls.
    ToolResults(Vec<ToolResult>),
}

/// A call of a tool, as the model made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelToolCall {
    /// The provider's name of the call; one of our own where it gives none. Unique within its message.
    pub id: String,
    pub name: String,
    /// An object; a text where what the model wrote is no JSON.
    pub arguments: Value,
    /// What the provider attached to the call and wants back with it.
    pub signature: Option<String>,
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResult {
    /// The call's id.
    pub call_id: String,
    /// The tool's name.
    pub name: String,
    /// JSON, or a text that says what went wrong.
    pub content: String,
    pub is_error: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatPart {
    Text(String),
    /// `data` is base64.
    Image {
        media_type: String,
        data: String,
    },
}

/// A piece of an answer. Texts are never empty; `End` is the last piece of every answer that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelPiece {
    Text(String),
    Reasoning(String),
    /// A whole call. It comes before `End`, whose stop is then `ToolCalls`.
    ToolCall(ModelToolCall),
    End(ModelEnd),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelEnd {
    pub stop: ModelStop,
    /// All zero where the provider tells nothing.
    pub usage: TokenUsage,
}

/// Why an answer ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelStop {
    EndTurn,
    /// The model waits for the results of its calls.
    ToolCalls,
    /// The provider's limit on the length of an answer.
    MaxTokens,
    /// The model or the provider's filter declined in the middle of an answer.
    Refused,
}

/// Tokens as the provider counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenUsage {
    pub input_tokens: i64,
    /// Holds `reasoning_tokens`.
    pub output_tokens: i64,
    /// Part of `input_tokens`.
    pub cached_input_tokens: i64,
    pub reasoning_tokens: i64,
}

/// Why there is no whole answer. `message` is for the user: it helps, and holds no address, key, body or cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelError {
    pub code: ModelErrorCode,
    pub message: String,
    pub retry: Retry,
}

/// Whether the same request may be answered when it is sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The answer would be the same, or a piece of one was given already.
    Never,
    /// It may. The server is busy or cannot be reached, and nothing of an answer was given.
    Worth {
        /// How long the server asks to wait, where it does.
        after: Option<Duration>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelErrorCode {
    /// Nobody answered, or with a failure.
    Unavailable,
    /// The provider declined the request before it answered.
    Refused,
    /// The answer broke off before its end.
    Cut,
    /// The conversation is longer than the model takes.
    ContextTooLong,
}

/// How long a client bears silence. Connecting has its own limit, `outbound::CONNECT_TIMEOUT`.
#[derive(Debug, Clone, Copy)]
pub struct ModelTimeouts {
    /// From sending the request to the answer's first byte.
    pub first_byte: Duration,
    /// Between two bytes of an answer.
    pub between_bytes: Duration,
    /// For what follows a finished answer (usage and the end mark), without which it is whole.
    pub after_finish: Duration,
    /// For a whole answer, however steadily it comes.
    pub answer: Duration,
    /// For the list of a provider's models, altogether.
    pub model_list: Duration,
}

/// Asks a model. Dropping the stream drops the connection at once; after an error or `End` the stream is over.
pub trait ModelClient: Send + Sync {
    fn stream(&self, target: &ModelTarget, request: ChatRequest) -> BoxStream<'static, Result<ModelPiece, ModelError>>;
}

impl ModelTimeouts {
    pub const DEFAULT: ModelTimeouts = ModelTimeouts {
        first_byte: Duration::from_secs(60),
        between_bytes: Duration::from_secs(30),
        after_finish: Duration::from_secs(5),
        answer: Duration::from_secs(30 * 60),
        model_list: Duration::from_secs(10),
    };
}

impl ModelTarget {
    /// Whether the operator named it.
    pub fn by_operator(&self) -> bool {
        self.provider_id.is_none()
    }
}

impl ModelError {
    /// A failure that another try would meet again.
    pub fn lasting(code: ModelErrorCode, message: String) -> Self {
        Self { code, message, retry: Retry::Never }
    }
}

impl fmt::Display for ProviderType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ModelTarget {
    /// Leaves out the key, and the base URL too, because it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelTarget")
            .field("provider_type", &self.provider_type)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ModelError {}
