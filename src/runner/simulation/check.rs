//! The promises: what must hold of a session whatever went wrong.

use std::collections::{HashMap, HashSet};

use super::story::{Act, Story};
use super::watcher::Seen;
use super::world::World;
use crate::db::ids::Id;
use crate::db::read;
use crate::error::Result;
use crate::events::{Event, EventKind};
use crate::messages::{Message, MessageRole};
use crate::page::Page;
use crate::sessions::SessionStatus;
use crate::turns::{Step, StepStatus, Turn, TurnStatus};

/// Everything that is stored of the session.
struct Stored {
    events: Vec<Event>,
    turns: Vec<Turn>,
    messages: Vec<Message>,
    steps: Vec<Step>,
}

type Held = Result<(), String>;

/// Checks every promise; tells which one is broken.
pub(super) async fn all(world: &World, story: &Story, watchers: &[Seen]) -> Held {
    let stored = read_all(world).await.unwrap();
    let sent: Vec<&String> =
        story.acts.iter().filter_map(|act| if let Act::Send(text) = act { Some(text) } else { None }).collect();
    let users = stored.messages.iter().filter(|message| message.role == MessageRole::User);
    hold(users.map(|message| &message.text).eq(sent), || "a message is lost".into())?;
    numbers(&stored)?;
    turns(&stored)?;
    steps(&stored)?;
    for (number, seen) in watchers.iter().enumerate() {
        watcher(&stored, seen).map_err(|broken| format!("watcher {number}: {broken}"))?;
    }
    let last = stored.turns.last().map(|turn| turn.status);
    let status = world.session().await.status;
    let is_right = match last {
        Some(TurnStatus::Failed) => status == SessionStatus::Failed,
        Some(TurnStatus::Completed) => status == SessionStatus::Pending,
        _ => status != SessionStatus::Running,
    };
    hold(is_right, || format!("the session is {status:?} after a turn that is {last:?}"))
}

async fn read_all(World { store, organization_id, session_id, .. }: &World) -> Result<Stored> {
    let (organization_id, session_id) = (*organization_id, *session_id);
    let page = Page { after: None, before: None, backwards: false, size: 500 };
    let events = read!(store, events::list(organization_id, session_id, 0, None, 1_000))?;
    let turns = read!(store, turns::list(organization_id, session_id, None, &page))?;
    let messages = read!(store, messages::list(organization_id, session_id, &page))?;
    let ids = turns.iter().map(|turn| turn.id).collect();
    let steps = read!(store, turns::steps_of(organization_id, ids))?;
    Ok(Stored { events, turns, messages, steps })
}

/// Events and messages are numbered without a hole, and a turn's events stand together, in the order of the messages.
fn numbers(stored: &Stored) -> Held {
    let dense = |numbers: &mut dyn Iterator<Item = i64>| numbers.zip(1..).all(|(number, expected)| number == expected);
    hold(dense(&mut stored.events.iter().map(|event| event.sequence)), || "events have a hole".into())?;
    hold(dense(&mut stored.messages.iter().map(|message| message.sequence)), || "messages have a hole".into())?;
    let order: Vec<Id> =
        stored.events.chunk_by(|one, next| one.turn_id == next.turn_id).map(|turn| turn[0].turn_id).collect();
    let begun = stored.turns.iter().map(|turn| turn.id).filter(|id| order.contains(id));
    hold(begun.eq(order.iter().copied()), || format!("turns are mixed: {order:?}"))
}

/// Each turn has ended exactly once, but for those whose message was withdrawn, of which there is no event.
fn turns(stored: &Stored) -> Held {
    for turn in &stored.turns {
        let events: Vec<_> = stored.events.iter().filter(|event| event.turn_id == turn.id).collect();
        let ends = [EventKind::SessionCompleted, EventKind::SessionFailed];
        let ended = events.iter().filter(|event| ends.contains(&event.kind)).count();
        let last = events.last().map(|event| event.kind);
        let is_right = match turn.status {
            TurnStatus::Failed => ended == 1 && last == Some(EventKind::SessionFailed),
            TurnStatus::Cancelled if turn.attempts == 0 => events.is_empty(),
            TurnStatus::Completed | TurnStatus::Cancelled => ended == 1 && last == Some(EventKind::SessionCompleted),
            TurnStatus::Queued | TurnStatus::Running => false,
        };
        hold(is_right, || format!("a turn that is {:?} has {ended} ends, its last event is {last:?}", turn.status))?;
    }
    Ok(())
}

/// No step is completed twice, and each one's text is its one message.
fn steps(stored: &Stored) -> Held {
    let mut said = HashMap::<Id, &Message>::new();
    for message in stored.messages.iter().filter(|message| message.role == MessageRole::Assistant) {
        let step_id = message.step_id.ok_or("an assistant's message of no step")?;
        hold(said.insert(step_id, message).is_none(), || format!("step {step_id} has two messages"))?;
    }
    let mut completed = HashSet::new();
    for step in &stored.steps {
        let says = said.get(&step.id).map(|message| message.text.as_str());
        match step.status {
            StepStatus::Completed => {
                let first = completed.insert((step.turn_id, step.step_index));
                hold(first, || format!("step {} of a turn is completed twice", step.step_index))?;
                hold(says.unwrap_or_default() == step.text, || format!("{says:?} is not {:?}", step.text))?;
            }
            StepStatus::Cancelled => hold(says.is_none_or(|says| says == step.text), || "a cut text differs".into())?,
            _ => hold(says.is_none(), || format!("a step that is {:?} has a message", step.status))?,
        }
    }
    let announced = stored.events.iter().filter(|event| event.kind == EventKind::MessageCreated).count();
    hold(announced == said.len(), || format!("{announced} messages are announced, {} are stored", said.len()))
}

/// A watcher saw every event once, in order, and of each step that was completed exactly its text.
fn watcher(stored: &Stored, seen: &Seen) -> Held {
    if let Some(broken) = &seen.broken {
        return Err(broken.clone());
    }
    let key = |event: &Event| (event.sequence, event.kind, event.turn_id, event.step_id);
    hold(seen.events.iter().map(key).eq(stored.events.iter().map(key)), || {
        let numbers: Vec<_> = seen.events.iter().map(|event| event.sequence).collect();
        format!("saw {numbers:?} of {} events", stored.events.len())
    })?;
    for step in stored.steps.iter().filter(|step| step.status == StepStatus::Completed) {
        let text = seen.texts.get(&step.started_sequence).map_or("", String::as_str);
        hold(text == step.text, || format!("saw {text:?} of the step that said {:?}", step.text))?;
    }
    Ok(())
}

fn hold(holds: bool, otherwise: impl FnOnce() -> String) -> Held {
    if holds { Ok(()) } else { Err(otherwise()) }
}
