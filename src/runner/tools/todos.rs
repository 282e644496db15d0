//! A to-do list that nobody keeps: it stands in the conversation, as often as the model writes it.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Outcome;

/// Entries of a list.
const ENTRIES_MAX: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Todos {
    todos: Vec<Todo>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Todo {
    content: String,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    active_form: Option<String>,
}

#[derive(Deserialize, Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Status {
    Pending,
    InProgress,
    Completed,
}

pub(super) fn write(Todos { todos }: Todos) -> Outcome {
    if todos.len() > ENTRIES_MAX {
        return Err(format!("a list has at most {ENTRIES_MAX} entries").into());
    }
    if let Some(place) = todos.iter().position(|todo| todo.content.trim().is_empty()) {
        return Err(format!("todos[{place}].content must not be empty").into());
    }
    let count = |status| todos.iter().filter(|todo| todo.status == status).count();
    Ok(json!({
        "total": todos.len(),
        "pending": count(Status::Pending),
        "in_progress": count(Status::InProgress),
        "completed": count(Status::Completed),
        "todos": todos,
    }))
}
