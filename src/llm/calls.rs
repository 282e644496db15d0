//! Calls of tools: put together from the pieces in which servers send them, and made fit to be sent back.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::halves::{CutText, Seam};
use super::model::ModelToolCall;

/// Bytes of a provider's name of a call; a longer one is replaced by our own. Proxies keep kilobytes of state in it.
const ID_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a tool's name, as all providers take it.
const NAME_BYTES_MAX: usize = 64;
/// Bytes kept of a name that a model made up.
const KEPT_NAME_BYTES_MAX: usize = 256;
/// Where arguments stand that were no JSON, for providers that take nothing but objects.
const UNREADABLE_FIELD: &str = "unreadable";

/// The calls of one answer, in the order of their beginnings.
#[derive(Default)]
pub(super) struct Calls {
    parts: Vec<CallParts>,
}

/// A call of which more may come.
#[derive(Default)]
pub(super) struct CallParts {
    index: Option<i64>,
    id: String,
    name: String,
    /// JSON so far.
    arguments: String,
    seam: Seam,
    signature: Option<String>,
    /// Bytes that the call took and that nobody was told of yet.
    uncounted: usize,
}

impl Calls {
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// The call that a piece belongs to, by what the piece tells of itself. Servers differ: the index or the id may be
    /// missing, the id may come once or with each piece, and parallel calls may all have index 0.
    pub(super) fn of_piece(&mut self, index: Option<i64>, id: &str, name: &str) -> &mut CallParts {
        let last = self.parts.len().checked_sub(1);
        let found = match (index, id) {
            (Some(_), _) => self.parts.iter().rposition(|parts| parts.index == index),
            (None, "") => last,
            (None, id) => self.parts.iter().rposition(|parts| parts.id == id).or(last.filter(|_| name.is_empty())),
        };
        let at = match found.filter(|at| !self.parts[*at].is_followed_by(index, id, name)) {
            Some(at) => at,
            None => {
                self.parts.push(CallParts { index, ..CallParts::default() });
                self.parts.len() - 1
            }
        };
        let parts = &mut self.parts[at];
        parts.name(id, name);
        parts
    }

    /// Adds a call that comes in one piece.
    pub(super) fn whole(&mut self, id: &str, name: &str) -> &mut CallParts {
        let at = self.parts.len();
        self.parts.push(CallParts::default());
        let parts = &mut self.parts[at];
        parts.name(id, name);
        parts
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.parts.iter().any(|parts| parts.id == id)
    }

    /// Nothing follows: the calls, each with an id that no other has.
    pub(super) fn end(&mut self) -> Vec<ModelToolCall> {
        let mut taken = HashSet::new();
        let whole = |mut parts: CallParts| {
            let usable = !parts.id.is_empty() && parts.id.len() <= ID_BYTES_MAX && taken.insert(parts.id.clone());
            parts.arguments.push_str(&parts.seam.end());
            ModelToolCall {
                id: if usable { parts.id } else { format!("call_{}", Uuid::now_v7().simple()) },
                name: parts.name,
                arguments: arguments(parts.arguments),
                signature: parts.signature,
            }
        };
        std::mem::take(&mut self.parts).into_iter().map(whole).collect()
    }
}

impl CallParts {
    /// Takes id and name, where they are not known yet.
    fn name(&mut self, id: &str, name: &str) {
        let name = &name[..name.floor_char_boundary(KEPT_NAME_BYTES_MAX)];
        for (known, told) in [(&mut self.id, id), (&mut self.name, name)] {
            if known.is_empty() {
                told.clone_into(known);
                self.uncounted += told.len();
            }
        }
    }

    /// The bytes that this adds to the answer, with those of all that the call took since.
    pub(super) fn add_arguments(&mut self, piece: CutText) -> usize {
        let piece = self.seam.join(piece);
        self.arguments.push_str(&piece);
        piece.len() + std::mem::take(&mut self.uncounted)
    }

    /// The arguments all at once, of a server that may go on to send them in pieces.
    pub(super) fn begin_arguments(&mut self, all: &Value) {
        if all.as_object().is_some_and(|object| !object.is_empty()) {
            self.arguments = all.to_string();
            self.uncounted += self.arguments.len();
        }
    }

    pub(super) fn sign(&mut self, signature: String) {
        self.uncounted += signature.len();
        self.signature = Some(signature);
    }

    /// Whether a piece that would belong to this call begins another one.
    fn is_followed_by(&self, index: Option<i64>, id: &str, name: &str) -> bool {
        let other_id = !id.is_empty() && !self.id.is_empty() && id != self.id;
        let unmarked = index.is_none() && id.is_empty() && !self.name.is_empty();
        !name.is_empty() && (other_id || unmarked)
    }
}

/// Arguments as a server spells them: JSON in a text, or the JSON itself.
pub(super) fn spelled(arguments: &RawValue) -> CutText {
    match arguments.get() {
        "null" => CutText::from(""),
        text if text.starts_with('"') => {
            CutText::deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap_or_else(|_| CutText::from(text))
        }
        json => CutText::from(json),
    }
}

/// Arguments as providers take them back: always an object.
pub(super) fn object(arguments: &Value) -> Cow<'_, Value> {
    match arguments {
        Value::Object(_) => Cow::Borrowed(arguments),
        other => Cow::Owned(json!({UNREADABLE_FIELD: other})),
    }
}

/// A name that every provider takes, of a tool whose name the model may have made up.
pub(super) fn safe_name(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = name.chars().take(NAME_BYTES_MAX).map(safe).collect();
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

/// An object where the text is one; nothing at all is an empty one.
fn arguments(text: String) -> Value {
    match serde_json::from_str(&text) {
        Ok(Value::Object(object)) => Value::Object(object),
        Ok(Value::Null) => Value::Object(Map::new()),
        Err(_) if text.trim().is_empty() => Value::Object(Map::new()),
        _ => Value::String(text),
    }
}
