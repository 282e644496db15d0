//! The wire of PostgreSQL: notices are heard by all others, few at a time, and connections that break are made again.

use everruns::bus::{Bus, Heard, Notice};
use everruns::db::ids::{Id, Noun};
use everruns::db::notices::{LISTENER, Listener, NOTICE_BYTES_MAX, Notifier};

use super::{Shared, gone};
use crate::app::PATIENCE;

#[tokio::test(flavor = "multi_thread")]
async fn replicas_hear_each_other_but_not_themselves() {
    let Some(shared) = Shared::new().await else { return };
    let (mut one, mut other) = (shared.replica(None).await, shared.replica(None).await);
    assert_eq!([one.next().await, other.next().await], [Heard::Gap, Heard::Gap]);
    let session_id = Id::new(Noun::Session);
    let notices = [
        Notice::Work,
        Notice::Stored { organization_id: Id::fixed(1), session_id, first: 7, last: 9 },
        Notice::Text { session_id },
        Notice::Stop { session_id, turn_id: Some(Id::new(Noun::Turn)) },
        Notice::Stop { session_id, turn_id: None },
        Notice::Gone { session_id },
    ];
    for notice in notices {
        one.bus.tell(notice.clone());
        assert_eq!(other.next().await, Heard::Notice(notice));
    }
    // What the other answers comes to the first one before anything of its own.
    other.bus.tell(Notice::Work);
    assert_eq!(one.next().await, Heard::Notice(Notice::Work));
    assert!(!one.bus.has_nats());
    one.bus.show(|| panic!("running text does not go through PostgreSQL"));
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_that_wait_are_told_together() {
    let Some(shared) = Shared::new().await else { return };
    let one = shared.replica(None).await;
    let mut wire = Listener::open(&shared.url).await.expect("it listens");
    let (session_id, last) = (Id::new(Noun::Session), gone());
    for number in 1..=1000 {
        one.bus.tell(Notice::Stored { organization_id: Id::fixed(1), session_id, first: number, last: number });
        one.bus.tell(Notice::Work);
    }
    one.bus.tell(last.clone());
    let Notice::Gone { session_id: last } = last else { unreachable!() };
    let mut texts = vec![hear(&mut wire).await];
    while !texts.iter().any(|text| text.contains(&last.to_string())) {
        texts.push(hear(&mut wire).await);
    }
    assert!(texts.len() < 20, "{} texts for 2001 notices", texts.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_notices_are_split_over_several_texts() {
    let Some(shared) = Shared::new().await else { return };
    let (one, mut other) = (shared.replica(None).await, shared.replica(None).await);
    assert_eq!(other.next().await, Heard::Gap);
    let mut wire = Listener::open(&shared.url).await.expect("it listens");
    let notices: Vec<_> = std::iter::repeat_with(gone).take(900).collect();
    for notice in &notices {
        one.bus.tell(notice.clone());
    }
    let mut missing: std::collections::HashSet<_> = notices.into_iter().collect();
    while !missing.is_empty() {
        let heard = other.next().await;
        let Heard::Notice(notice) = &heard else { panic!("{heard:?} came with {} missing", missing.len()) };
        assert!(missing.remove(notice), "{notice:?} comes once");
        if missing.len() % 300 == 299 {
            let text = hear(&mut wire).await;
            assert!(text.len() <= NOTICE_BYTES_MAX, "{} bytes", text.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_can_be_told_makes_the_others_look_at_everything() {
    let Some(shared) = Shared::new().await else { return };
    let (one, mut other) = (shared.replica(None).await, shared.replica(None).await);
    assert_eq!(other.next().await, Heard::Gap);
    let told = tokio::task::spawn_blocking({
        let bus = one.bus.clone();
        move || (0..200_000).for_each(|_| bus.tell(gone()))
    });
    other.until(&Heard::Gap).await;
    told.await.expect("it is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_is_made_again_and_leaves_a_gap() {
    let Some(shared) = Shared::new().await else { return };
    let (mut one, mut other) = (shared.replica(None).await, shared.replica(None).await);
    assert_eq!([one.next().await, other.next().await], [Heard::Gap, Heard::Gap]);
    one.bus.tell(Notice::Work);
    assert_eq!(other.next().await, Heard::Notice(Notice::Work));
    // Both listeners break, and the connection on which the first one tells.
    let killed = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    shared
        .run(&format!(
            "DO $$ BEGIN ASSERT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
        AND application_name = '{LISTENER}') = 2; END $$; {killed}"
        ))
        .await;
    assert_eq!([one.next().await, other.next().await], [Heard::Gap, Heard::Gap]);
    let again = gone();
    one.bus.tell(again.clone());
    other.until(&Heard::Notice(again)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_told_before_the_bus_stops() {
    let Some(shared) = Shared::new().await else { return };
    let (one, mut other) = (shared.replica(None).await, shared.replica(None).await);
    assert_eq!(other.next().await, Heard::Gap);
    let (first, last) = (gone(), gone());
    one.bus.tell(first.clone());
    other.until(&Heard::Notice(first)).await;
    one.bus.tell(last.clone());
    one.bus.stop().await;
    other.until(&Heard::Notice(last)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_another_version_are_ignored() {
    let Some(shared) = Shared::new().await else { return };
    let (one, mut other) = (shared.replica(None).await, shared.replica(None).await);
    assert_eq!(other.next().await, Heard::Gap);
    let mut stranger = Notifier::new(shared.url.clone());
    stranger.send(vec!["2 something new".into(), String::new()]).await.expect("it is sent");
    one.bus.tell(Notice::Work);
    assert_eq!(other.next().await, Heard::Notice(Notice::Work));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tasks_end_with_the_last_handle() {
    let Some(shared) = Shared::new().await else { return };
    let mut one = shared.replica(None).await;
    assert_eq!(one.next().await, Heard::Gap);
    let last = one.bus.clone();
    drop(one.bus);
    last.tell(Notice::Work);
    drop(last);
    // With the task that listens ends what it delivers to.
    let end = tokio::time::timeout(PATIENCE, one.heard.recv()).await.expect("it ends");
    assert_eq!(end, None);
}

#[tokio::test]
async fn a_bus_without_others_says_and_hears_nothing() {
    let bus = Bus::default();
    bus.tell(Notice::Work);
    bus.show(|| panic!("nobody is there to see it"));
    assert_eq!(bus.hear().recv().await, None);
    bus.stop().await;
}

async fn hear(wire: &mut Listener) -> String {
    tokio::time::timeout(PATIENCE, wire.next()).await.expect("a text comes").expect("the connection holds")
}
