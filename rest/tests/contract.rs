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

#[test]
fn every_answer_of_openapi_has_a_schema() {
    let api = serde_json::to_value(everruns_rest::openapi()).unwrap();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, route) in item.as_object().unwrap() {
            for (status, response) in route["responses"].as_object().unwrap() {
                let has_body = response["content"].as_object().is_some_and(|content| !content.is_empty());
                assert_eq!(has_body, status != "204", "{method} {path} {status}");
            }
        }
    }
}
