//! What a model is given: the conversation, turn by turn.

use serde_json::{Value, json};

use super::*;

/// Role and text of every message of a request, parts joined by a bar.
fn request_texts(body: &Value) -> Vec<(String, String)> {
    let said = |content: &Value| match content {
        Value::Array(parts) => each(parts, "text").join("|"),
        content => text(content),
    };
    let messages = body["messages"].as_array().unwrap();
    messages.iter().map(|message| (text(&message["role"]), said(&message["content"]))).collect()
}

fn system() -> (String, String) {
    ("system".into(), "Be brief.".into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_given_the_conversation_turn_by_turn() {
    let mut model = Server::start(["First.", "Second.", "Third."].map(whole));
    let app = start_with(&model).await;
    let (path, _) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    for question in ["one", "two", "three"] {
        app.say(&path, question).await;
        stream.until("session.completed").await;
    }
    assert_eq!(request_texts(&model.request().await.body), [system(), user("one")]);
    assert_eq!(request_texts(&model.request().await.body), [system(), user("one"), assistant("First."), user("two")]);
    let all = [system(), user("one"), assistant("First."), user("two"), assistant("Second."), user("three")];
    assert_eq!(request_texts(&model.request().await.body), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_turn_gives_its_users_words_only() {
    let mut model = Server::start([Reply::events(piece("half")), whole("Fine."), whole("Good.")]);
    let app = start_with(&model).await;
    let (path, _) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    for (question, end) in [("one", "session.failed"), ("two", "session.completed"), ("three", "session.completed")] {
        app.say(&path, question).await;
        stream.until(end).await;
    }
    assert_eq!(request_texts(&model.request().await.body), [system(), user("one")]);
    assert_eq!(request_texts(&model.request().await.body), [system(), user("one\n\ntwo")]);
    let joined = [system(), user("one\n\ntwo"), assistant("Fine."), user("three")];
    assert_eq!(request_texts(&model.request().await.body), joined);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_message_is_no_part_of_the_turns_before_it() {
    let (reply, gate) = Reply::events(piece("Fir")).gated([piece("st.") + &finish("stop")]);
    let mut model = Server::start([reply, whole("Second.")]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "one").await;
    stream.until("message.delta").await;
    app.say(&path, "two").await;
    gate.open();
    stream.until("session.completed").await;
    stream.until("session.completed").await;
    assert_eq!(request_texts(&model.request().await.body), [system(), user("one")]);
    // Stored before the first answer, told after it.
    assert_eq!(request_texts(&model.request().await.body), [system(), user("one"), assistant("First."), user("two")]);
    let stored = [user("one"), user("two"), assistant("First."), assistant("Second.")];
    assert_eq!(conversation(&app, &path, &session_id).await, stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_turn_gives_what_it_said_and_a_withdrawn_message_nothing() {
    let mut model = Server::start([Reply::events(piece("partial")).held(), whole("Fine.")]);
    let app = start_with(&model).await;
    let (path, _) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "one").await;
    stream.until("message.delta").await;
    app.say(&path, "withdrawn").await;
    assert_eq!(app.post(&format!("{path}/cancel"), json!({})).await.status, 200);
    stream.until("session.completed").await;
    app.say(&path, "two").await;
    stream.until("session.completed").await;
    assert_eq!(request_texts(&model.request().await.body), [system(), user("one")]);
    let kept = [system(), user("one"), assistant("partial"), user("two")];
    assert_eq!(request_texts(&model.request().await.body), kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_goes_to_the_model_and_comes_back() {
    let mut model = Server::start([whole("A dot.")]);
    let app = start_with(&model).await;
    let (path, _) = app.session().await;
    let parts = json!([{ "type": "text", "text": "What is it?" }, { "type": "image", "media_type": "image/png", "data": "aGk=" }]);
    let sent = app.post(&format!("{path}/messages"), json!({ "role": "user", "content": parts })).await;
    assert_eq!((sent.status, &sent.body["content"]), (201, &json!({ "text": "What is it?", "parts": parts })));
    app.sse(&path, None).await.until("session.completed").await;
    let content = model.request().await.body["messages"][1]["content"].take();
    assert_eq!(content[1]["image_url"]["url"], "data:image/png;base64,aGk=");
}
