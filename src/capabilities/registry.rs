//! The capabilities of this server, and the tools that they give.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::{Capability, CapabilityStatus, Tool};
use crate::db::types::Json;

static CAPABILITIES: LazyLock<Vec<Capability>> = LazyLock::new(|| {
    vec![
        available(
            ("current_time", "Current time", "Tells the time, in any time zone."),
            ("utilities", "clock"),
            vec![current_time()],
        ),
        available(
            ("noop", "No operation", "A tool that does nothing, to see whether a model calls tools."),
            ("testing", "circle"),
            vec![noop()],
        ),
        available(
            ("test_math", "Test: math", "A calculator with four tools, to test models and clients with."),
            ("testing", "calculator"),
            test_math(),
        ),
        available(
            (
                "test_weather",
                "Test: weather",
                "Made-up weather, the same for a city every time, to test models and clients with.",
            ),
            ("testing", "cloud-sun"),
            test_weather(),
        ),
        available(
            (
                "stateless_todo_list",
                "To-do list",
                "Lets the model plan its work in a list that it rewrites as it goes on.",
            ),
            ("planning", "list-todo"),
            vec![write_todos()],
        ),
        available(
            (
                "session_file_system",
                "Session files",
                "Lets the model keep files in its session, which people can read and write too.",
            ),
            ("files", "folder"),
            session_files(),
        ),
        available(
            ("web_fetch", "Web pages", "Lets the model read public web pages, as Markdown."),
            ("web", "globe"),
            vec![web_fetch()],
        ),
        coming_soon(
            ("research", "Research", "Searches, reads and compares many sources. Not available yet."),
            ("web", "search"),
        ),
        coming_soon(
            ("sandbox", "Sandbox", "Runs programs in a machine of their own. Not available yet."),
            ("files", "box"),
        ),
    ]
});

/// All of them, in the order in which they are shown.
pub fn all() -> &'static [Capability] {
    &CAPABILITIES
}

/// The capability with this id.
pub fn find(id: &str) -> Option<&'static Capability> {
    all().iter().find(|capability| capability.id == id)
}

/// The tools that these capabilities give, in their order; what this server does not have gives none.
pub fn tools_of<'i>(ids: impl IntoIterator<Item = &'i str>) -> Vec<&'static Tool> {
    ids.into_iter().filter_map(find).flat_map(|capability| &capability.tools).collect()
}

type Words = (&'static str, &'static str, &'static str);

fn available(
    (id, name, description): Words,
    (category, icon): (&'static str, &'static str),
    tools: Vec<Tool>,
) -> Capability {
    Capability { id, name, description, status: CapabilityStatus::Available, category, icon, tools }
}

fn coming_soon((id, name, description): Words, (category, icon): (&'static str, &'static str)) -> Capability {
    Capability { id, name, description, status: CapabilityStatus::ComingSoon, category, icon, tools: Vec::new() }
}

/// A tool that may run twice.
fn repeatable(name: &'static str, description: &'static str, properties: Value, required: &[&str]) -> Tool {
    Tool { idempotent: true, ..once(name, description, properties, required) }
}

/// A tool that must not run twice.
fn once(name: &'static str, description: &'static str, properties: Value, required: &[&str]) -> Tool {
    let mut parameters =
        json!({ "type": "object", "properties": null, "required": required, "additionalProperties": false });
    parameters["properties"] = properties;
    Tool { name, description, parameters: Json(parameters), idempotent: false }
}

fn current_time() -> Tool {
    let properties = json!({
        "timezone": { "type": "string", "description": "IANA name of a time zone, for example Europe/Berlin. UTC where it is not given." },
        "format": {
            "type": "string",
            "description": "rfc3339 (the default), unix (seconds), human (in words), or a strftime pattern such as %Y-%m-%d.",
        },
    });
    repeatable("current_time", "Tells the current date and time.", properties, &[])
}

fn noop() -> Tool {
    repeatable("noop", "Does nothing and says so.", json!({}), &[])
}

fn test_math() -> Vec<Tool> {
    let tool = |name, description| {
        let properties = json!({
            "a": { "type": "number", "description": "The first number." },
            "b": { "type": "number", "description": "The second number." },
        });
        repeatable(name, description, properties, &["a", "b"])
    };
    vec![
        tool("test_math_add", "Adds two numbers."),
        tool("test_math_subtract", "Subtracts the second number from the first."),
        tool("test_math_multiply", "Multiplies two numbers."),
        tool("test_math_divide", "Divides the first number by the second, which must not be 0."),
    ]
}

fn test_weather() -> Vec<Tool> {
    let city = json!({ "type": "string", "description": "Name of the city." });
    let days = json!({ "type": "integer", "minimum": 1, "maximum": 10, "description": "How many days; 3 where it is not given." });
    vec![
        repeatable(
            "test_weather_current",
            "Tells made-up weather of a city, for tests only: it is not the real weather.",
            json!({ "city": city }),
            &["city"],
        ),
        repeatable(
            "test_weather_forecast",
            "Tells a made-up forecast of a city, for tests only: it is not the real weather.",
            json!({ "city": city, "days": days }),
            &["city"],
        ),
    ]
}

fn write_todos() -> Tool {
    let todo = json!({
        "type": "object",
        "properties": {
            "content": { "type": "string", "description": "What is to be done." },
            "status": { "type": "string", "enum": ["pending", "in_progress", "completed"] },
            "activeForm": { "type": "string", "description": "What to show while it is being done, for example: Reading the report." },
        },
        "required": ["content", "status"],
        "additionalProperties": false,
    });
    let properties = json!({ "todos": { "type": "array", "items": todo, "description": "The whole list, which replaces the one before." } });
    repeatable(
        "write_todos",
        "Writes down the whole to-do list of the task at hand, with how far each entry is.",
        properties,
        &["todos"],
    )
}

fn session_files() -> Vec<Tool> {
    let path = json!({ "type": "string", "description": "Path of the file, for example notes/plan.md." });
    let folder = json!({ "type": "string", "description": "Folder to look in; everywhere where it is not given." });
    vec![
        repeatable(
            "read_file",
            "Reads lines of a text file of this session.",
            json!({
                "path": path,
                "offset": { "type": "integer", "minimum": 1, "description": "First line to read, from 1." },
                "limit": { "type": "integer", "minimum": 1, "description": "How many lines; 2000 where it is not given." },
            }),
            &["path"],
        ),
        repeatable(
            "write_file",
            "Writes a text file of this session; what stood there before is replaced.",
            json!({ "path": path, "content": { "type": "string", "description": "The whole text of the file." } }),
            &["path", "content"],
        ),
        once(
            "edit_file",
            "Replaces a text within a file of this session.",
            json!({
                "path": path,
                "old_text": { "type": "string", "description": "The text to replace, letter for letter. It must stand there once, unless replace_all is true." },
                "new_text": { "type": "string", "description": "What shall stand there." },
                "replace_all": { "type": "boolean", "description": "Whether to replace it wherever it stands." },
            }),
            &["path", "old_text", "new_text"],
        ),
        repeatable(
            "list_directory",
            "Lists what stands in a folder of this session's files.",
            json!({ "path": folder }),
            &[],
        ),
        repeatable(
            "grep_files",
            "Finds the lines of this session's text files that hold a text.",
            json!({
                "text": { "type": "string", "description": "What to look for, letter for letter." },
                "path": folder,
                "ignore_case": { "type": "boolean", "description": "Whether capital and small letters are the same." },
            }),
            &["text"],
        ),
        once("delete_file", "Deletes a file of this session.", json!({ "path": path }), &["path"]),
        repeatable("stat_file", "Tells size and times of a file of this session.", json!({ "path": path }), &["path"]),
    ]
}

fn web_fetch() -> Tool {
    let properties = json!({
        "url": { "type": "string", "description": "Address of the page: http or https." },
        "max_chars": { "type": "integer", "minimum": 1, "maximum": 100_000, "description": "Characters to read at most; 50000 where it is not given." },
    });
    repeatable("web_fetch", "Reads a web page: HTML as Markdown, text and JSON as they are.", properties, &["url"])
}
