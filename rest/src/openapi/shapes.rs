//! The shapes of answers: they follow from the documents and the schema, by the printer's rules.

use std::collections::HashMap;

use async_graphql::parser::types::{
    BaseType, Field, FieldDefinition, OperationType, Selection, SelectionSet, ServiceDocument, Type, TypeDefinition,
    TypeKind, TypeSystemDefinition,
};
use utoipa::openapi::{
    ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, SchemaFormat,
    schema::{ArrayBuilder, Components, SchemaType, Type as JsonType},
};

use crate::operations::{Document, only_step, prints_null, word_of_enum, word_of_type};

/// The component that a frame of server-sent events is described by.
const FRAME: &str = "EventFrame";

/// A frame is no object: what its fields are stands in its description.
const FRAME_DESCRIPTION: &str =
    "A frame of server-sent events, as an object of its fields `id:`, `event:` and `data:`, the last one read as JSON.";

/// Types of the schema, by their names, and the components that were made of them.
pub(crate) struct Shapes<'a> {
    types: HashMap<&'a str, &'a TypeDefinition>,
    pub(crate) components: Components,
}

impl<'a> Shapes<'a> {
    pub(crate) fn new(schema: &'a ServiceDocument, components: Components) -> Self {
        let types = schema.definitions.iter().filter_map(|definition| match definition {
            TypeSystemDefinition::Type(definition) => Some((definition.node.name.node.as_str(), &definition.node)),
            _ => None,
        });
        Self { types: types.collect(), components }
    }

    /// What the schema says about an operation's first field.
    pub(crate) fn description(&self, document: &Document) -> Option<String> {
        let field = document.root()?;
        self.definition(root(document), field).description.as_ref().map(|text| text.node.clone())
    }

    /// Whether an operation's first field answers an object that has this field.
    pub(crate) fn answers(&self, document: &Document, name: &str) -> bool {
        let Some(root_field) = document.root() else { return false };
        let answer = named(&self.definition(root(document), root_field).ty.node);
        match &self.types[answer].kind {
            TypeKind::Object(object) => object.fields.iter().any(|field| field.node.name.node == name),
            _ => false,
        }
    }

    /// The media type of an operation's answer, and its schema.
    pub(crate) fn answer(&mut self, document: &Document) -> (&'static str, RefOr<Schema>) {
        let mut on = root(document);
        let mut selection = &document.definition.selection_set.node;
        while let Some(step) = only_step(selection) {
            on = named(&self.definition(on, step).ty.node);
            selection = &step.selection_set.node;
        }
        let mut schema = self.composite(document, selection, on);
        if document.definition.ty != OperationType::Subscription {
            return ("application/json", schema);
        }
        if let RefOr::T(Schema::OneOf(frame)) = &mut schema {
            frame.description = Some(FRAME_DESCRIPTION.to_owned());
        }
        self.components.schemas.insert(FRAME.to_owned(), schema);
        ("text/event-stream", RefOr::Ref(Ref::from_schema_name(FRAME)))
    }

    /// An object, or, where it depends on its type, one of several. A fragment with a capital name is a component.
    fn composite(&mut self, document: &Document, selection: &SelectionSet, on: &str) -> RefOr<Schema> {
        if let [only] = &selection.items[..]
            && let Selection::FragmentSpread(spread) = &only.node
        {
            let name = spread.node.fragment_name.node.as_str();
            if !self.components.schemas.contains_key(name) {
                let schema = self.composite(document, &document.fragment(name).selection_set.node, on);
                self.components.schemas.insert(name.to_owned(), schema);
            }
            return RefOr::Ref(Ref::from_schema_name(name));
        }
        let mut types = Vec::new();
        conditions(document, selection, &mut types);
        if types.is_empty() {
            return self.object(document, selection, on);
        }
        let each = types.into_iter().map(|on| self.object(document, selection, &on));
        let one_of = each.fold(OneOfBuilder::new(), OneOfBuilder::item);
        RefOr::T(one_of.build().into())
    }

    fn object(&mut self, document: &Document, selection: &SelectionSet, on: &str) -> RefOr<Schema> {
        let description = self.types[on].description.as_ref().map(|text| text.node.clone());
        let object = ObjectBuilder::new().description(description);
        RefOr::T(self.properties(object, document, selection, on, true).build().into())
    }

    fn properties(
        &mut self,
        mut object: ObjectBuilder,
        document: &Document,
        selection: &SelectionSet,
        on: &str,
        required: bool,
    ) -> ObjectBuilder {
        for item in &selection.items {
            object = match &item.node {
                Selection::Field(field) => self.property(object, document, &field.node, on, required),
                Selection::InlineFragment(inline) => match &inline.node.type_condition {
                    Some(condition) if condition.node.on.node != *on => object,
                    _ => self.properties(object, document, &inline.node.selection_set.node, on, required),
                },
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    let fragment = &document.fragment(name).selection_set.node;
                    if name.starts_with(char::is_lowercase) {
                        object.property(name, self.object(document, fragment, on)).required(name)
                    } else {
                        self.properties(object, document, fragment, on, required)
                    }
                }
            };
        }
        object
    }

    fn property(
        &mut self,
        object: ObjectBuilder,
        document: &Document,
        field: &Field,
        on: &str,
        required: bool,
    ) -> ObjectBuilder {
        let key = field.response_key().node.as_str();
        let name = key.trim_start_matches('_');
        let selection = &field.selection_set.node;
        if field.name.node == "__typename" {
            return object.property(name, words([word_of_type(on).unwrap_or(on)])).required(name);
        }
        if key == "pageInfo" {
            return object.property("next", string(Some("The `after` of the next page, where there is one.")));
        }
        let definition = self.definition(on, field);
        let required = required && !definition.ty.node.nullable;
        if key.starts_with('_') && !selection.items.is_empty() {
            return self.properties(object, document, selection, named(&definition.ty.node), required);
        }
        let mut schema = self.of_type(document, &definition.ty.node, name, selection);
        describe(&mut schema, definition);
        if prints_null(name) {
            return object.property(name, or_null(schema)).required(name);
        }
        let object = object.property(name, schema);
        if required { object.required(name) } else { object }
    }

    fn of_type(&mut self, document: &Document, ty: &Type, key: &str, selection: &SelectionSet) -> RefOr<Schema> {
        match &ty.base {
            BaseType::List(item) => {
                let items = self.of_type(document, item, key, selection);
                RefOr::T(ArrayBuilder::new().items(items).build().into())
            }
            BaseType::Named(name) if selection.items.is_empty() => self.leaf(name, key),
            BaseType::Named(name) => self.composite(document, selection, name),
        }
    }

    fn leaf(&self, name: &str, key: &str) -> RefOr<Schema> {
        let formatted = |json_type: JsonType, format: &str| {
            let format = Some(SchemaFormat::Custom(format.to_owned()));
            RefOr::T(ObjectBuilder::new().schema_type(json_type).format(format).build().into())
        };
        match (name, self.types.get(name).map(|definition| &definition.kind)) {
            (_, Some(TypeKind::Enum(values))) => {
                words(values.values.iter().map(|value| word_of_enum(key, &value.node.value.node)))
            }
            ("EventCursor", _) => {
                RefOr::T(ObjectBuilder::new().schema_type(JsonType::String).pattern(Some(r"^\d+\.\d+$")).build().into())
            }
            ("ID", _) => formatted(JsonType::String, "uuid"),
            ("DateTime", _) => formatted(JsonType::String, "date-time"),
            ("Int", _) => formatted(JsonType::Integer, "int32"),
            ("Float", _) => formatted(JsonType::Number, "double"),
            ("BigInt", _) => formatted(JsonType::Integer, "int64"),
            ("Boolean", _) => RefOr::T(ObjectBuilder::new().schema_type(JsonType::Boolean).build().into()),
            ("JSON", _) => RefOr::T(ObjectBuilder::new().schema_type(SchemaType::AnyValue).build().into()),
            _ => string(None),
        }
    }

    /// A field of a type. Documents are valid (tests hold them against the schema), so it is there.
    #[expect(
        clippy::panic,
        reason = "the text is part of the binary and tests read it, so this fails at start or never"
    )]
    fn definition(&self, on: &str, field: &Field) -> &'a FieldDefinition {
        let fields = match &self.types[on].kind {
            TypeKind::Object(object) => &object.fields[..],
            TypeKind::Interface(interface) => &interface.fields,
            _ => &[],
        };
        let definition = fields.iter().find(|definition| definition.node.name.node == field.name.node);
        &definition.unwrap_or_else(|| panic!("schema.graphql has no {on}.{}", field.name.node)).node
    }
}

/// The types that a selection tells apart, in its order.
fn conditions(document: &Document, selection: &SelectionSet, types: &mut Vec<String>) {
    for item in &selection.items {
        match &item.node {
            Selection::Field(_) => {}
            Selection::InlineFragment(inline) => {
                types.extend(inline.node.type_condition.as_ref().map(|condition| condition.node.on.node.to_string()));
            }
            Selection::FragmentSpread(spread) => {
                conditions(document, &document.fragment(&spread.node.fragment_name.node).selection_set.node, types);
            }
        }
    }
}

/// The type on which an operation begins.
fn root(document: &Document) -> &'static str {
    match document.definition.ty {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    }
}

fn named(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(item) => named(item),
    }
}

fn string(description: Option<&str>) -> RefOr<Schema> {
    RefOr::T(ObjectBuilder::new().schema_type(JsonType::String).description(description).build().into())
}

fn words(words: impl IntoIterator<Item = impl Into<serde_json::Value>>) -> RefOr<Schema> {
    RefOr::T(ObjectBuilder::new().schema_type(JsonType::String).enum_values(Some(words)).build().into())
}

/// A leaf that may be null.
fn or_null(mut schema: RefOr<Schema>) -> RefOr<Schema> {
    if let RefOr::T(Schema::Object(object)) = &mut schema
        && let SchemaType::Type(leaf) = &object.schema_type
    {
        object.schema_type = SchemaType::from_iter([leaf.clone(), JsonType::Null]);
    }
    schema
}

fn describe(schema: &mut RefOr<Schema>, definition: &FieldDefinition) {
    let description = definition.description.as_ref().map(|text| text.node.clone());
    match schema {
        RefOr::T(Schema::Object(object)) if description.is_some() => object.description = description,
        RefOr::T(Schema::Array(array)) if description.is_some() => array.description = description,
        _ => {}
    }
}
