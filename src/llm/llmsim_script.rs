//! How the simulator is steered: by settings in the model's name and in the prompt.
//!
//! A model's name is `llmsim`, or `llmsim?delay_ms=20&words=50`. A user's message that begins with `/sim ` goes on with
//! settings of the same kind, divided by spaces, which win over those of the name: `/sim words=200 delay_ms=20`. A
//! prompt's settings end at the word `echo`, or at the first word that is none. The settings:
//!
//! | setting | meaning |
//! | --- | --- |
//! | `words=200` | an answer of exactly so many words, with accents and emoji among them |
//! | `echo` | the answer is the user's text, letter for letter; in a prompt, what follows `echo` |
//! | `reasoning=5` | so many words of reasoning come first |
//! | `first_ms=500` | wait before the first piece |
//! | `delay_ms=20` | wait before every later piece |
//! | `fail=cut` | fail: `unavailable`, `refused`, `cut`, `context`, or `stall` (silence, then cut) |
//! | `after=3` | pieces before the failure; without it none |
//!
//! What cannot be understood is told in the answer, and a number beyond its limit is lowered to it.

use std::time::Duration;

/// Words of an answer, and pieces before a failure.
pub(super) const WORDS_MAX: u64 = 20_000;
/// Words of reasoning.
pub(super) const REASONING_MAX: u64 = 2_000;
/// Milliseconds before the first piece.
pub(super) const FIRST_MS_MAX: u64 = 120_000;
/// Milliseconds before each later piece.
pub(super) const DELAY_MS_MAX: u64 = 10_000;
/// Misunderstood settings that an answer tells of.
const COMPLAINTS_MAX: usize = 5;
/// Characters of each of them.
const COMPLAINT_CHARS_MAX: usize = 60;

/// What begins a prompt that steers.
const PROMPT_MARK: &str = "/sim";
const ECHO: &str = "echo";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) words: Option<u64>,
    pub(super) reasoning: u64,
    pub(super) first: Duration,
    pub(super) delay: Duration,
    pub(super) fail: Option<Failure>,
    pub(super) after: u64,
    pub(super) echo: bool,
    /// The user's text without its settings.
    pub(super) text: String,
    /// What was not understood, as sentences.
    pub(super) complaints: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    Unavailable,
    Refused,
    Cut,
    Context,
    Stall,
}

impl Script {
    /// Reads the model's name, then the user's text.
    pub(super) fn read(model: &str, text: &str) -> Script {
        let mut script = Script::default();
        let (_, settings) = model.split_once('?').unwrap_or_default();
        for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
            script.set(setting);
        }
        script.text = match text.strip_prefix(PROMPT_MARK) {
            Some(rest) if rest.is_empty() || rest.starts_with(char::is_whitespace) => script.read_prompt(rest),
            _ => text.to_owned(),
        };
        script
    }

    /// Takes the settings off a prompt and answers the rest.
    fn read_prompt(&mut self, prompt: &str) -> String {
        let mut rest = prompt.trim_start();
        loop {
            let (word, tail) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            if word == ECHO {
                self.echo = true;
                return tail.to_owned();
            }
            if !word.contains('=') {
                return rest.to_owned();
            }
            self.set(word);
            rest = tail.trim_start();
        }
    }

    fn set(&mut self, setting: &str) {
        let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
        match key {
            "words" => self.words = self.number(setting, value, WORDS_MAX).or(self.words),
            "reasoning" => self.reasoning = self.number(setting, value, REASONING_MAX).unwrap_or(self.reasoning),
            "after" => self.after = self.number(setting, value, WORDS_MAX).unwrap_or(self.after),
            "first_ms" => self.first = self.millis(setting, value, FIRST_MS_MAX).unwrap_or(self.first),
            "delay_ms" => self.delay = self.millis(setting, value, DELAY_MS_MAX).unwrap_or(self.delay),
            "fail" => match Failure::parse(value) {
                Some(failure) => self.fail = Some(failure),
                None => self.complain(setting, "is no failure; there are unavailable, refused, cut, context and stall"),
            },
            ECHO if value.is_empty() => self.echo = true,
            _ => self.complain(
                setting,
                "is no setting; there are words, echo, reasoning, first_ms, delay_ms, fail and after",
            ),
        }
    }

    fn number(&mut self, setting: &str, value: &str, max: u64) -> Option<u64> {
        match value.parse::<u64>() {
            Ok(number) if number <= max => Some(number),
            Ok(_) => {
                self.complain(setting, &format!("is too much; {max} is taken instead"));
                Some(max)
            }
            Err(_) => {
                self.complain(setting, "has no whole number as its value");
                None
            }
        }
    }

    fn millis(&mut self, setting: &str, value: &str, max: u64) -> Option<Duration> {
        self.number(setting, value, max).map(Duration::from_millis)
    }

    fn complain(&mut self, setting: &str, why: &str) {
        if self.complaints.len() < COMPLAINTS_MAX {
            let setting: String = setting.chars().take(COMPLAINT_CHARS_MAX).collect();
            self.complaints.push(format!("\"{setting}\" {why}."));
        }
    }
}

impl Failure {
    fn parse(word: &str) -> Option<Failure> {
        match word {
            "unavailable" => Some(Failure::Unavailable),
            "refused" => Some(Failure::Refused),
            "cut" => Some(Failure::Cut),
            "context" => Some(Failure::Context),
            "stall" => Some(Failure::Stall),
            _ => None,
        }
    }
}
