//! The checker notices: each promise, broken by hand in what a good story left, is found.

use super::checker::check;
use super::replicas::Replicas;
use super::rows::Rows;
use super::senders::Sent;
use super::watchers::Recording;
use super::{World, is_on_postgres};
use crate::app;

/// What a story leaves.
type Left = (Rows, Vec<Sent>, Vec<Recording>);

/// Breaks a promise.
type Breaking = fn(&mut Left);

/// Each breaks one promise; the word stands in what the checker says of it.
const BROKEN: [(&str, Breaking); 14] = [
    ("lost", |(rows, sent, _)| {
        let id = super::rows::plain(sent[0].message_id.as_ref().unwrap());
        rows.messages.retain(|message| message.id != id);
    }),
    ("stored 2 times", |(rows, ..)| rows.messages.push(rows.messages[0].clone())),
    ("nobody sent", |(_, sent, _)| drop(sent.pop())),
    ("events of", |(rows, ..)| drop(rows.events.remove(2))),
    ("has these turns", |(rows, ..)| drop(rows.turns.pop())),
    ("has these events", |(rows, ..)| rows.turns[0].status = "running".into()),
    ("has these events", |(rows, ..)| rows.events.last_mut().unwrap().kind = "message.created".into()),
    ("has these messages", |(rows, ..)| rows.steps[0].text.push('!')),
    ("paid for twice", |(rows, ..)| rows.steps.push(rows.steps[0].clone())),
    ("words answer", |(_, sent, _)| sent[0].words += 1),
    ("a repeat of a text", |(.., recordings)| {
        let seen = &mut recordings[0].seen;
        let delta = seen.iter().position(|seen| seen.frame.event == "message.delta").unwrap();
        seen.insert(delta, seen[delta].clone());
    }),
    ("a repeat", |(.., recordings)| {
        let first = recordings[0].seen[0].clone();
        recordings[0].seen.insert(1, first);
    }),
    ("a delta of another step", |(.., recordings)| {
        // The text of the first step once more, after the second began.
        let seen = &mut recordings[0].seen;
        let delta = seen.iter().find(|seen| seen.frame.event == "message.delta").unwrap().clone();
        let begun = seen.iter().rposition(|seen| seen.frame.event == "step.started").unwrap();
        seen.insert(begun + 1, delta);
    }),
    ("saw", |(.., recordings)| drop(recordings[0].seen.pop())),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_checker_notices_what_is_broken() {
    if is_on_postgres() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let database_url = app::database_url(&folder).await;
    let mut world = World::begin("noticed", &database_url, Replicas::start(&database_url, 1, &[]), 1).await;
    for _ in 0..2 {
        world.say(0, "/sim", 5).await;
    }
    let left = world.leave().await;
    check(&left.0, &left.1, &left.2).unwrap();
    for (word, break_it) in BROKEN {
        let mut broken = left.clone();
        break_it(&mut broken);
        let findings = check(&broken.0, &broken.1, &broken.2).expect_err(word);
        assert!(findings.contains(word), "{word}: {findings}");
    }
}
