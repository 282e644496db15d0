//! A model that fails time after time is left alone for a while.

use std::time::Duration;

use everruns::config::ModelSettings;
use everruns::db::ids::Id;
use everruns::llm::*;
use tokio::net::TcpSocket;

use super::faces::face;
use super::server::{Reply, Server};
use super::{Said, ask, compatible, models, user};

const FAILURES: usize = 5;
const OPEN: Duration = Duration::from_secs(15);

async fn ask_of(models: &Models, target: &ModelTarget) -> Said {
    ask(models.client(target), target, user("hello")).await
}

fn is_left_alone(said: &Said) -> bool {
    said.end.as_ref().is_err_and(|error| error.message.contains("has failed several times in a row"))
}

/// Whoever listens never is refused by the system at once, so the clock may stand still meanwhile.
#[tokio::test(start_paused = true)]
async fn a_model_that_fails_five_times_is_left_alone_until_it_answers() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let target = compatible(&format!("http://{}/v1", socket.local_addr().unwrap()));
    let models = models(ModelSettings::default());
    for _ in 0..FAILURES {
        let error = ask_of(&models, &target).await.end.unwrap_err();
        assert!(error.message.contains("cannot be connected to"), "{error}");
    }
    let error = ask_of(&models, &target).await.end.unwrap_err();
    assert!(error.message.ends_with("tried again in 15 s at the earliest; send the message again then."), "{error}");
    assert_eq!((error.code, error.retry), (ModelErrorCode::Unavailable, Retry::Never));
    tokio::time::advance(OPEN).await;
    tokio::time::resume();
    let listener = socket.listen(16).unwrap().into_std().unwrap();
    listener.set_nonblocking(false).unwrap();
    let face = face("chat completions");
    let whole = || face.reply(&(face.text)());
    let mut server = Server::on(listener, [whole(), whole()]);
    for _ in 0..2 {
        assert_eq!(ask_of(&models, &target).await.text(), "Bonjour é🥞");
    }
    assert_eq!(server.requests_left(), 2);
}

#[tokio::test]
async fn failures_of_the_server_count_and_no_others() {
    let begun = "data: {\"choices\":[{\"delta\":{\"content\":\"begun\"}}]}\n\n";
    let cases = [
        (Reply::json(503, "{}"), true),
        (Reply::json(500, "{}"), true),
        (Reply::raw(""), true),
        (Reply::events(""), true),
        (Reply::json(429, "{}"), false),
        (Reply::json(401, "{}"), false),
        (Reply::json(404, "{}"), false),
        (Reply::status(200, "text/html", ""), false),
        (Reply::events(begun), false),
    ];
    let models = models(ModelSettings::default());
    for (index, (reply, counts)) in cases.into_iter().enumerate() {
        let server = Server::start(std::iter::repeat_n(reply, 2 * FAILURES));
        let target = compatible(&server.root);
        for _ in 0..FAILURES {
            assert!(!is_left_alone(&ask_of(&models, &target).await), "case {index}");
        }
        assert_eq!(is_left_alone(&ask_of(&models, &target).await), counts, "case {index}");
    }
}

#[tokio::test]
async fn nobody_closes_the_way_of_another() {
    let mut server = Server::start(std::iter::repeat_n(Reply::json(500, "{}"), 20));
    let models = models(ModelSettings::default());
    let operators = compatible(&server.root);
    for _ in 0..FAILURES {
        ask_of(&models, &operators).await;
    }
    assert!(is_left_alone(&ask_of(&models, &operators).await));
    assert_eq!(server.requests_left(), FAILURES);
    let others = [
        ModelTarget { provider_id: Some(Id::fixed(1)), ..operators.clone() },
        ModelTarget { model: "other-model".into(), ..operators.clone() },
    ];
    for other in others {
        assert!(!is_left_alone(&ask_of(&models, &other).await));
    }
}
