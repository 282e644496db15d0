//! The built-in simulator: a model that needs no network, says that it is none, and fails when it is told to.
//!
//! The same request always has the same answer, in the same pieces. Without delays it answers at once. Usage counts
//! words (what white space divides) as tokens: input is the system prompt and every message, an image counting as one
//! word; output is the answer and its reasoning. It calls no tool unless it is told to. How it is steered stands in
//! `llmsim_script`.

use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};

use super::llmsim_script::{Failure, Script};
use super::model::{
    ChatMessage, ChatPart, ChatRequest, ModelClient, ModelEnd, ModelError, ModelErrorCode, ModelPiece, ModelStop,
    ModelTarget, ModelTimeouts, ModelToolCall, TokenUsage, ToolResult,
};

/// The name of the model; settings may follow it after a `?`.
pub(super) const NAME: &str = "llmsim";

/// Characters of the user's text that an answer quotes.
const QUOTE_CHARS_MAX: usize = 120;
/// Characters of a tool's result that an answer tells.
const RESULT_CHARS_MAX: usize = 200;

/// How a text of many words begins.
const PREFACE: &str = "[llmsim, the built-in simulator of everruns, not a real model]";
/// What it goes on with, over and over: letters of one to four bytes, so that offsets in bytes and in characters differ.
const WORDS: &str = "the quick café serves naïve crêpes 🥞 while a façade of Zürich glows 東京 rains 🌧️ and señor José sings 👩‍🚀 déjà vu";
const REASONING_WORDS: &str = "pretending to think: no thought is had here, só só 🤔";

/// The client for provider type `llmsim`.
pub(super) struct Llmsim {
    timeouts: ModelTimeouts,
}

/// An answer that is being given.
struct Answer {
    reasoning: Words,
    text: Words,
    calls: std::vec::IntoIter<ModelToolCall>,
    /// Pieces that may still come.
    left: u64,
    /// What follows the last piece.
    end: Option<Result<ModelEnd, ModelError>>,
    /// Wait before the next piece.
    wait: Duration,
    /// Wait before each piece after that.
    delay: Duration,
    /// Wait before the end.
    silence: Duration,
}

/// A text that is taken word by word.
struct Words {
    text: String,
    taken: usize,
}

impl Llmsim {
    pub(super) fn new(timeouts: ModelTimeouts) -> Llmsim {
        Llmsim { timeouts }
    }
}

impl ModelClient for Llmsim {
    fn stream(&self, target: &ModelTarget, request: ChatRequest) -> BoxStream<'static, Result<ModelPiece, ModelError>> {
        let step = steps_taken(&request);
        let script = Script::read(&target.model, last_user_text(&request), step);
        let text = answer_text(&script, &request);
        let reasoning = cycled("", REASONING_WORDS, script.reasoning);
        let end = match script.fail {
            None => {
                let stop = if script.calls.is_empty() { ModelStop::EndTurn } else { ModelStop::ToolCalls };
                Ok(ModelEnd { stop, usage: usage(&request, &text, &reasoning) })
            }
            Some(failure) => Err(failed(failure)),
        };
        let answer = Answer {
            reasoning: Words { text: reasoning, taken: 0 },
            text: Words { text, taken: 0 },
            calls: calls(script.calls, step).into_iter(),
            left: if end.is_ok() { u64::MAX } else { script.after },
            end: Some(end),
            wait: script.first,
            delay: script.delay,
            silence: if script.fail == Some(Failure::Stall) { self.timeouts.between_bytes } else { Duration::ZERO },
        };
        stream::unfold(answer, next_piece).boxed()
    }
}

async fn next_piece(mut answer: Answer) -> Option<(Result<ModelPiece, ModelError>, Answer)> {
    // A long answer without delays leaves the thread to others now and then.
    tokio::task::coop::consume_budget().await;
    if let Some(piece) = answer.take_piece() {
        pause(std::mem::replace(&mut answer.wait, answer.delay)).await;
        return Some((Ok(piece), answer));
    }
    let end = answer.end.take()?;
    pause(answer.silence).await;
    Some((end.map(ModelPiece::End), answer))
}

impl Answer {
    fn take_piece(&mut self) -> Option<ModelPiece> {
        self.left = self.left.checked_sub(1)?;
        let reasoning = self.reasoning.next().map(ModelPiece::Reasoning);
        let said = reasoning.or_else(|| self.text.next().map(ModelPiece::Text));
        said.or_else(|| self.calls.next().map(ModelPiece::ToolCall))
    }
}

impl Iterator for Words {
    type Item = String;

    /// The next word with the white space after it.
    fn next(&mut self) -> Option<String> {
        let rest = &self.text[self.taken..];
        let word_end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let space = rest[word_end..].find(|c: char| !c.is_whitespace()).unwrap_or(rest.len() - word_end);
        let piece = &rest[..word_end + space];
        self.taken += piece.len();
        (!piece.is_empty()).then(|| piece.to_owned())
    }
}

/// Sleeps, but not for nothing: even the shortest sleep takes a millisecond.
async fn pause(wait: Duration) {
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}

fn answer_text(script: &Script, request: &ChatRequest) -> String {
    let mut text = String::new();
    for complaint in &script.complaints {
        text.push_str(complaint);
        text.push('\n');
    }
    if script.echo {
        text.push_str(&script.text);
    } else if let Some(count) = script.words {
        text.push_str(&cycled(PREFACE, WORDS, count));
    } else if let Some(ChatMessage::ToolResults(results)) = request.messages.last() {
        if script.calls.is_empty() {
            text.push_str(&report(results));
        }
    } else if script.calls.is_empty() {
        text.push_str(&introduction(&script.text, request));
    }
    text
}

/// What the tools answered.
fn report(results: &[ToolResult]) -> String {
    let mut text = format!("{PREFACE} The tools answered.");
    for result in results {
        let verb = if result.is_error { "failed" } else { "answered" };
        text.push_str(&format!("\n{} {verb}: {}", result.name, shortened(&result.content, RESULT_CHARS_MAX)));
    }
    text
}

fn shortened(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn calls(calls: Vec<(String, serde_json::Value)>, step: u64) -> Vec<ModelToolCall> {
    let call = |(index, (name, arguments))| {
        let id = format!("call_{step}_{index}");
        ModelToolCall { id, name, arguments, signature: None }
    };
    calls.into_iter().enumerate().map(call).collect()
}

/// How often the model has answered the user's last message.
fn steps_taken(request: &ChatRequest) -> u64 {
    let since = request.messages.iter().rev().take_while(|message| !matches!(message, ChatMessage::User(_)));
    since.filter(|message| matches!(message, ChatMessage::Assistant { .. })).count() as u64
}

fn introduction(said: &str, request: &ChatRequest) -> String {
    let quote = shortened(&said.split_whitespace().collect::<Vec<_>>().join(" "), QUOTE_CHARS_MAX);
    let shown = match request.messages.len() {
        1 => "1 message".to_owned(),
        many => format!("{many} messages"),
    };
    let said = if quote.is_empty() { "You sent no text.".to_owned() } else { format!("You said: “{quote}”") };
    format!(
        "This is llmsim, the built-in simulator of everruns: no real model has read your message. {said} (I was shown \
         {shown} of this session.) To talk to a real model, keep a provider and its model \
         (POST /v1/llm-providers), or start the server with OPENAI_API_KEY, or with OPENAI_BASE_URL for any other server \
         that speaks OpenAI's API. To steer the simulator, begin a message with \
         /sim, for example: /sim words=100 delay_ms=20"
    )
}

/// Exactly `count` words: those of the preface, then the others over and over.
fn cycled(preface: &str, again: &str, count: u64) -> String {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let words = preface.split(' ').filter(|word| !word.is_empty()).chain(again.split(' ').cycle());
    words.take(count).collect::<Vec<_>>().join(" ")
}

/// The last text of the user's last message: what comes before it may be an earlier message that had no answer.
fn last_user_text(request: &ChatRequest) -> &str {
    let parts = request.messages.iter().rev().find_map(|message| match message {
        ChatMessage::User(parts) => Some(parts.as_slice()),
        ChatMessage::Assistant { .. } | ChatMessage::ToolResults(_) => None,
    });
    let text = parts.unwrap_or_default().iter().rev().find_map(|part| match part {
        ChatPart::Text(text) => Some(text.as_str()),
        ChatPart::Image { .. } => None,
    });
    text.unwrap_or_default()
}

fn usage(request: &ChatRequest, text: &str, reasoning: &str) -> TokenUsage {
    let count = |text: &str| text.split_whitespace().count();
    let part = |part: &ChatPart| match part {
        ChatPart::Text(text) => count(text),
        ChatPart::Image { .. } => 1,
    };
    let message = |message: &ChatMessage| match message {
        ChatMessage::User(parts) => parts.iter().map(part).sum(),
        ChatMessage::Assistant { text, .. } => count(text),
        ChatMessage::ToolResults(results) => results.iter().map(|result| count(&result.content)).sum(),
    };
    let tokens = |words: usize| i64::try_from(words).unwrap_or(i64::MAX);
    TokenUsage {
        input_tokens: tokens(count(&request.system) + request.messages.iter().map(message).sum::<usize>()),
        output_tokens: tokens(count(text) + count(reasoning)),
        cached_input_tokens: 0,
        reasoning_tokens: tokens(count(reasoning)),
    }
}

fn failed(failure: Failure) -> ModelError {
    let (code, what) = match failure {
        Failure::Unavailable => (ModelErrorCode::Unavailable, "is unavailable"),
        Failure::Refused => (ModelErrorCode::Refused, "declined"),
        Failure::Cut => (ModelErrorCode::Cut, "broke off its answer before the end"),
        Failure::Context => (ModelErrorCode::ContextTooLong, "cannot take a conversation of this length"),
        Failure::Stall => (ModelErrorCode::Cut, "stopped in the middle of its answer"),
    };
    // It would fail again: the same request always has the same answer.
    ModelError::lasting(code, format!("The simulator {what}, as it was told to (fail=…)."))
}
