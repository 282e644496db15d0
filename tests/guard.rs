//! What the guard lets through to the parser, and what it refuses before.

use std::time::{Duration, Instant};

use async_graphql::{ServerError, Value};
use everruns::edge::guard::{
    self, DOCUMENT_BYTES_MAX, NAME_BYTES_MAX, NESTING_MAX, SELECTIONS_MAX, TOKENS_MAX, admit, parse,
};
use proptest::prelude::*;

/// A quarter of the stack of a thread that serves requests, in bytes; builds without optimization need the most of it.
const SMALL_STACK_BYTES: usize = 512 * 1024;
/// Long before the schema would be asked; the machine that tests may be busy.
const REFUSED_WITHIN: Duration = Duration::from_millis(250);

fn code(error: &ServerError) -> &Value {
    error.extensions.as_ref().and_then(|extensions| extensions.get("code")).expect("every refusal has a code")
}

#[track_caller]
fn assert_refused(text: &str, message: &str) {
    let started = Instant::now();
    let error = parse(text).expect_err("the text must be refused");
    let took = started.elapsed();
    assert!(error.message.contains(message), "{}", error.message);
    assert_eq!(code(&error), &Value::Enum(async_graphql::Name::new("BAD_USER_INPUT")));
    assert_eq!(error.locations.len(), 1, "a refusal says where");
    assert!(took < REFUSED_WITHIN, "took {took:?}");
}

#[track_caller]
fn assert_accepted(text: &str) {
    if let Err(error) = parse(text) {
        panic!("{error}\n{text}");
    }
}

fn nested(open: &str, inside: &str, close: &str, times: usize) -> String {
    format!("{}{inside}{}", open.repeat(times), close.repeat(times))
}

/// Fragments of which each spreads the next twice.
fn doubling(fragments: usize) -> String {
    let mut text = "{...F0}".to_owned();
    for index in 0..fragments {
        text += &format!("fragment F{index} on Query{{...F{0} ...F{0}}}", index + 1);
    }
    text + &format!("fragment F{fragments} on Query{{__typename}}")
}

#[test]
fn ordinary_documents_pass() {
    for text in [
        "{ viewer { organization { name } } }",
        "query Q { a } mutation M { b } subscription S { c }",
        "query ($ids: [[ID!]!]! = [[\"a\"]], $o: In = {a: {b: [1, -2.5e+3]}}) @d(x: $ids) { a(o: $o, e: ENUM, n: null) }",
        "{ alias: field @include(if: true) @skip(if: false) { ... on A @d { b } ...F ... @d { c } ... { d } } } fragment F on A @d { e }",
        "\u{feff}# a comment with { ( [ \"\r\n{ a, b,,c(text: \"a \\\"quoted\\\" { \\u00e9 \\\\\") # }\n}",
        r#"{ a(text: """ block " { \""" [ """, other: "", third: """""") }"#,
        "{ query mutation fragment on ... on on { on } ...fragment } fragment fragment on on { type }",
        "{ a { ...Missing } }",
    ] {
        assert_accepted(text);
    }
}

#[test]
fn the_standard_introspection_query_passes() {
    assert_accepted(
        "query IntrospectionQuery { __schema { description queryType { name kind } mutationType { name kind } subscriptionType { name kind } \
         types { ...FullType } directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } } } } \
         fragment FullType on __Type { kind name description specifiedByURL isOneOf \
         fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason } \
         inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef } \
         enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } } \
         fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason } \
         fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name \
         ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }",
    );
}

#[test]
fn nested_brackets_of_every_kind_are_refused() {
    let message = format!("brackets are nested deeper than {NESTING_MAX}");
    for times in [NESTING_MAX + 1, 2_000, 15_000] {
        assert_refused(&format!("{{a(x:{})}}", nested("[", "", "]", times)), &message);
        assert_refused(&format!("{{a(x:{})}}", nested("{a:", "1", "}", times.min(9_000))), &message);
        assert_refused(&format!("query($a:I={}){{a}}", nested("{a:", "1", "}", times.min(9_000))), &message);
        assert_refused(&format!("query($a:{}){{a}}", nested("[", "I", "]", times)), &message);
        assert_refused(&nested("{a", "", "}", times), &message);
        assert_refused(&"{a".repeat(times), &message);
        assert_refused(&format!("{{{}}}", nested("...on A{", "a", "}", times.min(5_000))), &message);
    }
}

#[test]
fn brackets_in_strings_and_comments_do_not_count() {
    let brackets = "[{(".repeat(1_000);
    assert_accepted(&format!("{{ a(x: \"{brackets}\", y: \"\"\"{brackets}\"\"\") # {brackets}\n }}"));
}

#[test]
fn a_string_cannot_hide_brackets() {
    let brackets = "[".repeat(1_000);
    let message = "nested deeper";
    assert_refused(&format!(r#"{{ a(x: ["\\", {brackets}"#), message);
    assert_refused(&format!(r#"{{ a(x: ["""\"""""", {brackets}"#), message);
    assert_refused(&format!(r#"{{ a(x: ["" {brackets}"#), message);
    assert_refused(&format!("{{ a(x: # \"\n {brackets}"), message);
    assert_refused(&format!("{{ a(x: # \"\r {brackets}"), message);
    assert_refused(&format!("{{ a(x: \"\n {brackets}"), "a string has no end");
    assert_refused(&format!(r#"{{ a(x: """\""" {brackets}"#), "a string has no end");
}

#[test]
fn doubling_fragments_are_refused() {
    let message = format!("selects more than {SELECTIONS_MAX} fields");
    for fragments in [14, 20, 31] {
        assert_refused(&doubling(fragments), &message);
    }
    assert!(doubling(20).len() < 900);
    assert_accepted(&doubling(4));
}

#[test]
fn fragments_that_nest_in_each_other_are_refused() {
    let mut text = "{...F0}".to_owned();
    for index in 0..300 {
        text += &format!("fragment F{index} on A{{a{{...F{}}}}}", index + 1);
    }
    assert_refused(&text, &format!("fragments nest deeper than {NESTING_MAX}"));
}

#[test]
fn fragments_that_spread_themselves_are_refused() {
    assert_refused("{ ...A } fragment A on Query { ...A }", "fragment A spreads itself");
    assert_refused("{ ...A } fragment A on Query { ...B } fragment B on Query { a { ...A } }", "spreads itself");
    assert_refused("{ a } fragment A on Query { ...B } fragment B on Query { ...A }", "spreads itself");
}

#[test]
fn what_the_parser_would_read_otherwise_is_refused() {
    assert_refused("{ ...A } fragmentA on Query { a }", "expected `{`");
    assert_refused("queryA { a }", "expected `{`");
    assert_refused("{ a } fragment on on Query { a }", "cannot be named `on`");
    assert_refused("{ a ] }", "closed that was not opened");
    assert_refused("{ a", "ends too early");
    assert_refused("{ a ? }", "unexpected character '?'");
    assert_refused("{ a(x: 1.) é }", "unexpected character");
}

#[test]
fn a_syntax_error_is_bad_input() {
    for text in ["", "{ }", "{ a(x: ) }", "query", "{ a } { b }"] {
        assert_eq!(code(&parse(text).unwrap_err()), &Value::Enum(async_graphql::Name::new("BAD_USER_INPUT")), "{text}");
    }
}

#[test]
fn a_document_has_a_largest_size_in_bytes_tokens_and_names() {
    let error = parse(&format!("{{ a }} #{}", "-".repeat(DOCUMENT_BYTES_MAX))).unwrap_err();
    assert_eq!(code(&error), &Value::Enum(async_graphql::Name::new("PAYLOAD_TOO_LARGE")));
    assert!(error.message.contains(&DOCUMENT_BYTES_MAX.to_string()));
    assert_refused(&format!("{{{}}}", "a ".repeat(TOKENS_MAX)), &format!("more than {TOKENS_MAX} tokens"));
    assert_refused(
        &format!("{{ {} }}", "a".repeat(NAME_BYTES_MAX + 1)),
        &format!("longer than {NAME_BYTES_MAX} bytes"),
    );
}

#[test]
fn a_refusal_names_line_and_column() {
    let error = parse("{\n  a(x: \"é\") ? }").unwrap_err();
    assert_eq!((error.locations[0].line, error.locations[0].column), (2, 13));
}

#[test]
fn an_admitted_request_carries_its_document_and_no_text() {
    for _ in 0..2 {
        let mut request = admit("mutation A { a } query B { b }".into()).unwrap();
        assert_eq!(request.query, "");
        assert_eq!(guard::operation_type(&mut request), None);
        request.operation_name = Some("A".to_owned());
        assert_eq!(guard::operation_type(&mut request), Some(async_graphql::parser::types::OperationType::Mutation));
        assert_eq!(request.parsed_query().unwrap().operations.iter().count(), 2);
    }
}

/// Text in which brackets, quotes and spreads are as likely as anything else.
fn soup() -> impl Strategy<Value = String> {
    let words = vec![
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "...",
        "on ",
        "A ",
        "a:",
        "$a",
        "@d",
        "\"",
        "\"\"\"",
        "\\",
        "\\\"\"\"",
        "#",
        "\n",
        "\r",
        ",",
        "1.5e3",
        "query ",
        "fragment ",
        "{a",
        "é",
        "\u{feff}",
        "=",
        "!",
    ];
    prop::collection::vec(prop::sample::select(words), 0..200).prop_map(|words| words.concat())
}

fn parse_on_a_small_stack(text: String) {
    let thread = std::thread::Builder::new().stack_size(SMALL_STACK_BYTES).spawn(move || {
        // A refusal is as good as a document; an overflow would end the test process.
        let _ = parse(&text);
    });
    thread.expect("a thread starts").join().expect("no text makes the guard or the parser panic");
}

#[test]
fn the_deepest_documents_that_pass_fit_on_a_small_stack() {
    for text in [
        format!("{{a(x:{})}}", nested("[", "", "]", NESTING_MAX - 2)),
        format!("{{a(x:{})}}", nested("{a:", "1", "}", NESTING_MAX - 2)),
        format!("query($a:I={}){{a}}", nested("{a:", "1", "}", NESTING_MAX - 1)),
        format!("query($a:{}){{a}}", nested("[", "I", "]", NESTING_MAX - 1)),
        nested("{a", "", "}", NESTING_MAX).replace("{a}", "{a b}"),
        format!("{{{}}}", nested("...on A@d(a:1){", "a", "}", NESTING_MAX - 1)),
    ] {
        assert_accepted(&text);
        parse_on_a_small_stack(text + "#");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_guard_panic(text in ".{0,400}") {
        parse_on_a_small_stack(text);
    }

    #[test]
    fn no_soup_of_tokens_overflows_the_stack(text in soup(), times in 1_usize..50) {
        parse_on_a_small_stack(format!("{{a(x:{}", text.repeat(times)));
        parse_on_a_small_stack(text);
    }
}
