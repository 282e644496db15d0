//! A model that fails before it says anything is asked again, and nobody notices but the log.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpSocket;

use super::*;

fn busy(status: u16) -> Reply {
    Reply::json(status, &json!({ "error": { "message": CANARY } }).to_string()).again()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_model_is_asked_again_until_it_answers() {
    let mut model = Server::start([busy(429), busy(503), Reply::raw(""), whole("Hi.")]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "Hello").await;
    let frames = stream.until("session.completed").await;
    let told = ["session.started", "step.started", "message.delta", "message.created", "session.completed"];
    assert_eq!((names(&frames).as_slice(), text_of(&frames).as_str()), (told.as_slice(), "Hi."));
    let turn = turns_of(&app, &session_id).await[0].take();
    assert_eq!(
        (&turn["status"], &turn["error"], turn["steps"].as_array().unwrap().len()),
        (&json!("COMPLETED"), &Value::Null, 1)
    );
    assert_eq!((&turn["steps"][0]["text"], &turn["steps"][0]["model"]), (&json!("Hi."), &json!("small-model")));
    let first = model.request().await.body;
    for _ in 0..3 {
        assert_eq!(model.request().await.body, first);
    }
    assert_eq!(conversation(&app, &path, &session_id).await, [user("Hello"), assistant("Hi.")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_stays_busy_fails_the_turn_and_is_then_left_alone() {
    let mut model = Server::start(std::iter::repeat_n(busy(503), 20));
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    for (asked, hint) in [(5, "(It was asked 5 times.)"), (0, "has failed several times in a row")] {
        app.say(&path, "Hello").await;
        let frames = stream.until("session.failed").await;
        assert_eq!(names(&frames), ["session.started", "step.started", "session.failed"]);
        let failed = &frames[2].data;
        assert_eq!(failed["code"], "model_unavailable");
        assert!(text(&failed["error"]).contains(hint) && !failed.to_string().contains(CANARY), "{failed}");
        assert_eq!(model.requests_left(), asked);
    }
    assert_eq!(conversation(&app, &path, &session_id).await, [user("Hello"), user("Hello")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_said_something_is_not_asked_again() {
    let thought = format!("data: {}\n\n", json!({ "choices": [{ "delta": { "reasoning": "hm" } }] }));
    for begun in [piece("Once"), thought] {
        let mut model = Server::start([Reply::events(begun), whole("never")]);
        let app = start_with(&model).await;
        let (path, _) = app.session().await;
        app.say(&path, "Hello").await;
        let frames = app.sse(&path, None).await.until("session.failed").await;
        let failed = &frames.last().unwrap().data;
        assert_eq!(failed["code"], "model_cut");
        assert!(!text(&failed["error"]).contains("times"), "{failed}");
        assert_eq!(model.requests_left(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_the_wait_for_the_next_try() {
    let wait = Duration::from_secs(9);
    let mut model = Server::start([Reply::json(503, "{}").header("retry-after", "9"), whole("never")]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "Hello").await;
    model.request().await;
    let begin = Instant::now();
    assert_eq!(app.post(&format!("{path}/cancel"), json!({})).await.status, 200);
    let frames = stream.until("session.completed").await;
    assert!(begin.elapsed() < wait);
    assert_eq!(names(&frames), ["session.started", "step.started", "session.completed"]);
    assert_eq!(
        (each(&turns_of(&app, &session_id).await, "status"), model.requests_left()),
        (vec!["CANCELLED".into()], 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_server_that_comes_up_in_time_answers() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let app = TestApp::start_with(|config| {
        config.models.openai_base_url = Some(format!("http://{address}/v1"));
        config.models.default_model = Some("small-model".into());
    })
    .await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "Hello").await;
    stream.until("step.started").await;
    let listener = socket.listen(16).unwrap().into_std().unwrap();
    listener.set_nonblocking(false).unwrap();
    let _model = Server::on(listener, [whole("Hi.")]);
    stream.until("session.completed").await;
    assert_eq!(conversation(&app, &path, &session_id).await, [user("Hello"), assistant("Hi.")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_models_is_asked_for_again() {
    let listed = Reply::json(200, r#"{"data":[{"id":"small-model"}]}"#);
    let model = Server::start([busy(503), busy(429), listed, whole("Hi.")]);
    let app = TestApp::start_with(|config| config.models.openai_base_url = Some(model.root.clone())).await;
    let (path, session_id) = app.session().await;
    app.say(&path, "Hello").await;
    app.sse(&path, None).await.until("session.completed").await;
    assert_eq!(turns_of(&app, &session_id).await[0]["steps"][0]["model"], "small-model");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_whose_model_asks_for_a_long_time_waits_without_a_server() {
    let away = busy(429).header("retry-after", "600");
    let mut model = Server::start([away, whole("Here I am.")]);
    let app = start_with(&model).await;
    let database_url = secrecy::ExposeSecret::expose_secret(&app.config.database_url).to_owned();
    let (path, session_id) = app.session().await;
    app.say(&path, "Hello").await;
    model.request().await;
    let app = app.restart().await;
    // Ten minutes later.
    let past = if database_url.starts_with("postgres") { "'epoch'" } else { "1" };
    let later = format!("UPDATE turns SET lease_until = {past} WHERE status = 'running' AND owner IS NULL");
    super::lost_tools::execute(&database_url, &later).await;
    let frames = app.sse(&path, None).await.until("session.completed").await;
    assert_eq!(text_of(&frames), "Here I am.");
    let steps = turns_of(&app, &session_id).await[0]["steps"].take();
    assert_eq!(each(steps.as_array().unwrap(), "status"), ["ABANDONED", "COMPLETED"]);
    assert_eq!(conversation(&app, &path, &session_id).await, [user("Hello"), assistant("Here I am.")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_waits_for_its_model_is_cancelled_at_once() {
    let mut model = Server::start([busy(429).header("retry-after", "600"), whole("Next.")]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "Hello").await;
    model.request().await;
    assert_eq!(app.post(&format!("{path}/cancel"), json!({})).await.body["status"], "pending");
    assert_eq!(stream.until("session.completed").await.pop().unwrap().data["stop_reason"], "cancelled");
    app.say(&path, "Again").await;
    assert_eq!(text_of(&stream.until("session.completed").await), "Next.");
    assert_eq!(each(&turns_of(&app, &session_id).await, "status"), ["CANCELLED", "COMPLETED"]);
}
