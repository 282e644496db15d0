//! What is committed is what the server prints.

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{InterfaceType, ObjectType, TypeDefinition, TypeKind, TypeSystemDefinition};
use everruns::graphql;

#[test]
fn schema_graphql_is_what_the_server_prints() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let printed = graphql::sdl();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &printed).expect("schema.graphql is written");
    }
    let committed = std::fs::read_to_string(path).expect("schema.graphql is there");
    let first = committed.lines().zip(printed.lines()).find(|(committed, printed)| committed != printed);
    assert!(
        committed == printed,
        "schema.graphql differs from what the server prints, first at {first:?}. UPDATE=1 cargo test prints it anew: read its diff."
    );
}

#[test]
fn everything_in_the_schema_is_described() {
    let document = parse_schema(graphql::sdl()).expect("the printed schema is one");
    let types = document.definitions.into_iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) => Some(definition.node),
        _ => None,
    });
    let bare: Vec<String> = types.flat_map(|definition| undescribed(&definition)).collect();
    assert!(bare.is_empty(), "these have no description: {bare:#?}");
}

fn undescribed(definition: &TypeDefinition) -> Vec<String> {
    let name = &definition.name.node;
    // Whether it is described, and what it is.
    let mut parts = vec![(definition.description.is_some(), name.to_string())];
    match &definition.kind {
        TypeKind::Object(ObjectType { fields, .. }) | TypeKind::Interface(InterfaceType { fields, .. }) => {
            for field in fields.iter().map(|field| &field.node) {
                let field_name = format!("{name}.{}", field.name.node);
                let arguments = field.arguments.iter().map(|argument| &argument.node);
                parts.extend(
                    arguments.map(|argument| {
                        (argument.description.is_some(), format!("{field_name}({})", argument.name.node))
                    }),
                );
                parts.push((field.description.is_some(), field_name));
            }
        }
        TypeKind::InputObject(input) => {
            let fields = input.fields.iter().map(|field| &field.node);
            parts.extend(fields.map(|field| (field.description.is_some(), format!("{name}.{}", field.name.node))));
        }
        TypeKind::Enum(words) => {
            let values = words.values.iter().map(|value| &value.node);
            parts.extend(values.map(|value| (value.description.is_some(), format!("{name}.{}", value.value.node))));
        }
        TypeKind::Scalar | TypeKind::Union(_) => {}
    }
    parts.into_iter().filter(|(described, _)| !described).map(|(_, what)| what).collect()
}
