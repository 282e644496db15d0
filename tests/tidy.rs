//! The house keeps its shape: arrows point down, files and functions stay short, and a few words stand only where they belong.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file that should not be passed, and that must not be.
const LINES_MAX: usize = 500;
/// Lines of a function.
const FUNCTION_LINES_MAX: usize = 70;

/// The modules from the top down: each may name those below it and itself.
const LAYERS: [&[&str]; 22] = [
    &["main"],
    &["app"],
    &["edge", "runner", "replica"],
    &["gateway"],
    &["graphql", "library_errors"],
    &["messages"],
    &["turns"],
    &["sessions"],
    &["events"],
    &["agents"],
    &["capabilities"],
    &["llm"],
    &["organizations"],
    &["auth"],
    &["bus"],
    &["idempotency"],
    &["db"],
    &["page"],
    &["validate"],
    &["secrets"],
    &["clock", "outbound", "config"],
    &["error"],
];

/// Names upward that are meant: what a layer below declares with a word of one above, each with its reason.
const UPWARD: [(&str, &str); 1] = [
    // The column's type and the value's are two halves of one thing.
    ("clock.rs", "db"),
];

#[test]
fn arrows_point_down() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let Some(from) = layer_of(&path) else { continue };
        // All graphql.rs of the nouns are one layer above the nouns.
        let graphql = path.iter().any(|part| part == "graphql.rs" || part == "graphql");
        for (number, line) in text.lines().enumerate() {
            for name in named(line) {
                let Some(to) = LAYERS.iter().position(|layer| layer.contains(&name.as_str())) else { continue };
                let known = UPWARD.iter().any(|(file, target)| path.ends_with(file) && *target == name);
                if to < from && !known && !(graphql && is_noun(&name)) {
                    wrong.push(format!("{}:{} names {name}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "these arrows point up: {wrong:#?}");
}

#[test]
fn files_and_functions_are_short() {
    let mut long = Vec::new();
    for folder in ["src", "rest/src", "rest/tests", "tests"] {
        for (path, text) in sources(folder) {
            let lines = text.lines().count();
            if lines > LINES_MAX {
                long.push(format!("{} has {lines} lines", path.display()));
            }
            for (name, length) in functions(&text).into_iter().filter(|(_, length)| *length > FUNCTION_LINES_MAX) {
                long.push(format!("{}: {name} has {length} lines", path.display()));
            }
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn words_stand_where_they_belong() {
    let rules: [(&str, &[&str]); 7] = [
        ("reqwest::", &["src/outbound.rs"]),
        ("axum::", &["src/edge", "src/app.rs", "rest/src"]),
        ("std::env", &["src/config", "src/runner/simulation.rs"]),
        (
            "diesel::",
            &[
                "src/db",
                "src/error.rs",
                "src/clock.rs",
                "store.rs",
                "agent.rs",
                "session.rs",
                "message.rs",
                "turn.rs",
                "step.rs",
                "event.rs",
                "organization.rs",
                "user.rs",
                "login.rs",
                "api_key.rs",
                "provider.rs",
                "stored_model.rs",
                "file.rs",
            ],
        ),
        ("parse_query", &["src/edge/guard", "src/gateway/root.rs", "rest/src/operations.rs"]),
        ("#[allow(", &[]),
        ("TODO", &[]),
    ];
    let mut wrong = Vec::new();
    for folder in ["src", "rest/src"] {
        for (path, text) in sources(folder) {
            let shown = path.display().to_string();
            for (word, homes) in rules {
                let at_home = homes.iter().any(|home| shown.contains(home));
                if !at_home && text.lines().any(|line| line.contains(word)) {
                    wrong.push(format!("{shown} names {word}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<_> = ["src", "rest/src", "tests", "rest/tests"]
        .into_iter()
        .flat_map(sources)
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn rest_sees_nothing_of_the_database() {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["tree", "-p", "everruns-rest", "--edges", "normal", "--locked", "--offline", "--prefix", "none"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8_lossy(&output.stdout);
    assert!(!tree.lines().any(|line| line.starts_with("diesel") || line.starts_with("everruns v")), "{tree}");
}

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&entry).expect("a file");
                found.push((entry.strip_prefix(root).expect("inside").to_owned(), text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} holds sources");
    found
}

fn layer_of(path: &Path) -> Option<usize> {
    let first = path.strip_prefix("src").ok()?.components().next()?.as_os_str().to_str()?;
    let module = first.trim_end_matches(".rs");
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn is_noun(name: &str) -> bool {
    ["messages", "turns", "sessions", "events", "agents", "capabilities", "llm", "organizations", "auth"]
        .contains(&name)
}

/// The modules of this crate that a line names.
fn named(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let paths = code.split("crate::").skip(1);
    let names = paths.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
    let stores = ["read!(", "commit!("].into_iter().flat_map(|call| code.split(call).skip(1));
    let called = stores.filter_map(|rest| {
        let (_, operation) = rest.split_once(", ")?;
        operation.split("::").next().map(str::to_owned)
    });
    names.chain(called).collect()
}

/// Functions and their lengths in lines, by their indentation: the project is formatted.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let signature = ["fn ", "pub fn ", "async fn ", "pub async fn ", "pub(super) fn ", "pub(super) async fn "];
        if !signature.iter().any(|signature| trimmed.starts_with(signature)) {
            continue;
        }
        let closing = format!("{}}}", &line[..line.len() - trimmed.len()]);
        if let Some(length) = lines[start..].iter().position(|line| *line == closing) {
            found.push((trimmed.to_owned(), length + 1));
        }
    }
    found
}
