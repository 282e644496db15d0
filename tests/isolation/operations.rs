//! Operations made from the schema itself: every root field, its arguments filled, its answer selected some levels deep.

use std::collections::HashMap;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, FieldDefinition, InputValueDefinition, Type, TypeDefinition, TypeKind, TypeSystemDefinition,
};
use serde_json::{Map, Value, json};

/// Levels of an answer that are asked for.
const DEPTH: usize = 3;

/// Values that cannot be made up from their type.
const VALUES: [(&str, &str); 9] = [
    ("SendMessageInput.content", r#"[{"text": "hello"}]"#),
    ("SetAgentCapabilitiesInput.capabilityIds", r#"["noop"]"#),
    ("CreateLlmProviderInput.providerType", r#""OPENAI""#),
    ("WriteSessionFileInput.path", r#""notes.txt""#),
    ("Session.file.path", r#""notes.txt""#),
    ("DeleteSessionFileInput.path", r#""notes.txt""#),
    ("UpdateAgentInput.name", r#""renamed""#),
    ("UpdateSessionInput.title", r#""renamed""#),
    ("UpdateLlmModelInput.displayName", r#""renamed""#),
];

/// The schema's types by name.
pub struct Operations {
    types: HashMap<String, TypeDefinition>,
}

/// An operation that is ready to be sent.
pub struct Made {
    pub document: String,
    pub variables: Value,
}

impl Operations {
    pub fn read() -> Self {
        let schema = parse_schema(include_str!("../../schema.graphql")).expect("the schema parses");
        let types = schema.definitions.into_iter().filter_map(|definition| match definition {
            TypeSystemDefinition::Type(named) => Some((named.node.name.node.to_string(), named.node)),
            _ => None,
        });
        Self { types: types.collect() }
    }

    /// Every root field with its kind of operation.
    pub fn roots(&self) -> Vec<(&'static str, String)> {
        let roots = [("query", "Query"), ("mutation", "Mutation"), ("subscription", "Subscription")];
        let fields = roots.into_iter().flat_map(|(kind, name)| {
            self.fields(name).iter().map(move |field| (kind, field.node.name.node.to_string()))
        });
        fields.collect()
    }

    /// Every place in the arguments of a root field that takes an id.
    /// Each is the names of arguments and input fields on the way to the id.
    pub fn places(&self, kind: &'static str, field: &str) -> Vec<Vec<String>> {
        let mut places = Vec::new();
        for argument in &self.root(kind, field).arguments {
            self.places_in(&argument.node, Vec::new(), &mut |path| places.push(path));
        }
        places
    }

    /// The operation of a root field. Required arguments are filled, ids by what `id` says for the name of their place; `with` are places that are
    /// filled although they are not required.
    pub fn make(&self, kind: &str, field: &str, id: &dyn Fn(&[String]) -> Value, with: &[Vec<String>]) -> Made {
        let root = self.root(kind, field);
        let (mut declared, mut passed, mut variables) = (Vec::new(), Vec::new(), Map::new());
        for argument in &root.arguments {
            let (name, argument) = (argument.node.name.node.to_string(), &argument.node);
            let wanted = with.iter().any(|path| path[0] == name);
            if argument.ty.node.nullable && !wanted {
                continue;
            }
            declared.push(format!("${name}: {}", argument.ty.node));
            passed.push(format!("{name}: ${name}"));
            variables.insert(name.clone(), self.value("", argument, &mut vec![], id, with));
        }
        let round = |list: &[String]| if list.is_empty() { String::new() } else { format!("({})", list.join(", ")) };
        let selection = self.selection(&root.ty.node, DEPTH);
        let document = format!("{kind}{} {{ {field}{}{selection} }}", round(&declared), round(&passed));
        Made { document, variables: Value::Object(variables) }
    }

    fn root(&self, kind: &str, field: &str) -> &FieldDefinition {
        let root = match kind {
            "query" => "Query",
            "mutation" => "Mutation",
            _ => "Subscription",
        };
        let found = self.fields(root).iter().find(|found| found.node.name.node == field);
        &found.expect("a field of the root").node
    }

    fn fields(&self, name: &str) -> &[async_graphql::Positioned<FieldDefinition>] {
        match &self.types[name].kind {
            TypeKind::Object(object) => &object.fields,
            TypeKind::Interface(interface) => &interface.fields,
            _ => &[],
        }
    }

    fn inputs(&self, name: &str) -> &[async_graphql::Positioned<InputValueDefinition>] {
        match self.types.get(name).map(|known| &known.kind) {
            Some(TypeKind::InputObject(input)) => &input.fields,
            _ => &[],
        }
    }

    /// The objects that an interface or union may be.
    fn members(&self, name: &str) -> Vec<&str> {
        if let TypeKind::Union(union) = &self.types[name].kind {
            return union.members.iter().map(|member| member.node.as_str()).collect();
        }
        let mut members: Vec<&str> = Vec::new();
        for (member, known) in &self.types {
            if let TypeKind::Object(object) = &known.kind
                && object.implements.iter().any(|implemented| implemented.node == name)
            {
                members.push(member);
            }
        }
        members.sort_unstable();
        members
    }

    fn places_in(&self, argument: &InputValueDefinition, mut path: Vec<String>, found: &mut dyn FnMut(Vec<String>)) {
        path.push(argument.name.node.to_string());
        let name = named(&argument.ty.node);
        if name == "ID" {
            return found(path);
        }
        for field in self.inputs(name) {
            self.places_in(&field.node, path.clone(), found);
        }
    }

    fn value(
        &self,
        owner: &str,
        argument: &InputValueDefinition,
        path: &mut Vec<String>,
        id: &dyn Fn(&[String]) -> Value,
        with: &[Vec<String>],
    ) -> Value {
        let name = argument.name.node.to_string();
        path.push(name.clone());
        let value = self.value_at(&format!("{owner}.{name}"), &argument.ty.node, path, id, with);
        path.pop();
        value
    }

    fn value_at(
        &self,
        place: &str,
        ty: &Type,
        path: &mut Vec<String>,
        id: &dyn Fn(&[String]) -> Value,
        with: &[Vec<String>],
    ) -> Value {
        if let Some((_, value)) = VALUES.iter().find(|(known, _)| *known == place) {
            return serde_json::from_str(value).expect("JSON");
        }
        let name = match &ty.base {
            BaseType::List(inner) => return json!([self.value_at(place, inner, path, id, with)]),
            BaseType::Named(name) => name.as_str(),
        };
        match name {
            "ID" => id(path),
            "Int" | "BigInt" | "Float" => json!(1),
            "Boolean" => json!(true),
            "String" => json!("made up"),
            "EventCursor" => json!("0.0"),
            "Scope" => json!("agents:read"),
            _ => match &self.types[name].kind {
                TypeKind::Enum(words) => json!(words.values[0].node.value.node),
                TypeKind::InputObject(input) => {
                    let mut object = Map::new();
                    for field in &input.fields {
                        let deeper = |way: &Vec<String>| {
                            way.len() > path.len()
                                && way[..path.len()] == path[..]
                                && way[path.len()] == *field.node.name.node
                        };
                        let known = format!("{name}.{}", field.node.name.node);
                        let required = !field.node.ty.node.nullable && field.node.default_value.is_none();
                        if required || with.iter().any(deeper) || VALUES.iter().any(|(place, _)| *place == known) {
                            let value = self.value(name, &field.node, path, id, with);
                            object.insert(field.node.name.node.to_string(), value);
                        }
                    }
                    Value::Object(object)
                }
                _ => panic!("{place} takes a {name}, for which this test has no value"),
            },
        }
    }

    /// Everything of a type that can be asked for without arguments, `depth` levels deep.
    fn selection(&self, ty: &Type, depth: usize) -> String {
        let name = named(ty);
        // Members of one interface may give a name to different things: each has names of its own.
        let fields = |name: &str, prefix: &str| {
            let fields = self.fields(name).iter().filter_map(|field| {
                let field = &field.node;
                let required =
                    |argument: &InputValueDefinition| !argument.ty.node.nullable && argument.default_value.is_none();
                if field.arguments.iter().any(|argument| required(&argument.node)) {
                    return None;
                }
                let inner = named(&field.ty.node);
                let leaf = !matches!(
                    self.types.get(inner).map(|known| &known.kind),
                    Some(TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_))
                );
                let asked = if prefix.is_empty() {
                    field.name.node.to_string()
                } else {
                    format!("{prefix}{0}: {0}", field.name.node)
                };
                match (leaf, depth) {
                    (true, _) => Some(asked),
                    (false, 0) => None,
                    (false, _) => Some(format!("{asked}{}", self.selection(&field.ty.node, depth - 1))),
                }
            });
            fields.collect::<Vec<_>>().join(" ")
        };
        match self.types.get(name).map(|known| &known.kind) {
            Some(TypeKind::Object(_)) => format!(" {{ __typename {} }}", fields(name, "")),
            Some(TypeKind::Interface(_) | TypeKind::Union(_)) => {
                let members = self
                    .members(name)
                    .into_iter()
                    .map(|member| format!("... on {member} {{ {} }}", fields(member, &format!("{member}_"))));
                format!(" {{ __typename {} }}", members.collect::<Vec<_>>().join(" "))
            }
            _ => String::new(),
        }
    }
}

/// The name of a type below its lists.
fn named(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name.as_str(),
        BaseType::List(inner) => named(inner),
    }
}
