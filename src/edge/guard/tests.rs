//! The outline's count, which never builds a tree, against a count of the parser's tree.

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use proptest::prelude::*;

use super::outline;

/// Selections of a set with all fragments followed.
fn counted(document: &ExecutableDocument, set: &SelectionSet) -> usize {
    let inside = |selection: &Selection| match selection {
        Selection::Field(field) => counted(document, &field.node.selection_set.node),
        Selection::InlineFragment(fragment) => counted(document, &fragment.node.selection_set.node),
        Selection::FragmentSpread(spread) => match document.fragments.get(&spread.node.fragment_name.node) {
            Some(fragment) => counted(document, &fragment.node.selection_set.node),
            None => 0,
        },
    };
    set.items.iter().map(|selection| 1 + inside(&selection.node)).sum()
}

fn counted_document(document: &ExecutableDocument) -> usize {
    let operations: usize =
        document.operations.iter().map(|(_, found)| counted(document, &found.node.selection_set.node)).sum();
    let fragments: usize =
        document.fragments.values().map(|found| counted(document, &found.node.selection_set.node)).sum();
    operations + fragments
}

/// What stands around a selection set, with every kind of token that could lead the outline astray.
fn decorations() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "(on: {fragment: [\"}\", $on], query: -1.5e+3})",
        "@include(if: true) @skip(if: $a)",
        "(text: \"\"\"a \\\"\"\" { b \"\"\")",
        "(text: \"\\\" ... {\", other: \"\")",
        "# } ... on {\n",
        ",,\u{feff}\r\n",
    ])
}

/// Fragments F1 to F5 are there; a spread of one more is a spread of nothing.
const FRAGMENTS: usize = 5;

/// One selection; fragment `n` spreads only fragments after it, so there are no cycles.
fn selection(fragment: usize) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        decorations().prop_map(|around| format!("field{around}")),
        Just("alias # {\n : , on @d".to_owned()),
        (fragment + 1..=FRAGMENTS + 1).prop_map(|target| format!("...F{target}")),
        Just("... F6 @skip(if: true)".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let set = prop::collection::vec(inner, 1..4).prop_map(|selections| format!("{{{}}}", selections.join(" ")));
        prop_oneof![
            (decorations(), set.clone()).prop_map(|(around, set)| format!("fragment{around}{set}")),
            set.clone().prop_map(|set| format!("... on on @d(a: {{b: [1]}}) {set}")),
            set.prop_map(|set| format!("...{set}")),
        ]
    })
}

fn document() -> impl Strategy<Value = String> {
    let sets: Vec<_> = (0..=FRAGMENTS).map(|fragment| prop::collection::vec(selection(fragment), 1..4)).collect();
    sets.prop_map(|sets| {
        let mut text = String::new();
        for (index, set) in sets.iter().enumerate() {
            let head = if index == 0 {
                "query Q($a: [[Int!]] = [1, [2]])".to_owned()
            } else {
                format!("fragment F{index} on T @d(x: {{}})")
            };
            text.push_str(&format!("{head} {{{}}}\n", set.join(",")));
        }
        text
    })
}

proptest! {
    #[test]
    fn the_outline_counts_what_the_parser_builds(text in document()) {
        let document = parse_query(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        let expected = counted_document(&document);
        match outline::check(&text) {
            Ok(count) => prop_assert_eq!(count, expected),
            Err(fault) => prop_assert!(expected > super::SELECTIONS_MAX, "{} at {} of {}", fault.message, fault.at, text),
        }
    }
}
