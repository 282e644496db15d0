//! The files of a session, on both faces.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::shapes::as_rest;

const WRITE: &str = "mutation($input: WriteSessionFileInput!) { writeSessionFile(input: $input) { file { path } } }";
const DELETE: &str =
    "mutation($input: DeleteSessionFileInput!) { deleteSessionFile(input: $input) { deletedPath session { id } } }";
const FILE: &str = "query($id: ID!, $path: String!) { session(id: $id) {
    file(path: $path) { path content encoding sizeBytes createdAt updatedAt session { id } sessionId }
} }";
const FILES: &str =
    "query($id: ID!, $first: Int, $after: String) { session(id: $id) { files(first: $first, after: $after) {
    totalCount nodes { path encoding sizeBytes createdAt updatedAt content } pageInfo { hasNextPage endCursor }
} } }";

/// The file, which both faces must show alike.
async fn file_of(app: &TestApp, session: &str, session_id: &str, path: &str) -> Value {
    let shown = app.get(&format!("{session}/files/{path}")).await;
    assert_eq!(shown.status, 200, "{}", shown.body);
    let mut asked = app.ask(FILE, json!({ "id": session_id, "path": path })).await;
    let mut asked = asked["session"]["file"].take();
    assert_eq!((&asked["sessionId"], &asked["session"]["id"]), (&json!(session_id), &json!(session_id)));
    asked.as_object_mut().unwrap().retain(|name, _| !name.starts_with("session"));
    asked["encoding"] = asked["encoding"].as_str().unwrap().to_lowercase().into();
    assert_eq!(shown.body, as_rest(&asked));
    shown.body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_written_read_replaced_and_deleted() {
    let app = TestApp::start().await;
    let (session, id) = app.session().await;
    let written = app.put(&format!("{session}/files/notes/plan.md"), json!({ "content": "# Plan é\n" })).await;
    assert_eq!(written.status, 200, "{}", written.body);
    let file = file_of(&app, &session, &id, "notes/plan.md").await;
    assert_eq!(written.body, file);
    assert_eq!((&file["content"], &file["encoding"]), (&json!("# Plan é\n"), &json!("text")));
    assert_eq!((&file["path"], &file["size_bytes"]), (&json!("notes/plan.md"), &json!(10)));

    let input = json!({ "sessionId": id, "path": "/notes/plan.md", "content": "AP8=", "encoding": "BASE64" });
    let replaced = app.ask(WRITE, json!({ "input": input })).await;
    assert_eq!(replaced["writeSessionFile"]["file"]["path"], "notes/plan.md");
    let replaced = file_of(&app, &session, &id, "notes/plan.md").await;
    assert_eq!((&replaced["content"], &replaced["encoding"]), (&json!("AP8="), &json!("base64")));
    assert_eq!((&replaced["size_bytes"], &replaced["created_at"]), (&json!(2), &file["created_at"]));
    assert_ne!(replaced["updated_at"], file["updated_at"]);

    let gone = app.delete(&format!("{session}/files/notes/plan.md")).await;
    assert_eq!(gone.status, 204);
    let again = app.delete(&format!("{session}/files/notes/plan.md")).await;
    assert_eq!((again.status, &again.body["error"]), (404, &json!("file not found")));
    assert_eq!(app.get(&format!("{session}/files/notes/plan.md")).await.status, 404);
    let asked = app.ask(FILE, json!({ "id": id, "path": "notes/plan.md" })).await;
    assert_eq!(asked["session"]["file"], Value::Null);
    let refused = app.refused(DELETE, json!({ "input": { "sessionId": id, "path": "notes/plan.md" } })).await;
    assert_eq!(refused["extensions"]["code"], "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_listed_by_their_paths() {
    let app = TestApp::start().await;
    let (session, id) = app.session().await;
    for path in ["c.txt", "a/b.txt", "b.txt"] {
        app.put(&format!("{session}/files/{path}"), json!({ "content": path, "path": path })).await;
    }
    let shown = app.get(&format!("{session}/files")).await.body;
    let mut asked = app.ask(FILES, json!({ "id": id })).await;
    let mut nodes = asked["session"]["files"]["nodes"].take();
    for node in nodes.as_array_mut().unwrap() {
        assert_eq!(node["content"], node["path"]);
        node.as_object_mut().unwrap().remove("content");
        node["encoding"] = "text".into();
    }
    assert_eq!(shown, json!({ "data": as_rest(&nodes) }));
    assert_eq!(asked["session"]["files"]["totalCount"], 3);
    let paths = |body: &Value| -> Vec<String> {
        body["data"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(paths(&shown), ["a/b.txt", "b.txt", "c.txt"]);
    let first = app.get(&format!("{session}/files?limit=2")).await.body;
    assert_eq!(paths(&first), ["a/b.txt", "b.txt"]);
    let next = first["next"].as_str().unwrap().replace('/', "%2F");
    let rest = app.get(&format!("{session}/files?after={next}")).await.body;
    assert_eq!((paths(&rest), rest.get("next")), (vec!["c.txt".to_owned()], None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_another_agent_shows_no_file() {
    let app = TestApp::start().await;
    let (session, id) = app.session().await;
    let (other, _) = app.session().await;
    app.put(&format!("{session}/files/a"), json!({ "content": "x" })).await;
    let (agent, _) = other.split_once("/sessions").unwrap();
    let foreign = format!("{agent}/sessions/{id}/files");
    assert_eq!(app.get(&foreign).await.status, 404);
    assert_eq!(app.get(&format!("{foreign}/a")).await.status, 404);
    assert_eq!(app.put(&format!("{foreign}/a"), json!({ "content": "y" })).await.status, 404);
    assert_eq!(app.delete(&format!("{foreign}/a")).await.status, 404);
    assert_eq!(file_of(&app, &session, &id, "a").await["content"], "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_holds_32_mib_of_files() {
    let app = TestApp::start().await;
    let (session, id) = app.session().await;
    let megabyte = "x".repeat(1024 * 1024);
    for number in 0..32 {
        let written = app.put(&format!("{session}/files/{number}"), json!({ "content": megabyte })).await;
        assert_eq!(written.status, 200, "{}", written.body);
    }
    let full = app.put(&format!("{session}/files/more"), json!({ "content": "x" })).await;
    assert_eq!((full.status, &full.body["field"]), (400, &json!("content")), "{}", full.body);
    // What is replaced does not count.
    assert_eq!(app.put(&format!("{session}/files/7"), json!({ "content": megabyte })).await.status, 200);
    assert_eq!(app.put(&format!("{session}/files/7"), json!({ "content": "" })).await.status, 200);
    assert_eq!(app.put(&format!("{session}/files/more"), json!({ "content": "x" })).await.status, 200);
    // They go with their session.
    assert_eq!(app.delete(&session).await.status, 204);
    assert_eq!(app.ask(FILE, json!({ "id": id, "path": "1" })).await["session"], Value::Null);
}
