//! What a watcher saw, held against the database: everything, in order, once; each step's deltas add up; nothing stale.

use super::checker::Findings;
use super::rows::{EventRow, Rows, StepRow, plain};
use super::watchers::{Face, Recording, Seen};

/// Where a watcher stands while its recording is read again.
struct Place<'a> {
    /// Number of the newest event seen.
    sequence: i64,
    /// The step whose step.started that was.
    step: Option<&'a StepRow>,
    /// Its text as the deltas told it.
    text: String,
}

/// Reads the recording against the rows, which are final.
pub fn check(rows: &Rows, recording: &Recording, findings: &mut Findings) {
    let session = plain(&recording.session_id);
    let who = format!("a watcher of {session}{}", if recording.replay { " who came late" } else { "" });
    let refusals = &recording.refusals;
    findings.expect(refusals.is_empty(), || format!("{who} was refused: {refusals:?}"));
    let events = rows.events_of(&session);
    let mut place = Place { sequence: 0, step: None, text: String::new() };
    for seen in recording.seen.iter().filter(|seen| seen.frame.event != "caught.up") {
        let problem = if seen.frame.event == "message.delta" {
            place.hear(seen).err()
        } else {
            place.go_on(rows, &events, seen, recording.replay).err()
        };
        if let Some(problem) = problem {
            return findings.expect(false, || format!("{who}: {problem} at {seen:?}, after event {}", place.sequence));
        }
    }
    let last = events.last().map_or(0, |event| event.sequence);
    findings.expect(place.sequence == last, || format!("{who} saw {} of {last} events", place.sequence));
}

impl<'a> Place<'a> {
    /// A delta goes on where the one before ended, in the step that began last.
    fn hear(&mut self, seen: &Seen) -> Result<(), String> {
        let (sequence, offset) = numbers(seen)?;
        let delta = seen.frame.data["delta"].as_str().ok_or("no delta")?;
        let step = self.step.ok_or("a delta outside of a step")?;
        expect(sequence == self.sequence, "a delta of another step than the one that began last")?;
        expect(offset == self.text.len() + delta.len(), "a repeat of a text, or a hole in it")?;
        let step_id = seen.frame.data["step_id"].as_str().unwrap_or_default();
        expect(plain(step_id) == step.id, "a delta that names another step")?;
        self.text.push_str(delta);
        Ok(())
    }

    /// Any other event is the next one that this face shows, and tells what is stored.
    fn go_on(&mut self, rows: &'a Rows, events: &[&EventRow], seen: &Seen, replay: bool) -> Result<(), String> {
        let (sequence, offset) = numbers(seen)?;
        expect(offset == 0, "an event with an offset")?;
        expect(sequence > self.sequence, "a repeat")?;
        let at = |sequence: i64| events.get(usize::try_from(sequence - 1).unwrap_or(usize::MAX));
        let skipped = (self.sequence + 1..sequence).filter_map(at);
        let mut hidden = skipped.filter(|event| seen.face == Face::Socket || event.kind != "message.received");
        if let Some(event) = hidden.next() {
            return Err(format!("{event:?} was not shown"));
        }
        let event = at(sequence).ok_or("an event that is not stored")?;
        expect(event.kind == seen.frame.event, "another kind than what is stored")?;
        self.end_step(replay)?;
        for (name, stored) in [("step_id", &event.step), ("message_id", &event.message)] {
            if let (Some(told), Some(stored)) = (seen.frame.data[name].as_str(), stored) {
                expect(plain(told) == *stored, "another id than what is stored")?;
            }
        }
        self.sequence = sequence;
        self.text.clear();
        let begun = |step: &&StepRow| step.session == event.session && step.started_sequence == sequence;
        self.step = rows.steps.iter().find(begun);
        Ok(())
    }

    /// What was heard of a step is its text. Of an abandoned one it is whatever came, and nothing where it is replayed.
    fn end_step(&self, replay: bool) -> Result<(), String> {
        let Some(step) = self.step else { return Ok(()) };
        match step.status.as_str() {
            "abandoned" => expect(!replay || self.text.is_empty(), "a text of an abandoned step"),
            _ if self.text == step.text => Ok(()),
            _ => Err(format!("deltas {:?} of {step:?}", self.text)),
        }
    }
}

fn numbers(seen: &Seen) -> Result<(i64, usize), String> {
    let (sequence, offset) = seen.frame.id.split_once('.').ok_or("no cursor")?;
    let wrong = || "no cursor".to_owned();
    Ok((sequence.parse().map_err(|_| wrong())?, offset.parse().map_err(|_| wrong())?))
}

fn expect(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}
