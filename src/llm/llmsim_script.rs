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
//! | `call=noop` | call this tool, in a prompt only; its arguments may follow as JSON: `call=test_math_add {"a": 1, "b": 2}` |
//! | `again=3` | say and call all that in so many more steps |
//!
//! Several calls of one step are made at once. A `|` in a prompt divides the settings of one step from those of the
//! next: `/sim call=current_time | call=noop | words=5`. Where nothing is said of the step after the last call, its
//! answer tells what the tools answered.
//!
//! What cannot be understood is told in the answer, and a number beyond its limit is lowered to it.

use std::time::Duration;

use serde_json::{Value, json};

/// Words of an answer, and pieces before a failure.
pub(super) const WORDS_MAX: u64 = 20_000;
/// Words of reasoning.
pub(super) const REASONING_MAX: u64 = 2_000;
/// Milliseconds before the first piece.
pub(super) const FIRST_MS_MAX: u64 = 120_000;
/// Milliseconds before each later piece.
pub(super) const DELAY_MS_MAX: u64 = 10_000;
/// Further steps that do the same.
pub(super) const AGAIN_MAX: u64 = 1_000;
/// Tool calls of a prompt.
const CALLS_MAX: usize = 200;
/// Misunderstood settings that an answer tells of.
const COMPLAINTS_MAX: usize = 5;
/// Characters of each of them.
const COMPLAINT_CHARS_MAX: usize = 60;

/// What begins a prompt that steers.
const PROMPT_MARK: &str = "/sim";
const ECHO: &str = "echo";
/// What divides the settings of two steps.
const THEN: &str = "|";
const CALL: &str = "call=";

/// What one answer does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) words: Option<u64>,
    pub(super) reasoning: u64,
    pub(super) first: Duration,
    pub(super) delay: Duration,
    pub(super) fail: Option<Failure>,
    pub(super) after: u64,
    pub(super) echo: bool,
    /// Tools to call, with their arguments.
    pub(super) calls: Vec<(String, Value)>,
    /// Further steps that do the same.
    again: u64,
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
    /// What the answer number `step`, from 0, to the user's text does: reads the model's name, then that text.
    pub(super) fn read(model: &str, text: &str, step: u64) -> Script {
        let mut base = Script::default();
        let (_, settings) = model.split_once('?').unwrap_or_default();
        for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
            base.set(setting);
        }
        match text.strip_prefix(PROMPT_MARK) {
            Some(rest) if rest.is_empty() || rest.starts_with(char::is_whitespace) => base.read_prompt(rest, step),
            _ => Script { text: text.to_owned(), ..base },
        }
    }

    /// The settings of this step, which stand in a prompt beside those of other steps.
    fn read_prompt(self, prompt: &str, step: u64) -> Script {
        let (mut rest, mut first) = (prompt.trim_start(), 0);
        loop {
            let mut script = self.clone();
            let ends = script.read_step(&mut rest);
            // The prompt's last settings, where they call nothing, are those of all steps that follow.
            if step <= first + script.again || (ends && script.calls.is_empty()) {
                return script;
            }
            if ends {
                return Script { first: self.first, delay: self.delay, ..Script::default() };
            }
            first += script.again + 1;
        }
    }

    /// Takes one step's settings off a prompt; tells whether they were the last. What follows those is the text.
    fn read_step(&mut self, rest: &mut &str) -> bool {
        loop {
            let (word, tail) = rest.split_once(char::is_whitespace).unwrap_or((*rest, ""));
            if word == THEN {
                *rest = tail.trim_start();
                return false;
            }
            if word == ECHO || !word.contains('=') {
                self.echo |= word == ECHO;
                self.text = if word == ECHO { tail } else { *rest }.to_owned();
                return true;
            }
            *rest = match word.strip_prefix(CALL) {
                Some(name) => self.read_call(name, tail.trim_start()),
                None => {
                    self.set(word);
                    tail
                }
            };
            *rest = rest.trim_start();
        }
    }

    /// Takes a call, with its arguments where they follow; gives back what follows them.
    fn read_call<'p>(&mut self, name: &str, tail: &'p str) -> &'p str {
        let (mut arguments, mut rest) = (json!({}), tail);
        if tail.starts_with(['{', '[', '"']) {
            let mut values = serde_json::Deserializer::from_str(tail).into_iter::<Value>();
            (arguments, rest) = match values.next() {
                Some(Ok(value)) => (value, &tail[values.byte_offset()..]),
                // A model that writes no JSON: its word as a text.
                _ => {
                    let word = tail.split(char::is_whitespace).next().unwrap_or_default();
                    (Value::from(word), &tail[word.len()..])
                }
            };
        }
        if self.calls.len() < CALLS_MAX {
            self.calls.push((name.to_owned(), arguments));
        }
        rest
    }

    fn set(&mut self, setting: &str) {
        let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
        match key {
            "words" => self.words = self.number(setting, value, WORDS_MAX).or(self.words),
            "reasoning" => self.reasoning = self.number(setting, value, REASONING_MAX).unwrap_or(self.reasoning),
            "after" => self.after = self.number(setting, value, WORDS_MAX).unwrap_or(self.after),
            "again" => self.again = self.number(setting, value, AGAIN_MAX).unwrap_or(self.again),
            "first_ms" => self.first = self.millis(setting, value, FIRST_MS_MAX).unwrap_or(self.first),
            "delay_ms" => self.delay = self.millis(setting, value, DELAY_MS_MAX).unwrap_or(self.delay),
            "fail" => match Failure::parse(value) {
                Some(failure) => self.fail = Some(failure),
                None => self.complain(setting, "is no failure; there are unavailable, refused, cut, context and stall"),
            },
            ECHO if value.is_empty() => self.echo = true,
            _ => self.complain(
                setting,
                "is no setting; there are words, echo, reasoning, first_ms, delay_ms, fail, after, call and again",
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
