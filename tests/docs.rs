//! The documents are true: what they print is what the server answers, every setting is listed, every link leads somewhere.

mod markdown;
mod tutorial;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use everruns::config::CommandLine;

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        for link in markdown::links(&text) {
            if !leads_somewhere(&path, &link) {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "these links lead nowhere: {broken:#?}");
}

#[test]
fn the_table_of_environment_variables_is_the_programs() {
    let page = fs::read_to_string(root().join("docs/sre/environment-variables.md")).unwrap();
    let listed: BTreeMap<String, (String, String)> = markdown::rows(&page)
        .map(|row| match row.as_slice() {
            [variable, flag, default, meaning] if !meaning.is_empty() => {
                (variable.clone(), (flag.clone(), default.clone()))
            }
            other => panic!("a row has variable, flag, default and meaning: {other:?}"),
        })
        .collect();
    let program = CommandLine::command();
    let serve = program.find_subcommand("serve").expect("the program serves");
    assert_eq!(listed, settings(&program));
    assert_eq!(listed, settings(serve));
}

#[test]
fn the_readme_names_no_other_settings_than_the_table() {
    let table = fs::read_to_string(root().join("docs/sre/environment-variables.md")).unwrap();
    let known: BTreeSet<String> = markdown::rows(&table).map(|row| row[0].clone()).collect();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for row in markdown::rows(&readme) {
        for variable in row[0].split(", ").map(|name| name.trim_matches('`')).filter(|name| is_variable(name)) {
            assert!(known.contains(variable), "the README tells of {variable}, which the table does not have");
        }
    }
}

#[test]
fn what_the_sample_loads_from_elsewhere_has_a_version_and_a_hash() {
    let sample = fs::read_to_string(root().join("docs/samples/chat.html")).unwrap();
    let scripts: Vec<&str> = sample.split("<script src=\"").skip(1).filter_map(|rest| rest.split('>').next()).collect();
    assert_eq!(scripts.len(), 1);
    for script in scripts {
        assert!(script.contains("graphql-ws@5.") && script.contains("integrity=\"sha384-"), "{script}");
    }
}

/// What clap reads from the environment: variable to flag and default, as the table writes them.
fn settings(command: &clap::Command) -> BTreeMap<String, (String, String)> {
    let named = command.get_arguments().filter_map(|argument| Some((argument, argument.get_env()?)));
    named
        .map(|(argument, variable)| {
            let flag = argument.get_long().expect("every setting has a flag");
            let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
            let default = Some(defaults.join(",")).filter(|text| !text.is_empty()).unwrap_or_else(|| "-".into());
            (variable.to_string_lossy().into_owned(), (format!("--{flag}"), default))
        })
        .collect()
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_')
}

/// A file or folder of the project, and where a heading is named, that heading. Addresses elsewhere are not asked.
fn leads_somewhere(from: &Path, link: &str) -> bool {
    if link.contains("://") || link.starts_with("mailto:") {
        return true;
    }
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() { from.to_owned() } else { from.parent().expect("a folder").join(file) };
    let Ok(target) = target.canonicalize() else { return false };
    if !target.starts_with(root().canonicalize().unwrap()) {
        return false;
    }
    heading.is_empty()
        || fs::read_to_string(target).is_ok_and(|text| markdown::anchors(&text).any(|anchor| anchor == heading))
}

fn documents() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)).into();
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}
