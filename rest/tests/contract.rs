//! What is written down agrees: documents with the schema, openapi.json with the routes.

use std::{env, fs};

use apollo_compiler::ExecutableDocument;

use crate::stub::{DOCUMENTS, schema};

#[test]
fn every_document_is_valid_against_the_schema() {
    let schema = schema();
    for (file, text) in DOCUMENTS {
        if let Err(errors) = ExecutableDocument::parse_and_validate(&schema, text, format!("{file}.graphql")) {
            panic!("{errors}");
        }
    }
}

#[test]
fn every_operation_in_the_docs_is_valid_against_the_schema() {
    let schema = schema();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut operations = Vec::new();
    for page in ["README.md", "docs/graphql.md"] {
        let text = fs::read_to_string(format!("{root}/{page}")).unwrap();
        let blocks = text.split("```graphql\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0.to_owned()));
        // Each paragraph of a block is run by itself.
        operations.extend(blocks.flat_map(|block| block.split("\n\n").map(str::to_owned).collect::<Vec<_>>()));
    }
    let sample = fs::read_to_string(format!("{root}/docs/samples/chat.html")).unwrap();
    let begins =
        |text: &&str| ["query (", "mutation (", "subscription (", "{ agents"].iter().any(|word| text.starts_with(word));
    operations.extend(sample.split(['"', '`']).filter(begins).map(str::to_owned));
    assert!(operations.len() > 8, "{operations:#?}");
    for operation in operations {
        if let Err(errors) = ExecutableDocument::parse_and_validate(&schema, &operation, "docs.graphql") {
            panic!("{operation}\n{errors}");
        }
    }
}

#[test]
fn the_stored_openapi_is_the_one_of_the_routes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let now = everruns_rest::openapi().to_pretty_json().unwrap() + "\n";
    if env::var_os("UPDATE").is_some() {
        fs::write(path, &now).unwrap();
    }
    let stored = fs::read_to_string(path).unwrap_or_default();
    let differs = now.lines().zip(stored.lines()).enumerate().find(|(_, (now, stored))| now != stored);
    if let Some((line, (now, stored))) = differs {
        let line = line + 1;
        panic!("rest/openapi.json differs from line {line}: it says `{stored}`, the routes say `{now}`.\n{HINT}");
    }
    assert!(now == stored, "rest/openapi.json has another length than the routes say.\n{HINT}");
}

const HINT: &str = "If that is meant, store it: UPDATE=1 cargo test -p everruns-rest";
