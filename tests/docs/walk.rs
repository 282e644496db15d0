//! A document's commands, run in its order by one shell, and what they print, compared with what the document says.

use everruns::config::AuthMode;
use serde_json::Value;
use tokio::process::Command;

use super::markdown::{Block, blocks};
use crate::app::{PATIENCE, TestApp};

/// Written between two commands' outputs: a character that no answer holds.
const MARK: char = '\u{1e}';

/// A command of the document and what it prints, in one mode.
struct Step {
    command: Block,
    printed: Option<Block>,
}

/// Runs the document's `bash` blocks against the server and compares what follows them; gives back how many ran.
pub async fn walk(document: &str, mode: AuthMode, app: &TestApp) -> usize {
    let steps = steps(document, mode);
    let (outputs, failure) = run(&steps, app).await;
    for (step, output) in steps.iter().zip(outputs) {
        let Some(printed) = &step.printed else { continue };
        let place = format!("line {}, mode {mode:?}", printed.line);
        if let Some(difference) = differs(printed, &output) {
            panic!("{place}: {difference}\nthe document says:\n{}\nprinted was:\n{output}", printed.text);
        }
    }
    if let Some(failure) = failure {
        panic!("mode {mode:?}: {failure}");
    }
    steps.len()
}

fn steps(document: &str, mode: AuthMode) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut follows = false;
    for block in blocks(document) {
        match block.language.as_str() {
            "bash" => {
                follows = is_of_mode(&block, mode);
                if follows {
                    steps.push(Step { command: block, printed: None });
                }
            }
            "json" | "text" if is_of_mode(&block, mode) => {
                assert!(follows, "line {}: what is printed follows its command, in the same modes", block.line);
                let step = steps.last_mut().expect("a command comes first");
                assert!(step.printed.is_none(), "line {}: a command prints one thing", block.line);
                step.printed = Some(block);
            }
            _ => {}
        }
    }
    steps
}

/// `<!-- modes: admin full -->` above a block: only there. Without it: in all.
fn is_of_mode(block: &Block, mode: AuthMode) -> bool {
    let Some((_, modes)) = block.note.split_once("modes:") else { return true };
    let modes = modes.split(';').next().unwrap_or_default();
    modes.split_whitespace().any(|name| name.eq_ignore_ascii_case(&format!("{mode:?}")))
}

/// What each of them printed, and why the shell ended before the last, if it did.
async fn run(steps: &[Step], app: &TestApp) -> (Vec<String>, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("tutorial.sh");
    let commands = steps.iter().map(|step| format!("{}printf '{MARK}'\n", step.command.text));
    std::fs::write(&script, commands.collect::<String>()).unwrap();
    let shell = Command::new("bash")
        .args(["-euo", "pipefail"])
        .arg(script)
        .current_dir(folder.path())
        .env("BASE_URL", app.url(""))
        .env("NO_PROXY", "*")
        .kill_on_drop(true)
        .output();
    let done = tokio::time::timeout(3 * PATIENCE, shell).await.expect("the shell ends").expect("bash runs");
    let printed = String::from_utf8(done.stdout).expect("UTF-8");
    let mut outputs: Vec<String> = printed.split(MARK).map(str::to_owned).collect();
    let rest = outputs.pop().unwrap_or_default();
    let failure = steps.get(outputs.len()).map(|Step { command: Block { line, text, .. }, .. }| {
        let errors = String::from_utf8_lossy(&done.stderr);
        format!("line {line}: the shell ended with {}\n{text}\n{rest}\n{errors}", done.status)
    });
    (outputs, failure)
}

/// How the output differs from what the document says, if it does.
fn differs(printed: &Block, output: &str) -> Option<String> {
    if printed.language == "text" {
        return lines_differ(&printed.text, output);
    }
    let shape_only = printed.note.contains("shape");
    let (said, came) = (values(&printed.text), values(output));
    let (said, came) = match (said, came) {
        (Ok(said), Ok(came)) if said.len() == came.len() => (said, came),
        (said, came) => return Some(format!("{said:?} against {came:?}")),
    };
    said.iter().zip(&came).find_map(|(said, came)| values_differ(said, came, shape_only, ""))
}

fn values(text: &str) -> serde_json::Result<Vec<Value>> {
    serde_json::Deserializer::from_str(text).into_iter().collect()
}

fn lines_differ(said: &str, came: &str) -> Option<String> {
    let (said, came): (Vec<_>, Vec<_>) = (said.lines().collect(), came.lines().collect());
    if said.len() != came.len() {
        return Some(format!("{} lines are {}", said.len(), came.len()));
    }
    said.iter().zip(came).find(|(said, came)| !texts_agree(said, came)).map(|(said, came)| format!("{said} is {came}"))
}

/// Ids and times differ from run to run, and `...` stands for any text; all else must be the same. With `shape_only` the keys and kinds must.
fn values_differ(said: &Value, came: &Value, shape_only: bool, path: &str) -> Option<String> {
    match (said, came) {
        (Value::Object(said_fields), Value::Object(came_fields)) => {
            if !said_fields.keys().eq(came_fields.keys()) {
                let (said, came): (Vec<_>, Vec<_>) = (said_fields.keys().collect(), came_fields.keys().collect());
                return Some(format!("{path} has the keys {came:?} instead of {said:?}"));
            }
            said_fields
                .iter()
                .find_map(|(key, said)| values_differ(said, &came_fields[key], shape_only, &format!("{path}.{key}")))
        }
        (Value::Array(said_items), Value::Array(came_items)) if said_items.len() == came_items.len() => {
            let mut pairs = said_items.iter().zip(came_items);
            pairs.find_map(|(said, came)| values_differ(said, came, shape_only, &format!("{path}[]")))
        }
        (said, came) if shape_only && std::mem::discriminant(said) == std::mem::discriminant(came) => None,
        (Value::String(said), Value::String(came)) if texts_agree(said, came) => None,
        (said, came) if said == came => None,
        (said, came) => Some(format!("{path} is {came} instead of {said}")),
    }
}

fn texts_agree(said: &str, came: &str) -> bool {
    let is_id = |text: &str| uuid::Uuid::parse_str(text).is_ok();
    let is_time = |text: &str| text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok();
    if let Some((head, tail)) = said.split_once("...") {
        return came.len() >= head.len() + tail.len() && came.starts_with(head) && came.ends_with(tail);
    }
    said == came || (is_id(said) && is_id(came)) || (is_time(said) && is_time(came))
}

#[test]
fn what_differs_is_told() {
    let block = |language: &str, text: &str, note: &str| Block {
        language: language.into(),
        text: text.into(),
        note: note.into(),
        line: 1,
    };
    let said = block("json", r#"{"id": "019ab0c4-5a8e-7c5f-9d3e-2f4b6c8d0e1f", "key": "evr_...", "number": 1}"#, "");
    let came = |id: &str, key: &str, number: i64| format!(r#"{{"id": "{id}", "key": "{key}", "number": {number}}}"#);
    let other_id = "019ab0c4-5a8e-7c5f-9d3e-000000000000";
    assert_eq!(differs(&said, &came(other_id, "evr_abc", 1)), None);
    for wrong in [came("x", "evr_abc", 1), came(other_id, "abc", 1), came(other_id, "evr_", 2), "{}".into(), "{".into()]
    {
        assert!(differs(&said, &wrong).is_some(), "{wrong}");
    }
    let shape = block("json", r#"{"id": "a", "number": 1}"#, "shape");
    assert_eq!(differs(&shape, r#"{"id": "b", "number": 2}"#), None);
    assert!(differs(&shape, r#"{"id": "b", "number": "2"}"#).is_some());
    let lines = block("text", "one\n2 ...\n", "");
    assert_eq!(differs(&lines, "one\n2 two\n"), None);
    assert!(differs(&lines, "one\n").is_some() && differs(&lines, "one\n3\n").is_some());
}
