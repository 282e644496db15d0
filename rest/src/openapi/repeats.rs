//! What a route takes and answers so that a request can be sent again: the idempotency key.

use utoipa::openapi::{
    Header, ObjectBuilder, RefOr, Required, Response,
    path::{Operation as Route, ParameterBuilder, ParameterIn},
    schema::Type as JsonType,
};

const KEY: &str = "Idempotency-Key";
const KEY_DESCRIPTION: &str = "A key of the caller's choice, 1 to 255 printable ASCII characters, so that this can be sent \
again safely: for 24 hours the same key with the same request makes nothing a second time.";
const KEY_CHARACTERS_MAX: usize = 255;
const GONE: &str = "What the path names, or what an earlier request with the same key made, does not exist";
const REUSED: &str = "The idempotency key was used with another request";

/// Adds the key to a route, how a repeated answer is told where one `replays`, and the refusal of another request under the same key.
pub(crate) fn complete(route: &mut Route, replays: bool) {
    let text =
        ObjectBuilder::new().schema_type(JsonType::String).min_length(Some(1)).max_length(Some(KEY_CHARACTERS_MAX));
    let key = ParameterBuilder::new()
        .name(KEY)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(KEY_DESCRIPTION))
        .schema(Some(text));
    route.parameters.get_or_insert_default().push(RefOr::T(key.build()));
    let responses = &mut route.responses.responses;
    if replays {
        let gone = || RefOr::T(Response::new(GONE));
        responses.entry("404".to_owned()).or_insert_with(gone);
        let made = responses.iter_mut().filter(|(status, _)| status.starts_with('2'));
        for (_, response) in made {
            let RefOr::T(response) = response else { continue };
            let mut told = Header::new(ObjectBuilder::new().schema_type(JsonType::String).enum_values(Some(["true"])));
            told.description = Some("There where an earlier request with the same key made it.".to_owned());
            response.headers.insert("Idempotency-Replayed".to_owned(), RefOr::T(told));
        }
    }
    match responses.get_mut("409") {
        Some(RefOr::T(conflict)) => conflict.description += &format!(". {REUSED}"),
        _ => {
            responses.insert("409".to_owned(), RefOr::T(Response::new(REUSED)));
        }
    }
}
