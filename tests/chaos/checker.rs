//! The one invariant checker that every story ends with: the promises, held against the database and against what everybody was told or saw.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::recordings;
use super::rows::{MessageRow, Rows, TurnRow, plain};
use super::senders::Sent;
use super::watchers::Recording;

/// What is wrong, in words; each finding once.
#[derive(Default)]
pub struct Findings(Vec<String>);

/// What a story came to, all promises held.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    pub messages: usize,
    pub turns: usize,
    /// Turns that failed as begun too often without coming further: an end like another.
    pub no_progress: usize,
    pub claims_per_turn: f64,
    /// Events that watchers saw, deltas included.
    pub seen: usize,
}

impl Findings {
    /// Adds a finding unless this holds.
    pub fn expect(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.0.push(otherwise());
        }
    }
}

/// Holds everything against everything; the error is the list of what is broken.
pub fn check(rows: &Rows, sent: &[Sent], recordings: &[Recording]) -> Result<Figures, String> {
    let mut findings = Findings::default();
    acknowledged_messages_are_there(rows, sent, &mut findings);
    numbers_have_no_hole(rows, &mut findings);
    each_turn_ends_once(rows, &mut findings);
    steps_have_their_messages(rows, &mut findings);
    answers_are_whole(rows, sent, &mut findings);
    for recording in recordings {
        recordings::check(rows, recording, &mut findings);
    }
    if !findings.0.is_empty() {
        return Err(findings.0.join("\n"));
    }
    let claims: i64 = rows.turns.iter().map(|turn| turn.attempts).sum();
    let no_progress = |turn: &&TurnRow| turn.error_code.as_deref() == Some("no_progress");
    Ok(Figures {
        messages: sent.len(),
        turns: rows.turns.len(),
        no_progress: rows.turns.iter().filter(no_progress).count(),
        claims_per_turn: f64::from(u32::try_from(claims).unwrap())
            / f64::from(u32::try_from(rows.turns.len()).unwrap()),
        seen: recordings.iter().map(|recording| recording.seen.len()).sum(),
    })
}

/// What was acknowledged is stored once, and what was asked for again under its key no more than once.
fn acknowledged_messages_are_there(rows: &Rows, sent: &[Sent], findings: &mut Findings) {
    // No two have the same text.
    let mut stored: HashMap<&str, Vec<&MessageRow>> = HashMap::new();
    for message in rows.messages.iter().filter(|message| message.role == "user") {
        stored.entry(&message.text).or_default().push(message);
    }
    for sent in sent {
        let found = stored.remove(sent.text.as_str()).unwrap_or_default();
        let session = plain(&sent.session_id);
        if let Some(id) = &sent.message_id {
            let is_there = found.iter().any(|message| message.id == plain(id) && message.session == session);
            findings.expect(is_there, || format!("lost: {sent:?}"));
        }
        findings.expect(found.len() <= 1, || format!("stored {} times: {sent:?}", found.len()));
    }
    findings.expect(stored.is_empty(), || format!("nobody sent these: {stored:?}"));
}

/// Events and messages are numbered 1..n in each session.
fn numbers_have_no_hole(rows: &Rows, findings: &mut Findings) {
    for session in rows.sessions() {
        let events = rows.events_of(session);
        let numbers: Vec<i64> = events.iter().map(|event| event.sequence).collect();
        findings.expect(is_dense(&numbers), || format!("events of {session}: {numbers:?}"));
        let messages = rows.messages.iter().filter(|message| message.session == session);
        let numbers: Vec<i64> = messages.map(|message| message.sequence).collect();
        findings.expect(is_dense(&numbers), || format!("messages of {session}: {numbers:?}"));
    }
}

fn is_dense(numbers: &[i64]) -> bool {
    numbers.iter().copied().eq(1..=i64::try_from(numbers.len()).unwrap())
}

/// One turn per user message, its events in one piece, from message.received to the only end; none where it was withdrawn before it began.
fn each_turn_ends_once(rows: &Rows, findings: &mut Findings) {
    let mut turns: HashMap<&str, Vec<&TurnRow>> = HashMap::new();
    for turn in &rows.turns {
        turns.entry(&turn.message).or_default().push(turn);
    }
    for message in rows.messages.iter().filter(|message| message.role == "user") {
        let of_message = turns.remove(message.id.as_str()).unwrap_or_default();
        let [turn] = of_message.as_slice() else {
            findings.expect(false, || format!("{message:?} has these turns: {of_message:?}"));
            continue;
        };
        let events: Vec<_> = rows.events.iter().filter(|event| event.turn == turn.id).collect();
        let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
        let in_one_piece = events.windows(2).all(|pair| pair[0].sequence + 1 == pair[1].sequence);
        let ends = kinds.iter().filter(|kind| ["session.completed", "session.failed"].contains(kind)).count();
        let expected_end = match turn.status.as_str() {
            "completed" => Some("session.completed"),
            "failed" => Some("session.failed"),
            // Ended while it ran, or withdrawn while it waited.
            "cancelled" => (!message.withdrawn).then_some("session.completed"),
            _ => Some("an end"),
        };
        let ends_well = kinds.last().copied() == expected_end && ends == usize::from(expected_end.is_some());
        let begins_well = kinds.is_empty() || kinds.starts_with(&["message.received", "session.started"]);
        findings.expect(in_one_piece && begins_well && ends_well, || format!("{turn:?} has these events: {kinds:?}"));
    }
    findings.expect(turns.is_empty(), || format!("turns without a message: {turns:?}"));
}

/// A step begins with one event, has at most one message, with exactly its text, and no completed one was paid for twice.
fn steps_have_their_messages(rows: &Rows, findings: &mut Findings) {
    let mut by_step: HashMap<&str, Vec<&MessageRow>> = HashMap::new();
    for message in rows.messages.iter().filter(|message| message.role == "assistant") {
        by_step.entry(message.step.as_deref().unwrap_or_default()).or_default().push(message);
    }
    let mut created: HashMap<&str, usize> = HashMap::new();
    for event in rows.events.iter().filter(|event| event.kind == "message.created") {
        *created.entry(event.message.as_deref().unwrap_or_default()).or_default() += 1;
    }
    let begun = rows.events.iter().filter(|event| event.kind == "step.started");
    let begun: HashSet<(&str, i64)> =
        begun.map(|event| (event.step.as_deref().unwrap_or_default(), event.sequence)).collect();
    let mut completed = BTreeMap::new();
    for step in &rows.steps {
        let has_begun = begun.contains(&(&step.id, step.started_sequence));
        findings.expect(has_begun, || format!("no step.started of {step:?}"));
        findings.expect(step.status != "running", || format!("still running: {step:?}"));
        let messages = by_step.remove(step.id.as_str()).unwrap_or_default();
        let is_completed = step.status == "completed";
        let needed = is_completed && !step.text.is_empty();
        let counted = messages.len() <= 1 && messages.len() >= usize::from(needed);
        let is_told =
            messages.iter().all(|message| message.text == step.text && created.get(message.id.as_str()) == Some(&1));
        findings.expect(counted && is_told, || format!("{step:?} has these messages: {messages:?}"));
        if is_completed {
            *completed.entry((&step.turn, step.step_index)).or_insert(0) += 1;
        }
    }
    findings.expect(begun.len() == rows.steps.len(), || {
        format!("{} steps began, {} are kept", begun.len(), rows.steps.len())
    });
    findings.expect(by_step.is_empty(), || format!("messages of no step: {by_step:?}"));
    completed.retain(|_, count| *count > 1);
    findings.expect(completed.is_empty(), || format!("paid for twice (turn, step): {completed:?}"));
}

/// The simulator says as many words as it was asked for, so what a completed turn says last has exactly these.
fn answers_are_whole(rows: &Rows, sent: &[Sent], findings: &mut Findings) {
    let words: HashMap<&str, usize> = sent.iter().map(|sent| (sent.text.as_str(), sent.words)).collect();
    let turns: HashMap<&str, &TurnRow> = rows.turns.iter().map(|turn| (turn.message.as_str(), turn)).collect();
    for message in rows.messages.iter().filter(|message| message.role == "user") {
        let (Some(turn), Some(words)) = (turns.get(message.id.as_str()), words.get(message.text.as_str())) else {
            continue;
        };
        if turn.status == "completed" {
            let steps = rows.steps.iter().filter(|step| step.turn == turn.id && step.status == "completed");
            let last = steps.max_by_key(|step| step.step_index).map(|step| step.text.split_whitespace().count());
            findings.expect(last == Some(*words), || format!("{last:?} words answer {message:?}"));
        }
    }
}
