//! A model that fails: the turn fails with a text that helps and leaks nothing, and the session goes on.

use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_of_the_simulator_fails_the_turn_alone() {
    let app = TestApp::start().await;
    let failures = [
        ("unavailable", "model_unavailable"),
        ("refused", "model_refused"),
        ("cut", "model_cut"),
        ("context", "context_too_long"),
    ];
    for (failure, code) in failures {
        let (path, session_id) = app.session().await;
        let mut stream = app.sse(&path, None).await;
        app.say(&path, &format!("/sim fail={failure} after=3 words=9")).await;
        let frames = stream.until("session.failed").await;
        let turn = turns_of(&app, &session_id).await[0].take();
        let failed = &frames.last().unwrap().data;
        let error = &turn["error"]["message"];
        assert_eq!(failed, &json!({ "session_id": session_id, "turn_id": turn["id"], "error": error, "code": code }));
        assert_eq!((&turn["status"], &turn["stopReason"]), (&json!("FAILED"), &json!(null)));
        assert_eq!(
            (&turn["error"]["code"], &turn["steps"][0]["status"]),
            (&json!(code.to_uppercase()), &json!("FAILED"))
        );
        let session = session_of(&app, &path, &session_id).await;
        assert!(session["status"] == "failed" && session["finished_at"].is_string(), "{session}");
        app.say(&path, "/sim echo again").await;
        stream.until("session.completed").await;
        assert_eq!(session_of(&app, &path, &session_id).await["status"], "pending");
        assert_eq!(conversation(&app, &path, &session_id).await[1..], [user("/sim echo again"), assistant("again")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_step_is_replayed_but_becomes_no_message() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "/sim fail=cut after=4 words=9").await;
    let live = stream.until("session.failed").await;
    let replayed = app.sse(&path, None).await.until("session.failed").await;
    let step = turns_of(&app, &session_id).await[0]["steps"][0].take();
    assert!(!text_of(&live).is_empty());
    assert_eq!((text_of(&live), text_of(&replayed)), (text(&step["text"]), text(&step["text"])));
    assert!(!names(&replayed).contains(&"message.created"));
    assert_eq!(conversation(&app, &path, &session_id).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_model_server_does_wrong_is_told_without_its_address_or_key() {
    let told = |text: &str| json!({ "error": { "message": format!("{text} {CANARY}") } }).to_string();
    let cases = [
        (Reply::json(401, &told("wrong key")), "model_unavailable", "OPENAI_API_KEY"),
        (Reply::json(404, &told("no such model")), "model_unavailable", "model"),
        (Reply::json(500, &told("oh no")).again(), "model_unavailable", "again"),
        (Reply::json(400, &told("maximum context length")), "context_too_long", "new session"),
        (Reply::json(400, &told("content_filter")), "model_refused", "declined"),
        (Reply::events(piece("Once")), "model_cut", "again"),
        (Reply::events(piece("Once") + &format!("data: {}\n\n", told("overloaded"))), "model_unavailable", "again"),
    ];
    for (reply, code, hint) in cases {
        // As many answers as a patient client may ask for.
        let model = Server::start(std::iter::repeat_n(reply, 10));
        let app = start_with(&model).await;
        let (path, session_id) = app.session().await;
        app.say(&path, "Hello").await;
        let frames = app.sse(&path, None).await.until("session.failed").await;
        let failed = &frames.last().unwrap().data;
        assert_eq!(failed["code"], code, "{failed}");
        assert!(failed["error"].as_str().unwrap().contains(hint), "{failed}");
        let turn = turns_of(&app, &session_id).await[0].take();
        assert_eq!(
            (&turn["error"]["code"], &turn["error"]["message"]),
            (&json!(code.to_uppercase()), &failed["error"])
        );
        assert_secretive(&model, &format!("{frames:?} {turn}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_lists_no_model_fails_the_turn_until_it_does() {
    let listed = Reply::json(200, r#"{"data":[{"id":"small-model"}]}"#);
    let lists = std::iter::repeat_n(Reply::json(500, "{}").again(), 50);
    let broken = Server::start(lists);
    let app = TestApp::start_with(|config| config.models.openai_base_url = Some(broken.root.clone())).await;
    let (path, _) = app.session().await;
    app.say(&path, "Hello").await;
    let frames = app.sse(&path, None).await.until("session.failed").await;
    assert_eq!(frames.last().unwrap().data["code"], "model_unavailable");
    assert_secretive(&broken, &format!("{frames:?}"));
    let working = Server::start([listed, whole("Hi.")]);
    let app = TestApp::start_with(|config| config.models.openai_base_url = Some(working.root.clone())).await;
    let (path, session_id) = app.session().await;
    app.say(&path, "Hello").await;
    app.sse(&path, None).await.until("session.completed").await;
    assert_eq!(turns_of(&app, &session_id).await[0]["steps"][0]["model"], "small-model");
}

fn assert_secretive(model: &Server, shown: &str) {
    let address = model.root.trim_start_matches("http://").trim_end_matches("/v1");
    for secret in [CANARY, "canary", address] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
