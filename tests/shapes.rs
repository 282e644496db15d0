//! What values look like on the wire, and how REST's look beside GraphQL's.

use serde_json::{Map, Value};

/// The keys of an object, in their order.
pub fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap_or_else(|| panic!("no object: {object}")).keys().map(String::as_str).collect()
}

/// The text of an id: a UUIDv7 in lower case with hyphens.
pub fn id(value: &Value) -> String {
    let text = value.as_str().unwrap_or_else(|| panic!("no id: {value}"));
    let id = uuid::Uuid::parse_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!((id.get_version_num(), id.hyphenated().to_string().as_str()), (7, text));
    text.to_owned()
}

/// A point in time: RFC 3339 in UTC with `Z`.
pub fn time(value: &Value) -> jiff::Timestamp {
    let text = value.as_str().unwrap_or_else(|| panic!("no time: {value}"));
    assert!(text.ends_with('Z') && text.as_bytes()[10] == b'T', "{text}");
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The `id` of each object of a list.
pub fn ids(list: &Value) -> Vec<&str> {
    list.as_array()
        .unwrap_or_else(|| panic!("no list: {list}"))
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect()
}

/// How REST prints a GraphQL object: names in snake case, no nulls, `status` and `role` in lower case.
pub fn as_rest(graphql: &Value) -> Value {
    match graphql {
        Value::Object(object) => {
            Value::Object(object.iter().filter(|(_, value)| !value.is_null()).map(field).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(as_rest).collect()),
        leaf => leaf.clone(),
    }
}

fn field((name, value): (&String, &Value)) -> (String, Value) {
    let value = match (name.as_str(), value) {
        ("status" | "role", Value::String(word)) => Value::String(word.to_lowercase()),
        (_, value) => as_rest(value),
    };
    (snake_case(name), value)
}

/// `systemPrompt` is `system_prompt`.
pub fn snake_case(name: &str) -> String {
    name.chars()
        .flat_map(|letter| letter.is_uppercase().then_some('_').into_iter().chain(letter.to_lowercase()))
        .collect()
}

/// `system_prompt` is `systemPrompt`.
pub fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |camel, word| camel + &word[..1].to_uppercase() + &word[1..])
}

/// An object of a REST body as a GraphQL input has it: names in camel case.
pub fn as_input(rest: &Value) -> Map<String, Value> {
    rest.as_object().unwrap().iter().map(|(name, value)| (camel_case(name), value.clone())).collect()
}
