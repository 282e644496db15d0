//! OpenAPI, completed: what follows from the documents, the schema and the paths is written down by nobody.
//!
//! A handler says its path, tag, parameters, body and the description of its success, and what is its own among its
//! refusals (`(status = 409, description = "The agent is archived")`). Shapes of answers (`shapes`), the refusals that
//! follow (`refusals`), the idempotency key (`repeats`), examples (`samples`), who may ask, and a description, where the handler has none the one of the
//! schema's field, are added to every route here.

mod refusals;
mod repeats;
mod samples;
mod shapes;

use async_graphql::parser::{parse_schema, types::ServiceDocument};
use utoipa::{
    PartialSchema,
    openapi::{
        Content, OpenApi, PathItem, RefOr, Schema, SchemaFormat, SecurityRequirement, Server,
        path::{Operation as Route, ParameterIn},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{
    error::{Error, snake_case},
    openapi::{samples::Samples, shapes::Shapes},
    operations::{Document, Operation},
};

const SCHEMA: &str = include_str!("../../schema.graphql");

/// The fields of the schema's roots that need no credentials.
const OPEN: [&str; 6] = ["server", "login", "register", "refreshToken", "startOauth", "finishOauth"];

/// Each of these is enough.
const SCHEMES: [&str; 3] = ["api_key", "bearer", "cookie"];

/// Completes what the routes' attributes say.
pub(crate) fn complete(mut api: OpenApi) -> OpenApi {
    api.servers = Some(vec![Server::new("/")]);
    api.security = Some(SCHEMES.map(|scheme| SecurityRequirement::new(scheme, [""; 0])).into());
    // A parameter that takes the rest of a path has a star in the router only.
    api.paths.paths = api.paths.paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    let schema = schema();
    let mut shapes = Shapes::new(&schema, api.components.take().unwrap_or_default());
    for item in api.paths.paths.values_mut() {
        routes(item).for_each(|route| describe(route, &mut shapes));
    }
    let mut components = shapes.components;
    components.schemas.insert("Error".to_owned(), Error::schema());
    components.security_schemes.extend(schemes());
    let samples = Samples::new(&components);
    for (path, item) in &mut api.paths.paths {
        for route in routes(item) {
            exemplify(route, &samples);
            refusals::complete(route, path, &mut components);
        }
    }
    api.components = Some(components);
    api
}

#[expect(clippy::panic, reason = "the text is part of the binary and tests read it, so this fails at start or never")]
fn schema() -> ServiceDocument {
    parse_schema(SCHEMA).unwrap_or_else(|error| panic!("schema.graphql is not GraphQL: {error}"))
}

fn routes(item: &mut PathItem) -> impl Iterator<Item = &mut Route> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}

/// The operations that answer for a handler: `ListAgents` for `list_agents`, `WatchEvents` for `list_events` too, and for an alias that of the
/// route whose alias it is.
fn documents(route: &Route) -> impl Iterator<Item = &'static Document> + use<> {
    let handler = route.operation_id.clone().unwrap_or_default().trim_end_matches("_alias").to_owned();
    let belongs = move |document: &&Document| snake_case(document.name).replace("watch_", "list_") == handler;
    Operation::ALL.iter().map(|operation| operation.document()).filter(belongs)
}

/// Says what a route answers and whether it is open, and, where its handler does not, what it does.
fn describe(route: &mut Route, shapes: &mut Shapes) {
    // utoipa's word for "no credentials" is one empty requirement.
    let mut open = route.security.as_ref().is_some_and(|given| given.contains(&SecurityRequirement::default()));
    for document in documents(route) {
        if route.description.is_none() {
            route.description = shapes.description(document);
        }
        open |= document.root().is_some_and(|field| OPEN.contains(&field.name.node.as_str()));
        if document.takes_key {
            repeats::complete(route, shapes.answers(document, "replayed"));
        }
        let (media_type, schema) = shapes.answer(document);
        for (status, response) in &mut route.responses.responses {
            if let RefOr::T(response) = response
                && has_body(status)
            {
                response.content.insert(media_type.to_owned(), RefOr::T(Content::new(Some(schema.clone()))));
            }
        }
    }
    if open {
        route.security = Some(Vec::new());
    }
    for parameter in route.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && parameter.parameter_in == ParameterIn::Path
            && parameter.name.ends_with("_id")
            && let Some(RefOr::T(Schema::Object(id))) = &mut parameter.schema
        {
            id.format = Some(SchemaFormat::Custom("uuid".to_owned()));
        }
    }
}

/// Whether a success with this status has a body.
fn has_body(status: &str) -> bool {
    status.starts_with('2') && status != "204"
}

/// Gives the bodies of a route their examples. A body that may be left out may still not be `null`.
fn exemplify(route: &mut Route, samples: &Samples) {
    if let Some(RefOr::T(body)) = &mut route.request_body {
        for content in body.content.values_mut() {
            let RefOr::T(content) = content else { continue };
            if let Some(RefOr::T(Schema::OneOf(one_of))) = &content.schema
                && let Some(given) = one_of.items.iter().find(|item| matches!(item, RefOr::Ref(_)))
            {
                content.schema = Some(given.clone());
            }
            content.example = samples.of(content.schema.as_ref());
        }
    }
    for response in route.responses.responses.values_mut() {
        let RefOr::T(response) = response else { continue };
        for content in response.content.values_mut() {
            if let RefOr::T(content) = content {
                content.example = samples.of(content.schema.as_ref());
            }
        }
    }
}

fn schemes() -> impl Iterator<Item = (String, RefOr<SecurityScheme>)> {
    let key = ApiKeyValue::with_description("Authorization", "An API key: `evr_…`, alone or after `Bearer `.");
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("The `access_token` that a login answers."));
    let cookie = ApiKeyValue::with_description("everruns_access", "The access token as a login's cookie sets it.");
    let schemes = [
        SecurityScheme::ApiKey(ApiKey::Header(key)),
        SecurityScheme::Http(token.build()),
        SecurityScheme::ApiKey(ApiKey::Cookie(cookie)),
    ];
    SCHEMES.map(str::to_owned).into_iter().zip(schemes.map(RefOr::T))
}
