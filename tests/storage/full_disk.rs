//! A disk without room: a real one of a few MiB, in a namespace of the server's own, which the test fills and empties.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{assert_refused, assert_unavailable, message};
use crate::app::{Frame, text_of};
use crate::chaos::processes::Program;

/// Makes the folder `$1` a disk of its own and becomes the program `$2`.
const ON_A_SMALL_DISK: &str = "mount -t tmpfs -o size=8m tmpfs \"$1\" && exec \"$2\"";

/// Bytes of a text that takes room.
const LARGE: usize = 200 * 1024;

/// A server on a small disk, at this folder; none where this machine lets nobody mount one, which is said.
fn start(folder: &Path) -> Option<Program> {
    // As root it needs no users of its own, which some machines refuse.
    let ways: [&[&str]; 2] = [&["--mount"], &["--map-root-user", "--mount"]];
    let command = |way: &[&str], program: &str| {
        let mut command = Command::new("unshare");
        command.args(way).args(["sh", "-c", ON_A_SMALL_DISK, "sh"]).arg(folder).arg(program);
        command
    };
    let works = |way: &&&[&str]| command(way, "/bin/true").output().is_ok_and(|output| output.status.success());
    let Some(way) = ways.iter().find(works) else {
        // Past what the test runner keeps to itself.
        let _ = writeln!(std::io::stderr(), "NOT TRIED: a full disk, for nobody may mount one here (unshare --mount)");
        return None;
    };
    let database_url = format!("sqlite://{}", folder.join("everruns.db").display());
    Some(Program::run(command(way, env!("CARGO_BIN_EXE_everruns")), &database_url, &[]))
}

/// Takes all the room that is left.
fn fill(disk: &Path) {
    let mut file = File::create(disk.join("filler")).unwrap();
    for piece in [64 * 1024, 4 * 1024, 1] {
        while file.write_all(&vec![0; piece]).is_ok() {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_keeps_reads_and_loses_nothing() {
    if std::env::var_os("TEST_DATABASE_URL").is_some() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = start(folder.path()) else { return };
    let (caller, disk) = (&program.caller, program.path(folder.path()));
    let (path, session_id) = caller.session().await;
    let mut stream = caller.sse(&path, None).await;
    caller.say(&path, "/sim echo before").await;
    stream.until("session.completed").await;
    // A turn that ends while there is no room.
    let (slow_path, _) = caller.session().await;
    let mut slow = caller.sse(&slow_path, None).await;
    caller.say(&slow_path, "/sim words=60 delay_ms=20").await;
    slow.until("message.delta").await;

    fill(&disk);
    // The log of what is written may have had room left.
    let (archive, archive_id) = (format!("{path}/messages"), session_id);
    let mut accepted = 1;
    let refused = loop {
        let answer = caller.post(&archive, message(&"x".repeat(LARGE))).await;
        if answer.status != 201 {
            break answer;
        }
        accepted += 1;
    };
    assert_unavailable(&refused);
    let large = "y".repeat(LARGE);
    let send = "mutation($id: ID!, $text: String!) { sendMessage(input: { sessionId: $id, content: { text: $text } }) { message { id } } }";
    assert_refused(caller, send, json!({ "id": archive_id, "text": large })).await;
    assert_unavailable(&caller.post("/v1/agents", json!({ "name": "A", "system_prompt": large })).await);
    for path in ["/v1/agents", &path, &archive, &slow_path, "/ready", "/health"] {
        assert_eq!(caller.get(path).await.status, 200, "{path}");
    }
    assert_eq!(users(&caller.get(&archive).await.body).len(), accepted);

    std::fs::remove_file(disk.join("filler")).unwrap();
    let sent = caller.post(&archive, message("/sim echo after")).await;
    assert_eq!(sent.status, 201, "{}", sent.body);
    // Streams stayed open, and nothing that was accepted is lost.
    let mut seen: Vec<Frame> = Vec::new();
    for _ in 0..accepted {
        seen = stream.until("session.completed").await;
    }
    assert_eq!(text_of(&seen), "after");
    assert_eq!(users(&caller.get(&archive).await.body).len(), accepted + 1);
    slow.until("session.completed").await;
    let answer = caller.get(&format!("{slow_path}/messages")).await.body["data"][1]["content"]["text"].clone();
    assert_eq!(answer.as_str().unwrap().split_whitespace().count(), 60, "{answer}");
}

/// What users said, of a page of messages.
fn users(page: &serde_json::Value) -> Vec<&str> {
    let messages = page["data"].as_array().unwrap().iter();
    messages
        .filter(|message| message["role"] == "user")
        .filter_map(|message| message["content"]["text"].as_str())
        .collect()
}
