//! Examples: what a handler's request shows, the answer shows too; the rest follows from the schemas.

use serde_json::{Map, Value, json, to_value};
use utoipa::openapi::{RefOr, Schema, schema::Components};

/// What makes a thing: the example of `CreateAgent` says how an `Agent` looks.
const MAKERS: [&str; 3] = ["Create", "Send", "Register"];

const ID: &str = "0199f0a2-7c3e-7b11-9d5e-3f2a1b4c5d61";
const TIME: &str = "2026-01-15T09:30:00Z";

/// The words of enums that say most about a thing; else the first one stands for them all.
const WORDS: [&str; 5] = ["active", "available", "running", "openai", "None"];

/// Texts of fields that no request has.
const TEXTS: [(&str, &str); 10] = [
    ("delta", "To reset your"),
    ("email", "ada@example.com"),
    ("media_type", "image/png"),
    ("next", "MDE5OWYwYTI"),
    ("provider", "google"),
    ("scopes", "agents:read"),
    ("status", "ok"),
    ("tags", "support"),
    ("text", "How do I reset my password?"),
    ("version", env!("CARGO_PKG_VERSION")),
];

/// Makes examples of the components.
pub(crate) struct Samples {
    schemas: Map<String, Value>,
}

impl Samples {
    pub(crate) fn new(components: &Components) -> Self {
        let schemas =
            components.schemas.iter().filter_map(|(name, schema)| Some((name.clone(), to_value(schema).ok()?)));
        Self { schemas: schemas.collect() }
    }

    /// An example of this schema.
    pub(crate) fn of(&self, schema: Option<&RefOr<Schema>>) -> Option<Value> {
        Some(self.sample(&to_value(schema?).ok()?, "", &Map::new()))
    }

    /// An example that takes what is `known` of it.
    fn sample(&self, schema: &Value, key: &str, known: &Map<String, Value>) -> Value {
        if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            let known = self.known(name).unwrap_or(known);
            return self.schemas.get(name).map(|schema| self.sample(schema, key, known)).unwrap_or_default();
        }
        if let Some(example) = schema.get("example") {
            return example.clone();
        }
        if let Some(words) = schema["enum"].as_array() {
            let telling = words.iter().find(|word| WORDS.contains(&word.as_str().unwrap_or_default()));
            return telling.or(words.first()).cloned().unwrap_or_default();
        }
        if let Some(first) = schema["oneOf"].get(0) {
            return self.sample(first, key, known);
        }
        match schema["type"].as_str().or_else(|| schema["type"][0].as_str()) {
            Some("object") => {
                let properties = schema["properties"].as_object().into_iter().flatten();
                let sample = |(key, schema): (&String, &Value)| {
                    let value = known.get(key).cloned().unwrap_or_else(|| self.sample(schema, key, &Map::new()));
                    (key.clone(), value)
                };
                properties.map(sample).collect::<Map<_, _>>().into()
            }
            Some("array") => json!([self.sample(&schema["items"], key, &Map::new())]),
            Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
            Some("boolean") => json!(true),
            Some("string") => text(schema, key).into(),
            _ => json!({}),
        }
    }

    /// The example of the request that makes this component.
    fn known(&self, name: &str) -> Option<&Map<String, Value>> {
        MAKERS.iter().find_map(|maker| self.schemas.get(&format!("{maker}{name}"))?["example"].as_object())
    }
}

fn text(schema: &Value, key: &str) -> &'static str {
    match (schema["format"].as_str(), schema.get("pattern")) {
        (Some("uuid"), _) => ID,
        (Some("date-time"), _) => TIME,
        (_, Some(_)) => "12.0",
        _ => TEXTS.iter().find(|(of, _)| *of == key).map_or("…", |(_, text)| text),
    }
}
