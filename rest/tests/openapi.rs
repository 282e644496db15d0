//! OpenAPI is complete: a route that lacks something fails here.

use std::collections::BTreeSet;

use everruns_rest::openapi;
use serde_json::{Map, Value, json};

/// The whole document, and each route: method, path, operation.
fn api() -> (Value, Vec<(String, String, Value)>) {
    let api = serde_json::to_value(openapi()).unwrap();
    let mut routes = Vec::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, route) in item.as_object().unwrap() {
            routes.push((method.clone(), path.clone(), route.clone()));
        }
    }
    (api, routes)
}

/// What a value refers to, or itself.
fn resolved<'a>(api: &'a Value, value: &'a Value) -> &'a Value {
    value["$ref"].as_str().map_or(value, |path| api.pointer(&path[1..]).unwrap())
}

fn said(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

#[test]
fn every_route_says_what_it_is() {
    let (api, routes) = api();
    let tags: Vec<_> = api["tags"].as_array().unwrap().iter().filter(|tag| said(&tag["description"])).collect();
    let mut ids = BTreeSet::new();
    for (method, path, route) in routes {
        for part in ["summary", "description", "operationId"] {
            assert!(said(&route[part]), "{method} {path} has no {part}");
        }
        assert!(ids.insert(route["operationId"].to_string()), "{method} {path}: its operationId is another's");
        let [tag] = &route["tags"].as_array().unwrap()[..] else { panic!("{method} {path} has not one tag") };
        assert!(tags.iter().any(|known| known["name"] == *tag), "{method} {path}: Api does not describe the tag {tag}");
        for parameter in route["parameters"].as_array().into_iter().flatten() {
            let name = &parameter["name"];
            assert!(said(&parameter["description"]), "{method} {path}: {name} has no description");
            assert!(parameter["schema"].is_object(), "{method} {path}: {name} has no schema");
        }
        let named = path.split('{').skip(1).map(|part| part.split('}').next().unwrap());
        for name in named {
            let parameters = route["parameters"].as_array().into_iter().flatten();
            let found = parameters.filter(|given| given["name"] == name && given["in"] == "path").count();
            assert_eq!(found, 1, "{method} {path}: {name} is not described");
        }
    }
}

#[test]
fn every_route_has_its_answers() {
    let (api, routes) = api();
    for (method, path, route) in routes {
        let responses = route["responses"].as_object().unwrap();
        let has = |status: &str| responses.contains_key(status);
        assert!(responses.keys().any(|status| status < &"400".to_owned()), "{method} {path} never succeeds");
        let open = route["security"] == json!([]);
        assert!(has("401") || open, "{method} {path} needs credentials and lacks 401");
        assert!(has("403") && has("500") && has("503"), "{method} {path} lacks 403, 500 or 503");
        assert!(has("404") || !path.contains('{'), "{method} {path} lacks 404");
        let takes_body = route["requestBody"].is_object();
        assert!(!takes_body || has("400") && has("413") && has("415"), "{method} {path} lacks 400, 413 or 415");
        for (status, response) in responses {
            let response = resolved(&api, response);
            assert!(said(&response["description"]), "{method} {path} {status} has no description");
            let content = response["content"].as_object().is_some_and(|content| !content.is_empty());
            let has_body = status != "204" && !status.starts_with('3');
            assert_eq!(content, has_body, "{method} {path} {status}: no operation is named like its handler");
        }
    }
}

#[test]
fn every_body_has_an_example_that_fits() {
    let (api, routes) = api();
    for (method, path, route) in routes {
        let responses = route["responses"].as_object().unwrap().iter();
        let answers = responses.map(|(status, response)| (status.as_str(), response));
        for (what, body) in answers.chain([("request", &route["requestBody"])]) {
            for (media_type, content) in resolved(&api, body)["content"].as_object().into_iter().flatten() {
                let schema = json!({ "allOf": [content["schema"]], "components": api["components"] });
                let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
                let example = content.get("example").unwrap_or_else(|| panic!("{method} {path} {what}: no example"));
                if let Err(error) = validator.validate(example) {
                    panic!("{method} {path} {what} {media_type}: {error} at {}: {example}", error.instance_path());
                }
            }
        }
    }
}

#[test]
fn every_field_is_described() {
    let (api, _) = api();
    let mut silent = Vec::new();
    for (name, schema) in api["components"]["schemas"].as_object().unwrap() {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            if !said(&property["description"]) && property.get("$ref").is_none() {
                silent.push(format!("{name}.{key}"));
            }
        }
    }
    assert!(silent.is_empty(), "these fields have no description: {silent:?}");
}

#[test]
fn every_component_is_used() {
    let (api, _) = api();
    let text = api.to_string();
    for kind in ["schemas", "responses"] {
        for name in api["components"][kind].as_object().unwrap_or(&Map::new()).keys() {
            assert!(text.contains(&format!("\"#/components/{kind}/{name}\"")), "{kind}/{name} is used nowhere");
        }
    }
}

#[test]
fn only_what_proves_a_caller_is_open() {
    let (api, routes) = api();
    assert_eq!(api["security"], json!([{ "api_key": [] }, { "bearer": [] }, { "cookie": [] }]));
    for scheme in ["api_key", "bearer", "cookie"] {
        assert!(api["components"]["securitySchemes"][scheme].is_object(), "{scheme}");
    }
    for (method, path, route) in routes.iter().filter(|(.., route)| route["security"] == json!([])) {
        let expected = ["/health", "/ready"].contains(&path.as_str()) || path.starts_with("/v1/auth/");
        assert!(expected, "{method} {path} ({}) is open", route["operationId"]);
    }
}
