//! The refusals of a route: most follow from what it takes and whether it needs credentials.

use axum::http::StatusCode;
use serde_json::to_value;
use utoipa::openapi::{
    Content, Header, ObjectBuilder, Ref, RefOr, Response, path::Operation as Route, schema::Components,
    schema::Type as JsonType,
};

use crate::error::Error;

/// A refusal that many routes share.
struct Refusal {
    /// Its name among the components.
    name: &'static str,
    status: StatusCode,
    description: &'static str,
    /// The text of its example.
    error: &'static str,
    /// Whether this route may give it.
    applies: fn(&Route, &str) -> bool,
}

const REFUSALS: [Refusal; 8] = [
    Refusal {
        name: "BadRequest",
        status: StatusCode::BAD_REQUEST,
        description: "The request is malformed, breaks a limit or names something unknown; `field` says which part.",
        error: "limit must be 1 to 500",
        applies: |route, _| route.request_body.is_some() || route.parameters.is_some(),
    },
    Refusal {
        name: "Unauthorized",
        status: StatusCode::UNAUTHORIZED,
        description: "Credentials are missing or not valid.",
        error: "credentials are missing or not valid",
        applies: |route, _| route.security.as_ref().is_none_or(|open| !open.is_empty()),
    },
    Refusal {
        name: "Forbidden",
        status: StatusCode::FORBIDDEN,
        description: "The credential may not do this, or the request names another server or comes from another site.",
        error: "the credential lacks the scope agents:write",
        applies: |_, _| true,
    },
    Refusal {
        name: "NotFound",
        status: StatusCode::NOT_FOUND,
        description: "What the path names does not exist, or belongs to another organization.",
        error: "agent not found",
        applies: |_, path| path.contains('{'),
    },
    Refusal {
        name: "PayloadTooLarge",
        status: StatusCode::PAYLOAD_TOO_LARGE,
        description: "The body is larger than 16 MiB.",
        error: "length limit exceeded",
        applies: |route, _| route.request_body.is_some(),
    },
    Refusal {
        name: "UnsupportedMediaType",
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        description: "The body is not declared as `application/json`.",
        error: "Expected request with `Content-Type: application/json`",
        applies: |route, _| route.request_body.is_some(),
    },
    Refusal {
        name: "InternalServerError",
        status: StatusCode::INTERNAL_SERVER_ERROR,
        description: "A fault of the server; its log has the cause.",
        error: "internal server error",
        applies: |_, _| true,
    },
    Refusal {
        name: "ServiceUnavailable",
        status: StatusCode::SERVICE_UNAVAILABLE,
        description: "The server cannot do this now, for example because its database is out of reach.",
        error: "the server cannot do this now, try again",
        applies: |_, _| true,
    },
];

/// Adds the refusals that follow, and bodies to those that the handler names itself.
pub(crate) fn complete(route: &mut Route, path: &str, components: &mut Components) {
    for (status, response) in &mut route.responses.responses {
        if let RefOr::T(response) = response
            && let Some(status) = refused(status)
        {
            let error = Error::example(status, status.canonical_reason().unwrap_or_default());
            response.content.insert("application/json".to_owned(), RefOr::T(content(&error)));
        }
    }
    for refusal in REFUSALS {
        if (refusal.applies)(route, path) {
            let given = &mut route.responses.responses;
            given
                .entry(refusal.status.as_str().to_owned())
                .or_insert_with(|| RefOr::Ref(Ref::new(format!("#/components/responses/{}", refusal.name))));
            components.responses.entry(refusal.name.to_owned()).or_insert_with(|| RefOr::T(refusal.response()));
        }
    }
}

fn refused(status: &str) -> Option<StatusCode> {
    let status = status.parse::<StatusCode>().ok()?;
    (status.is_client_error() || status.is_server_error()).then_some(status)
}

fn content(error: &Error) -> Content {
    let mut content = Content::new(Some(Ref::from_schema_name("Error")));
    content.example = to_value(error).ok();
    content
}

impl Refusal {
    fn response(&self) -> Response {
        let mut response = Response::new(self.description);
        let error = Error::example(self.status, self.error);
        response.content.insert("application/json".to_owned(), RefOr::T(content(&error)));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = ObjectBuilder::new().schema_type(JsonType::Integer).minimum(Some(1));
            let mut header = Header::new(seconds);
            header.description = Some("After how many seconds it is worth to try again.".to_owned());
            response.headers.insert("Retry-After".to_owned(), RefOr::T(header));
        }
        response
    }
}
