//! Watching all sessions of an organization: live, without deltas.

use everruns::bus::Bus;
use everruns::db::ids::{Id, Noun};
use everruns::events::{Event, EventKind, Feed, News};
use serde_json::json;

use super::watcher::Watcher;
use crate::app::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn an_organizations_watcher_sees_the_stored_events_of_every_session() {
    let app = TestApp::start().await;
    let ((one, _), (two, _)) = (app.session().await, app.session().await);
    app.say(&one, "before anybody watches").await;
    app.sse(&one, None).await.until("session.completed").await;
    let mut watcher = Watcher::organization(&app, json!({})).await;
    let kinds = ["message.received", "session.started", "step.started", "message.created", "session.completed"];
    for (path, first) in [(two, 1), (one, 6)] {
        app.say(&path, "Hello").await;
        let seen = watcher.until("session.completed").await;
        assert_eq!(seen.iter().map(|frame| frame.event.as_str()).collect::<Vec<_>>(), kinds);
        assert_eq!(seen[0].id, format!("{first}.0"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organizations_watcher_may_choose_sessions_agents_and_types() {
    let app = TestApp::start().await;
    let ((one, one_id), (two, two_id)) = (app.session().await, app.session().await);
    let agent_id = one.split('/').nth(3).unwrap();
    let filters = [json!({ "sessionId": one_id }), json!({ "agentId": agent_id })];
    let mut watchers = Vec::new();
    for filter in filters {
        watchers.push(Watcher::organization(&app, json!({ "filter": filter, "types": ["SESSION_COMPLETED"] })).await);
    }
    let mut all = Watcher::organization(&app, json!({ "types": ["SESSION_COMPLETED"] })).await;
    let mut nothing =
        Watcher::organization(&app, json!({ "filter": { "sessionId": two_id, "agentId": agent_id } })).await;
    for path in [&two, &one] {
        app.say(path, "Hello").await;
        app.sse(path, None).await.until("session.completed").await;
    }
    let sessions = [all.next().await.unwrap(), all.next().await.unwrap()].map(|frame| frame.data["session_id"].clone());
    assert_eq!(sessions, [json!(two_id), json!(one_id)]);
    for watcher in &mut watchers {
        assert_eq!(watcher.next().await.unwrap().data["session_id"], one_id);
    }
    // A session of another agent: what is shown next would have been shown by now.
    let next = tokio::time::timeout(std::time::Duration::ZERO, nothing.next()).await;
    assert!(next.is_err(), "{next:?}");
}

#[test]
fn an_event_that_is_shown_again_reaches_an_organization_once() {
    let feed = Feed::new(Bus::default());
    let [organization_id, session_id, turn_id] = [Noun::Organization, Noun::Session, Noun::Turn].map(Id::new);
    let event =
        |sequence| Event { sequence, ..Event::new(organization_id, session_id, turn_id, EventKind::SessionStarted) };
    let (mut watcher, channel) = (feed.organization(organization_id), feed.channel(session_id));
    channel.publish((0, 0), [event(1), event(2)]);
    // A turn whose end was stored without an answer shows what is stored once more.
    channel.publish((0, 0), [event(2), event(3)]);
    let seen: Vec<_> = std::iter::from_fn(|| watcher.try_recv().ok())
        .map(|news| match news {
            News::Event(event) => event.sequence,
            News::Gap => 0,
        })
        .collect();
    assert_eq!(seen, [1, 2, 3]);
}
