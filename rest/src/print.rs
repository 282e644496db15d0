//! The printer: an answer's data becomes a REST body along the selection that asked for it.
//!
//! The selection is the body: its order, its aliases as keys. Beyond that:
//! - a field that stands alone and has fields of its own is stepped through: the body is what is below it;
//! - null is left out, but for two fields of an API key, an enum is printed in lower case, `__typename` as its word;
//! - `pageInfo` becomes `next`, the cursor of the next page, where there is one;
//! - `_call: toolCall { name }` has no key of its own: its fields stand in the parent. On a leaf the underscore only
//!   keeps two fields apart (`_sequence` prints as `sequence`);
//! - a fragment with a capital name is the name of a shape, one in lower case is an object of its own (`...data`);
//! - a leaf is printed as it is, with its nulls and its capitals: it may be a tool's JSON.

use async_graphql::{
    Name, Positioned, Value,
    indexmap::IndexMap,
    parser::types::{Field, Selection, SelectionSet, TypeCondition},
};
use serde_json::Result;

use crate::operations::{Document, only_step, prints_null, word_of_enum, word_of_type};

/// A GraphQL object of an answer.
pub(crate) type Object = IndexMap<Name, Value>;

/// Where a body's buffer starts: most single objects fit.
const OBJECT_BYTES: usize = 512;

/// What a body says, or the name of the root field that is null.
pub(crate) enum Body {
    Printed(Vec<u8>),
    Missing(Name),
}

/// Prints the body of an answer to `document`.
pub(crate) fn body(document: &Document, data: &Value) -> Result<Body> {
    let (mut selection, mut value) = (&document.definition.selection_set.node, data);
    while let Some(step) = only_step(selection) {
        value = match value {
            Value::Object(object) => object.get(&step.response_key().node).unwrap_or(&Value::Null),
            _ => &Value::Null,
        };
        if *value == Value::Null {
            return Ok(Body::Missing(step.name.node.clone()));
        }
        selection = &step.selection_set.node;
    }
    let mut out = Vec::with_capacity(OBJECT_BYTES);
    Printer { document, out: &mut out }.composite(selection, value)?;
    Ok(Body::Printed(out))
}

/// Prints the fragment `name` of `object`, which is of the type `typename`.
pub(crate) fn fragment(
    document: &Document,
    name: &str,
    object: &Object,
    typename: &str,
    out: &mut Vec<u8>,
) -> Result<()> {
    let selection = &document.fragment(name).selection_set.node;
    Printer { document, out }.braced(selection, object, Some(typename))
}

struct Printer<'a> {
    document: &'a Document,
    out: &'a mut Vec<u8>,
}

impl Printer<'_> {
    fn composite(&mut self, selection: &SelectionSet, value: &Value) -> Result<()> {
        match value {
            Value::Object(object) => self.braced(selection, object, typename(selection, object)),
            Value::List(items) => {
                self.out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    self.composite(selection, item)?;
                }
                self.out.push(b']');
                Ok(())
            }
            leaf => serde_json::to_writer(&mut *self.out, leaf),
        }
    }

    fn braced(&mut self, selection: &SelectionSet, object: &Object, typename: Option<&str>) -> Result<()> {
        self.out.push(b'{');
        self.fields(selection, object, typename)?;
        self.out.push(b'}');
        Ok(())
    }

    fn fields(&mut self, selection: &SelectionSet, object: &Object, typename: Option<&str>) -> Result<()> {
        for item in &selection.items {
            match &item.node {
                Selection::Field(field) => self.field(&field.node, object)?,
                Selection::InlineFragment(inline) => {
                    if applies(inline.node.type_condition.as_ref(), typename) {
                        self.fields(&inline.node.selection_set.node, object, typename)?;
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let fragment = &self.document.fragment(name).selection_set.node;
                    if name.starts_with(char::is_lowercase) {
                        self.key(name)?;
                        self.braced(fragment, object, typename)?;
                    } else {
                        self.fields(fragment, object, typename)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &Field, object: &Object) -> Result<()> {
        let key = field.response_key().node.as_str();
        let selection = &field.selection_set.node;
        match object.get(key) {
            Some(Value::Null) if prints_null(key) => {
                self.key(key)?;
                self.out.extend_from_slice(b"null");
                Ok(())
            }
            None | Some(Value::Null) => Ok(()),
            Some(Value::Object(page)) if key == "pageInfo" => self.next(page),
            Some(Value::Object(inner)) if key.starts_with('_') && !selection.items.is_empty() => {
                self.fields(selection, inner, typename(selection, inner))
            }
            Some(value) => {
                let key = key.trim_start_matches('_');
                self.key(key)?;
                if selection.items.is_empty() { self.leaf(field, key, value) } else { self.composite(selection, value) }
            }
        }
    }

    fn leaf(&mut self, field: &Field, key: &str, value: &Value) -> Result<()> {
        match value {
            Value::Enum(name) => serde_json::to_writer(&mut *self.out, &word_of_enum(key, name)),
            Value::String(name) if field.name.node == "__typename" => {
                serde_json::to_writer(&mut *self.out, word_of_type(name).unwrap_or(name))
            }
            Value::List(items) => {
                self.out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    self.leaf(field, key, item)?;
                }
                self.out.push(b']');
                Ok(())
            }
            value => serde_json::to_writer(&mut *self.out, value),
        }
    }

    fn next(&mut self, page: &Object) -> Result<()> {
        match (page.get("hasNextPage"), page.get("endCursor")) {
            (Some(Value::Boolean(true)), Some(cursor)) => {
                self.key("next")?;
                serde_json::to_writer(&mut *self.out, cursor)
            }
            _ => Ok(()),
        }
    }

    /// Begins a property. Only an object that has none yet ends with its brace.
    fn key(&mut self, key: &str) -> Result<()> {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        serde_json::to_writer(&mut *self.out, key)?;
        self.out.push(b':');
        Ok(())
    }
}

fn applies(condition: Option<&Positioned<TypeCondition>>, typename: Option<&str>) -> bool {
    match (condition, typename) {
        (Some(condition), Some(typename)) => condition.node.on.node == *typename,
        _ => true,
    }
}

fn typename<'a>(selection: &SelectionSet, object: &'a Object) -> Option<&'a str> {
    let field = selection.items.iter().find_map(|item| match &item.node {
        Selection::Field(field) if field.node.name.node == "__typename" => Some(&field.node),
        _ => None,
    })?;
    match object.get(&field.response_key().node)? {
        Value::String(name) => Some(name),
        _ => None,
    }
}
