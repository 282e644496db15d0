//! Sessions that are deleted while they are busy, and agents that were archived.

use serde_json::json;

use super::*;
use crate::streams::watcher::Watcher;

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_busy_session_ends_its_streams_and_leaves_its_model() {
    let mut model = Server::start([Reply::events(piece("partial")).held()]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let (mut stream, mut watcher) = (app.sse(&path, None).await, Watcher::open(&app, &session_id, None).await);
    app.say(&path, "one").await;
    stream.until("message.delta").await;
    watcher.until("message.delta").await;
    assert_eq!(app.delete(&path).await.status, 204);
    assert_eq!(stream.next().await, None);
    assert_eq!(watcher.next().await, None);
    model.client_gone().await;
    for path in [path.clone(), format!("{path}/messages"), format!("{path}/events")] {
        let gone = app.get(&path).await;
        assert_eq!((gone.status, &gone.body["code"]), (404, &json!("NOT_FOUND")), "{path}");
    }
    let said = json!({ "role": "user", "content": { "text": "Anybody?" } });
    assert_eq!(app.post(&format!("{path}/messages"), said).await.status, 404);
    assert_eq!(app.post(&format!("{path}/cancel"), json!({})).await.status, 404);
    assert_eq!(app.delete(&path).await.status, 404);
    let asked = "query($id: ID!) { session(id: $id) { id } node(id: $id) { id } }";
    assert_eq!(app.ask(asked, json!({ "id": session_id })).await, json!({ "session": null, "node": null }));
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_session_takes_everything_in_it() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    app.say(&path, "Hello").await;
    app.sse(&path, None).await.until("session.completed").await;
    let turn = turns_of(&app, &session_id).await[0].take();
    let message_id = messages_of(&app, &path, &session_id).await[0]["id"].take();
    let ids = json!({ "ids": [session_id, turn["id"], turn["steps"][0]["id"], message_id] });
    let nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename } }";
    let before = app.ask(nodes, ids.clone()).await;
    assert_eq!(each(before["nodes"].as_array().unwrap(), "__typename"), ["Session", "Turn", "Step", "Message"]);
    assert_eq!(app.delete(&path).await.status, 204);
    assert_eq!(app.ask(nodes, ids).await, json!({ "nodes": [null, null, null, null] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_agent_takes_no_message_until_it_is_back() {
    let app = TestApp::start().await;
    let (path, session_id) = app.session().await;
    let (agent, _) = path.rsplit_once("/sessions/").unwrap();
    assert_eq!(app.delete(agent).await.status, 204);
    let said = json!({ "role": "user", "content": { "text": "/sim echo Hello" } });
    let refused = app.post(&format!("{path}/messages"), said).await;
    assert_eq!((refused.status, &refused.body["code"]), (409, &json!("CONFLICT")));
    let send = "mutation($input: SendMessageInput!) { sendMessage(input: $input) { turn { id } } }";
    let input = json!({ "sessionId": session_id, "content": [{ "text": "Hello" }] });
    assert_eq!(app.refused(send, json!({ "input": input })).await["extensions"]["code"], "CONFLICT");
    assert!(messages_of(&app, &path, &session_id).await.is_empty());
    assert_eq!(app.patch(agent, json!({ "status": "active" })).await.status, 200);
    app.say(&path, "/sim echo Hello").await;
    app.sse(&path, None).await.until("session.completed").await;
    assert_eq!(conversation(&app, &path, &session_id).await[1], assistant("Hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_archived_during_a_turn_finishes_it() {
    let (reply, gate) = Reply::events(piece("Fir")).gated([piece("st.") + &finish("stop")]);
    let model = Server::start([reply]);
    let app = start_with(&model).await;
    let (path, session_id) = app.session().await;
    let mut stream = app.sse(&path, None).await;
    app.say(&path, "one").await;
    stream.until("message.delta").await;
    assert_eq!(app.delete(path.rsplit_once("/sessions/").unwrap().0).await.status, 204);
    gate.open();
    stream.until("session.completed").await;
    assert_eq!(conversation(&app, &path, &session_id).await[1], assistant("First."));
}
