//! A session's files in the hands of a model.

use serde_json::json;

use super::Toolbox;
use crate::app::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn a_model_writes_reads_and_edits_what_people_see() {
    let app = TestApp::start().await;
    let files = Toolbox::of(&app, "session_file_system").await;
    let text = "one\ntwo\nthree é\n";
    let written = files.call("write_file", json!({ "path": "/notes/a.md", "content": text })).await.unwrap();
    assert_eq!(written, json!({ "path": "notes/a.md", "size_bytes": text.len() }));
    let shown = app.get(&format!("{}/files/notes/a.md", files.path)).await.body;
    assert_eq!(shown["content"], text);

    let lines = files.call("read_file", json!({ "path": "notes/a.md", "offset": 2, "limit": 1 })).await.unwrap();
    let expected = json!({ "path": "notes/a.md", "first_line": 2, "lines": 1, "total_lines": 3, "content": "two\n" });
    assert_eq!(lines, expected);
    let edit = |old: &str, new: &str, all: bool| json!({ "path": "notes/a.md", "old_text": old, "new_text": new, "replace_all": all });
    let edited = files.call("edit_file", edit("two", "2", false)).await.unwrap();
    assert_eq!(edited["replaced"], 1);
    assert!(files.call("edit_file", edit("two", "2", false)).await.unwrap_err().contains("does not stand"));
    assert!(files.call("edit_file", edit("e", "E", false)).await.unwrap_err().contains("3 times"));
    assert_eq!(files.call("edit_file", edit("e", "E", true)).await.unwrap()["replaced"], 3);
    let large = edit("\n", &"x".repeat(400 * 1024), true);
    assert!(files.call("edit_file", large).await.unwrap_err().contains("at most 1048576 bytes"));
    let whole = files.call("read_file", json!({ "path": "notes/a.md" })).await.unwrap();
    assert_eq!(whole["content"], "onE\n2\nthrEE é\n");
    let stat = files.call("stat_file", json!({ "path": "notes/a.md" })).await.unwrap();
    let shown = app.get(&format!("{}/files/notes/a.md", files.path)).await.body;
    assert_eq!((&stat["updated_at"], &stat["size_bytes"]), (&shown["updated_at"], &shown["size_bytes"]));

    assert_eq!(files.call("delete_file", json!({ "path": "notes/a.md" })).await.unwrap()["deleted"], "notes/a.md");
    for tool in ["read_file", "delete_file", "stat_file"] {
        assert_eq!(files.call(tool, json!({ "path": "notes/a.md" })).await.unwrap_err(), "file not found");
        assert!(files.call(tool, json!({ "path": "../a" })).await.unwrap_err().contains("`..`"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_lists_folders_and_finds_lines() {
    let app = TestApp::start().await;
    let files = Toolbox::of(&app, "session_file_system").await;
    for (path, content) in [("a.txt", "Needle\nhay"), ("src/b.rs", "hay\nneedle two"), ("src/deep/c.rs", "hay")] {
        app.put(&format!("{}/files/{path}", files.path), json!({ "content": content })).await;
    }
    app.put(&format!("{}/files/picture", files.path), json!({ "content": "/wA=", "encoding": "base64" })).await;
    let all = files.call("list_directory", json!({})).await.unwrap();
    let entry = |name: &str, size: usize| json!({ "name": name, "size_bytes": size });
    assert_eq!(all["folders"], json!([{ "name": "src", "files": 2 }]));
    assert_eq!(all["files"], json!([entry("a.txt", 10), entry("picture", 2)]));
    let folder = files.call("list_directory", json!({ "path": "/src/" })).await.unwrap();
    assert_eq!(
        (&folder["folders"], &folder["files"]),
        (&json!([{ "name": "deep", "files": 1 }]), &json!([entry("b.rs", 14)]))
    );
    assert!(files.call("list_directory", json!({ "path": "nowhere" })).await.is_err());

    let found = files.call("grep_files", json!({ "text": "needle" })).await.unwrap();
    let two = json!({ "path": "src/b.rs", "line": 2, "text": "needle two" });
    assert_eq!(found, json!({ "matches": [two] }));
    let found = files.call("grep_files", json!({ "text": "NEEDLE", "ignore_case": true })).await.unwrap();
    assert_eq!(found["matches"], json!([{ "path": "a.txt", "line": 1, "text": "Needle" }, two]));
    let found = files.call("grep_files", json!({ "text": "hay", "path": "src/deep" })).await.unwrap();
    assert_eq!(found["matches"][0]["path"], "src/deep/c.rs");
    assert!(files.call("read_file", json!({ "path": "picture" })).await.unwrap_err().contains("no text"));
}
