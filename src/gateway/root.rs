//! What a document asks at its root: whether anybody may, and whether it asks for the schema itself.

use std::collections::HashSet;

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Request};

/// Fields that are open to everybody: who asks for nothing else is not looked at.
const OPEN: [&str; 7] = ["__typename", "server", "login", "register", "refreshToken", "startOauth", "finishOauth"];
/// Fields that tell of the schema.
const INTROSPECTION: [&str; 2] = ["__schema", "__type"];

/// What stands at a document's root.
#[derive(Clone, Copy, Debug)]
pub(super) struct Root {
    /// Whether all of it is open to everybody, introspection not counted.
    pub(super) is_open: bool,
    /// Whether it asks for the schema itself.
    pub(super) introspects: bool,
}

impl Root {
    /// Reads the operation that the request names, or all where it names none. A document that cannot be read asks for nothing that is open.
    pub(super) fn of(request: &mut Request) -> Self {
        let name = request.operation_name.clone();
        let mut root = Self { is_open: true, introspects: false };
        let Ok(document) = request.parsed_query() else { return Self { is_open: false, ..root } };
        let asked = |found: Option<&Name>| name.is_none() || found.map(Name::as_str) == name.as_deref();
        let mut seen = HashSet::new();
        for (_, operation) in document.operations.iter().filter(|(found, _)| asked(*found)) {
            root.read(document, &operation.node.selection_set.node, &mut seen);
        }
        root
    }

    fn read<'d>(&mut self, document: &'d ExecutableDocument, from: &'d SelectionSet, seen: &mut HashSet<&'d str>) {
        for item in &from.items {
            match &item.node {
                Selection::Field(field) => {
                    let name = field.node.name.node.as_str();
                    let introspects = INTROSPECTION.contains(&name);
                    self.introspects |= introspects;
                    self.is_open &= introspects || OPEN.contains(&name);
                }
                Selection::InlineFragment(inline) => self.read(document, &inline.node.selection_set.node, seen),
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    // Each once: the guard bounds how deep they go, not how often one is spread.
                    if let (true, Some(fragment)) = (seen.insert(name), document.fragments.get(name)) {
                        self.read(document, &fragment.node.selection_set.node, seen);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn root(text: &str, name: Option<&str>) -> (bool, bool) {
        let mut request = Request::new("");
        request.operation_name = name.map(str::to_owned);
        request.set_parsed_query(parse_query(text).expect("a document"));
        let root = Root::of(&mut request);
        (root.is_open, root.introspects)
    }

    #[test]
    fn only_what_is_open_to_the_last_field_is_open() {
        assert_eq!(root("{ server { status } __typename }", None), (true, false));
        assert_eq!(root("{ server { status } agents { nodes { id } } }", None), (false, false));
        assert_eq!(root("{ server: agents { nodes { id } } }", None), (false, false));
        assert_eq!(root("mutation { login { a } ...F } fragment F on Mutation { logout { a } }", None), (false, false));
        assert_eq!(root("mutation { ... { ...F ...F } } fragment F on Mutation { login { a } }", None), (true, false));
        assert_eq!(root("{ ... on Query { x: __schema { a } } }", None), (true, true));
        assert_eq!(root("{ ...F } fragment F on Query { __type { a } agents { a } }", None), (false, true));
    }

    #[test]
    fn of_several_operations_the_named_one_counts() {
        let text = "query A { server { status } } query B { __schema { a } viewer { a } }";
        assert_eq!(root(text, Some("A")), (true, false));
        assert_eq!(root(text, Some("B")), (false, true));
        assert_eq!(root(text, None), (false, true));
    }
}
