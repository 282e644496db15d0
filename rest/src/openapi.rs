//! OpenAPI of the answers: their shapes follow from the documents and the schema, by the printer's rules.

use std::collections::HashMap;

use async_graphql::parser::{
    parse_schema,
    types::{
        BaseType, Field, FieldDefinition, OperationType, Selection, SelectionSet, Type, TypeDefinition, TypeKind,
        TypeSystemDefinition,
    },
};
use serde_json::json;
use utoipa::{
    PartialSchema,
    openapi::{
        Content, ObjectBuilder, OneOfBuilder, OpenApi, Ref, RefOr, Response, Schema, SchemaFormat,
        path::Operation as Route,
        schema::{ArrayBuilder, Components, SchemaType, Type as JsonType},
    },
};

use crate::{
    error::{Error, snake_case},
    operations::{Document, Operation, only_step, word_of_enum, word_of_type},
};

const SCHEMA: &str = include_str!("../../schema.graphql");

const STREAM_EXAMPLE: &str = "retry: 2000\nid: 1.0\nevent: session.started\ndata: {\"session_id\":\"…\",\"turn_id\":\"…\"}\n\n\
    id: 2.8\nevent: message.delta\ndata: {\"delta\":\"To reset\",\"step_id\":\"…\"}\n\n";

/// Gives every route the schema of its answers, and of its errors.
#[expect(clippy::panic, reason = "the text is part of the binary and tests read it, so this fails at start or never")]
pub(crate) fn with_answers(mut api: OpenApi) -> OpenApi {
    let schema = parse_schema(SCHEMA).unwrap_or_else(|error| panic!("schema.graphql is not GraphQL: {error}"));
    let types = schema.definitions.iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) => Some((definition.node.name.node.as_str(), &definition.node)),
        _ => None,
    });
    let mut shapes = Shapes { types: types.collect(), components: api.components.take().unwrap_or_default() };
    shapes.components.schemas.insert("Error".to_owned(), Error::schema());
    for item in api.paths.paths.values_mut() {
        for route in [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten() {
            shapes.answer(route);
        }
    }
    api.components = Some(shapes.components);
    api
}

/// Whether an operation answers for this handler: `ListAgents` for `list_agents`, `WatchEvents` for `list_events`.
fn belongs(operation: Operation, handler: &str) -> bool {
    snake_case(operation.document().name).replace("watch_", "list_") == handler
}

struct Shapes<'a> {
    types: HashMap<&'a str, &'a TypeDefinition>,
    components: Components,
}

impl<'a> Shapes<'a> {
    fn answer(&mut self, route: &mut Route) {
        let handler = route.operation_id.clone().unwrap_or_default();
        for operation in Operation::ALL.iter().copied().filter(|operation| belongs(*operation, &handler)) {
            let (media_type, content) = self.content(operation.document());
            for (status, response) in &mut route.responses.responses {
                if let (true, RefOr::T(response)) = (status != "204", response) {
                    response.content.insert(media_type.to_owned(), RefOr::T(content.clone()));
                }
            }
        }
        let mut refused = Response::new("Refused");
        let error = Content::new(Some(Ref::from_schema_name("Error")));
        refused.content.insert("application/json".to_owned(), RefOr::T(error));
        route.responses.responses.insert("default".to_owned(), RefOr::T(refused));
    }

    fn content(&mut self, document: &Document) -> (&'static str, Content) {
        let mut on = match document.definition.ty {
            OperationType::Query => "Query",
            OperationType::Mutation => "Mutation",
            OperationType::Subscription => {
                let mut content = Content::new(Some(string(None)));
                content.example = Some(json!(STREAM_EXAMPLE));
                return ("text/event-stream", content);
            }
        };
        let mut selection = &document.definition.selection_set.node;
        while let Some(step) = only_step(selection) {
            on = named(&self.definition(on, step).ty.node);
            selection = &step.selection_set.node;
        }
        ("application/json", Content::new(Some(self.composite(document, selection, on))))
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
            ("ID", _) => formatted(JsonType::String, "uuid"),
            ("DateTime", _) => formatted(JsonType::String, "date-time"),
            ("Int", _) => formatted(JsonType::Integer, "int32"),
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

fn describe(schema: &mut RefOr<Schema>, definition: &FieldDefinition) {
    let description = definition.description.as_ref().map(|text| text.node.clone());
    match schema {
        RefOr::T(Schema::Object(object)) if description.is_some() => object.description = description,
        RefOr::T(Schema::Array(array)) if description.is_some() => array.description = description,
        _ => {}
    }
}
