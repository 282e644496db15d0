//! Messages: sent in all their forms, and read back.

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::shapes::{as_rest, id, keys, time};

const SEND: &str = "mutation($input: SendMessageInput!) { sendMessage(input: $input) {
    message { id sessionId sequence role content { text } createdAt }
    turn { status message { content { text } } }
    eventCursor
} }";
const READ: &str = "query($id: ID!) { session(id: $id) { messages { nodes {
    id sessionId sequence role createdAt stepId withdrawnAt
    content { text parts { ...Part } richParts { ...Part } }
    session { id } turn { id message { id } } turnId step { id text }
} } } }
fragment Part on ContentPart { __typename ... on TextPart { text } ... on ImagePart { mediaType data } }";

/// One pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// Sends this content over REST; gives back the answer's body.
async fn send(app: &TestApp, session: &str, content: Value) -> Value {
    let sent = app.post(&format!("{session}/messages"), json!({ "role": "user", "content": content })).await;
    assert_eq!(sent.status, 201, "{}", sent.body);
    sent.body
}

/// The session's messages as REST lists them.
async fn list(app: &TestApp, session: &str) -> Vec<Value> {
    let mut listed = app.get(&format!("{session}/messages")).await;
    assert_eq!((listed.status, keys(&listed.body)), (200, vec!["data"]));
    serde_json::from_value(listed.body["data"].take()).unwrap()
}

/// The session's messages as GraphQL lists them.
async fn nodes(app: &TestApp, session_id: &str) -> Vec<Value> {
    let mut asked = app.ask(READ, json!({ "id": session_id })).await;
    serde_json::from_value(asked["session"]["messages"]["nodes"].take()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_and_its_answer_are_read_the_same_by_both_faces() {
    let app = TestApp::start().await;
    let (session, session_id) = app.session().await;
    let sent = send(&app, &session, json!({ "text": "/sim echo How do I\nreset my password? 🥞" })).await;
    assert_eq!(keys(&sent), ["id", "session_id", "sequence", "role", "content", "created_at"]);
    assert_eq!((id(&sent["id"]).len(), &sent["session_id"]), (36, &json!(session_id)));
    assert_eq!((&sent["sequence"], &sent["role"]), (&json!(1), &json!("user")));
    assert_eq!(sent["content"], json!({ "text": "/sim echo How do I\nreset my password? 🥞" }));
    app.sse(&session, None).await.until("session.completed").await;
    let messages = list(&app, &session).await;
    assert_eq!(messages[0], sent);
    let answer = &messages[1];
    assert_eq!(keys(answer), ["id", "session_id", "sequence", "role", "content", "created_at"]);
    assert_eq!((&answer["sequence"], &answer["role"]), (&json!(2), &json!("assistant")));
    assert_eq!(answer["content"], json!({ "text": "How do I\nreset my password? 🥞" }));
    assert!(time(&answer["created_at"]) >= time(&sent["created_at"]));
    for (node, message) in nodes(&app, &session_id).await.iter().zip(&messages) {
        for field in ["id", "session_id", "sequence", "role", "created_at"] {
            assert_eq!(as_rest(node)[field], message[field]);
        }
        assert_eq!(node["content"]["text"], message["content"]["text"]);
        assert_eq!(node["content"]["parts"], json!([{ "__typename": "TextPart", "text": message["content"]["text"] }]));
        assert_eq!((&node["content"]["richParts"], &node["withdrawnAt"]), (&Value::Null, &Value::Null));
        assert_eq!((&node["session"]["id"], &node["turn"]["id"]), (&json!(session_id), &node["turnId"]));
        assert_eq!(node["turn"]["message"]["id"], sent["id"]);
    }
    let steps = nodes(&app, &session_id).await.into_iter().map(|node| node["step"].clone()).collect::<Vec<_>>();
    assert_eq!((&steps[0], &steps[1]["text"]), (&Value::Null, &answer["content"]["text"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_graphql_sends_is_the_one_that_rest_shows() {
    let app = TestApp::start().await;
    let (session, session_id) = app.session().await;
    let input =
        json!({ "sessionId": session_id, "agentId": session.split('/').nth(3), "content": [{ "text": "hello" }] });
    let sent = app.ask(SEND, json!({ "input": input })).await["sendMessage"].take();
    assert_eq!(sent["turn"], json!({ "status": "QUEUED", "message": { "content": { "text": "hello" } } }));
    assert_eq!(sent["eventCursor"], "0.0");
    assert_eq!(list(&app, &session).await[0], as_rest(&sent["message"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_printed_alone_in_whatever_form_it_came() {
    let app = TestApp::start().await;
    let (session, session_id) = app.session().await;
    let forms = [
        (json!({ "text": "hello" }), "hello"),
        (json!("hello"), "hello"),
        (json!([{ "type": "text", "text": "hello" }]), "hello"),
        (json!([{ "type": "text", "text": "one" }, { "type": "text", "text": "two" }]), "one\ntwo"),
        (json!("  kept as it is\t\n"), "  kept as it is\t\n"),
    ];
    for (form, text) in forms {
        let sent = send(&app, &session, form.clone()).await;
        assert_eq!(sent["content"], json!({ "text": text }), "{form}");
        assert!(list(&app, &session).await.contains(&sent));
        let stored = nodes(&app, &session_id).await.into_iter().find(|node| node["id"] == sent["id"]).unwrap();
        assert_eq!(stored["content"]["text"], text);
        assert_eq!(stored["content"]["parts"], json!([{ "__typename": "TextPart", "text": text }]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_stand_beside_the_text_where_there_is_more() {
    let app = TestApp::start().await;
    let (session, session_id) = app.session().await;
    let image = json!({ "type": "image", "media_type": "image/png", "data": PNG });
    let text = |text: &str| json!({ "type": "text", "text": text });
    for (parts, joined) in [
        (json!([text("What is"), image, text("this?")]), "What is\nthis?"),
        (json!([image]), ""),
        (json!([image, image]), ""),
    ] {
        let sent = send(&app, &session, parts.clone()).await;
        assert_eq!(keys(&sent["content"]), ["text", "parts"]);
        assert_eq!(sent["content"], json!({ "text": joined, "parts": parts }));
        assert!(list(&app, &session).await.contains(&sent));
        let stored = nodes(&app, &session_id).await.into_iter().find(|node| node["id"] == sent["id"]).unwrap();
        assert_eq!(stored["content"]["parts"], stored["content"]["richParts"]);
        let pictures = stored["content"]["parts"].as_array().unwrap().iter().filter(|part| part["data"] == PNG);
        assert_eq!(pictures.count(), parts.as_array().unwrap().iter().filter(|part| part["type"] == "image").count());
    }
    let input = json!({ "sessionId": session_id, "content": [
        { "text": "one" }, { "image": { "mediaType": "image/webp", "data": "AAAA" } }, { "text": "two" },
    ] });
    let sent = app.ask(SEND, json!({ "input": input })).await["sendMessage"]["message"].take();
    let listed = list(&app, &session).await.into_iter().find(|message| message["id"] == sent["id"]).unwrap();
    let picture = json!({ "type": "image", "media_type": "image/webp", "data": "AAAA" });
    assert_eq!(listed["content"], json!({ "text": "one\ntwo", "parts": [text("one"), picture, text("two")] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reaches_a_limit_is_stored_whole() {
    let app = TestApp::start().await;
    let (session, _) = app.session().await;
    // Nothing answers meanwhile, so that what is sent here waits and no model reads it.
    app.say(&session, "/sim fail=stall").await;
    let image = |data: String| json!([{ "type": "image", "media_type": "image/gif", "data": data }]);
    let five_mib = "A".repeat(5 * 1024 * 1024 / 3 * 4) + "AAA=";
    for content in [
        json!({ "text": "é".repeat(512 * 1024) }),
        image(five_mib),
        json!(vec![json!({ "type": "text", "text": "x" }); 100]),
        image("AA==".into()),
        image("AAA=".into()),
    ] {
        let sent = send(&app, &session, content).await;
        let newest = list(&app, &session).await.pop().unwrap();
        assert!(newest == sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sequences_are_dense_whoever_sends_at_once_and_the_newest_500_are_listed() {
    let app = TestApp::start().await;
    let (session, session_id) = app.session().await;
    assert_eq!(list(&app, &session).await, Vec::<Value>::new());
    // The first turn does not end, so no answer comes between.
    let first = app.say(&session, "/sim fail=stall").await;
    let sent = stream::iter(2..=505).map(|number| send(&app, &session, json!(format!("{number}"))));
    let mut sent: Vec<Value> = sent.buffer_unordered(32).collect().await;
    sent.push(first);
    sent.sort_by_key(|message| message["sequence"].as_i64());
    assert!(sent.iter().map(|message| message["sequence"].as_i64().unwrap()).eq(1..=505));
    let newest = list(&app, &session).await;
    assert_eq!(newest, sent[5..]);
    let query = "query($id: ID!) { session(id: $id) { messages(last: 500) { totalCount nodes { id } } } }";
    let graphql = app.ask(query, json!({ "id": session_id })).await["session"]["messages"].take();
    assert_eq!(graphql["totalCount"], 505);
    assert!(
        newest.iter().map(|message| &message["id"]).eq(graphql["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| &node["id"]))
    );
    for (parameters, expected, more) in [
        ("limit=2", &sent[..2], true),
        ("limit=500", &sent[..500], true),
        ("after=0", &sent[..100], true),
        ("after=504", &sent[504..], false),
        ("limit=5&after=500", &sent[500..], false),
        ("after=505", &[], false),
    ] {
        let page = app.get(&format!("{session}/messages?{parameters}")).await.body;
        assert_eq!(page["data"].as_array().unwrap(), expected, "{parameters}");
        assert_eq!(page.get("next").is_some(), more, "{parameters}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_message_is_listed_and_says_so() {
    let app = TestApp::start().await;
    let (session, session_id) = app.session().await;
    app.say(&session, "/sim fail=stall after=1").await;
    let waiting = app.say(&session, "never mind").await;
    app.sse(&session, None).await.until("message.delta").await;
    assert_eq!(app.post(&format!("{session}/cancel"), json!({})).await.status, 200);
    assert_eq!(list(&app, &session).await[1], waiting);
    let nodes = nodes(&app, &session_id).await;
    let withdrawn: Vec<bool> = nodes.iter().map(|node| !node["withdrawnAt"].is_null()).collect();
    assert_eq!(withdrawn, [false, true, false]);
    assert!(time(&nodes[1]["withdrawnAt"]) >= time(&waiting["created_at"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_answer_shows_of_a_message_may_be_sent() {
    let app = TestApp::start().await;
    let (path, _) = app.session().await;
    let parts =
        json!([{ "type": "text", "text": "Look:" }, { "type": "image", "media_type": "image/png", "data": "AAAA" }]);
    let send = async |content: &Value| {
        let body = json!({ "role": "user", "content": content });
        let sent = app.post(&format!("{path}/messages"), body).await;
        assert_eq!(sent.status, 201, "{}", sent.body);
        sent.body["content"].clone()
    };
    let shown = send(&parts).await;
    assert_eq!(shown, json!({ "text": "Look:", "parts": parts }));
    assert_eq!(send(&shown).await, shown);
}
