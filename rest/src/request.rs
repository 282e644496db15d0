//! What routes take in: parameters of the path and the query, and bodies. A refusal has the error body.

use std::{fmt, marker::PhantomData, num::NonZeroU16};

use axum::{
    body::HttpBody,
    extract::{FromRequest, FromRequestParts, OptionalFromRequest, Request},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, MapAccess, Visitor, value::MapAccessDeserializer},
};
use utoipa::IntoParams;

use crate::error::Error;

#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Error))]
pub(crate) struct Path<T>(pub(crate) T);

#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Error))]
pub(crate) struct Query<T>(pub(crate) T);

/// A body: one JSON object.
pub(crate) struct Json<T>(pub(crate) T);

/// What is read from an object only: serde would also take a list, its values in the order of the fields.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// Reads a list of what is read from an object only.
pub(crate) fn objects<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let objects = Vec::<Object<T>>::deserialize(deserializer)?;
    Ok(objects.into_iter().map(|Object(value)| value).collect())
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let axum::Json(Object(body)) = <axum::Json<_> as FromRequest<S>>::from_request(request, state).await?;
        Ok(Self(body))
    }
}

/// A body that may be left out is absent where there is none, whatever the content type says.
impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Error> {
        if request.body().is_end_stream() {
            return Ok(None);
        }
        <Self as FromRequest<S>>::from_request(request, state).await.map(Some)
    }
}

#[derive(Deserialize, Serialize, IntoParams)]
#[serde(rename_all(serialize = "camelCase"))]
#[into_params(parameter_in = Path)]
pub(crate) struct AgentPath {
    /// The agent's id, a UUID.
    pub(crate) agent_id: String,
}

#[derive(Deserialize, Serialize, IntoParams)]
#[serde(rename_all(serialize = "camelCase"))]
#[into_params(parameter_in = Path)]
pub(crate) struct SessionPath {
    /// The id of the agent that answers in the session, a UUID.
    pub(crate) agent_id: String,
    /// The session's id, a UUID.
    pub(crate) session_id: String,
}

/// Which part of a list. What is absent has its default in the document that asks.
#[derive(Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// How many, at most 500; 100 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500)]
    pub(crate) limit: Option<NonZeroU16>,
    /// The `next` of the page before.
    pub(crate) after: Option<String>,
}

/// The input of an update: the ids that the path names, beside the changes that the body names.
#[derive(Serialize)]
pub(crate) struct Update<T> {
    pub(crate) input: UpdateInput<T>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateInput<T> {
    pub(crate) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent_id: Option<String>,
    #[serde(flatten)]
    pub(crate) changes: T,
}

impl AgentPath {
    pub(crate) fn update<T>(self, changes: T) -> Update<T> {
        Update { input: UpdateInput { id: self.agent_id, agent_id: None, changes } }
    }
}

impl SessionPath {
    pub(crate) fn update<T>(self, changes: T) -> Update<T> {
        Update { input: UpdateInput { id: self.session_id, agent_id: Some(self.agent_id), changes } }
    }
}
