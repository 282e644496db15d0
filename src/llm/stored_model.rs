//! What a stored model is: a provider's name of it, and what is known of it.

use async_graphql::{InputObject, MaybeUndefined, SimpleObject};
use diesel::{Insertable, Queryable, Selectable};

use super::model::ProviderType;
use super::provider::LlmStatus;
use crate::clock::Timestamp;
use crate::db::ids::{Id, Noun};
use crate::db::tables::llm_models;
use crate::error::{Error, Result};
use crate::validate::{self, given, not_null};

/// Tokens of a context window: what GraphQL's `Int` holds.
const CONTEXT_WINDOW_MAX: i64 = (1 << 31) - 1;
/// Models of one organization.
pub const MODELS_MAX: i64 = 10_000;

/// One model of a provider.
#[derive(Queryable, Selectable, Insertable, SimpleObject, Clone, Debug)]
#[diesel(table_name = llm_models)]
#[graphql(complex)]
pub struct LlmModel {
    #[graphql(skip)]
    pub organization_id: Id,
    /// The model's id.
    pub id: Id,
    /// Id of the provider.
    pub provider_id: Id,
    /// Its name as the provider spells it: 1 to 255 characters.
    pub model_id: String,
    /// What people call it: 1 to 255 characters.
    pub display_name: String,
    /// Tokens that it takes in all, where known.
    pub context_window: Option<i64>,
    /// What a million tokens that it reads cost, in the currency of the provider's bill, where known.
    pub input_price_per_million: Option<f64>,
    /// What a million tokens that it writes cost, in the currency of the provider's bill, where known.
    pub output_price_per_million: Option<f64>,
    /// Whether it answers where nothing else is chosen. One per organization.
    pub is_default: bool,
    /// Whether it answers.
    pub status: LlmStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// What a call of a stored model needs. It has no `Debug`, for the key, sealed as it is.
#[derive(Queryable)]
pub struct StoredTarget {
    /// The model's id.
    pub id: Id,
    /// Its name as the provider spells it.
    pub model_id: String,
    pub context_window: Option<i64>,
    pub provider_id: Id,
    pub provider_type: ProviderType,
    pub base_url: Option<String>,
    /// Sealed for its provider's row.
    pub api_key: Option<Vec<u8>>,
}

/// Which models to list.
#[derive(InputObject, Clone, Debug, Default)]
pub struct LlmModelFilter {
    /// Models of this provider. One that does not exist is NOT_FOUND.
    pub provider_id: Option<Id>,
}

/// A new model.
#[derive(InputObject, Clone, Debug)]
pub struct CreateLlmModelInput {
    /// Whose it is.
    pub provider_id: Id,
    /// Its name as the provider spells it: 1 to 255 characters, once under a provider.
    pub model_id: String,
    /// What people call it: 1 to 255 characters.
    pub display_name: String,
    /// Tokens that it takes in all: at least 1.
    pub context_window: Option<i64>,
    /// What a million tokens that it reads cost: at least 0.
    pub input_price_per_million: Option<f64>,
    /// What a million tokens that it writes cost: at least 0.
    pub output_price_per_million: Option<f64>,
    /// Whether it answers where nothing else is chosen; the model that was the default is it no longer.
    pub is_default: Option<bool>,
    /// A key of the caller's choice, 1 to 255 printable ASCII characters, so that this can be sent again safely: for 24 hours the same key with the
    /// same input answers what the first request made; with another input it is IDEMPOTENCY_KEY_REUSED.
    pub idempotency_key: Option<String>,
}

/// A change of a model. A field that is left out is left alone; null clears the context window and the prices and is refused elsewhere.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateLlmModelInput {
    /// Which model.
    pub id: Id,
    /// Its name as the provider spells it: 1 to 255 characters, once under a provider.
    pub model_id: MaybeUndefined<String>,
    /// What people call it: 1 to 255 characters.
    pub display_name: MaybeUndefined<String>,
    /// Tokens that it takes in all: at least 1; null clears it.
    pub context_window: MaybeUndefined<i64>,
    /// What a million tokens that it reads cost: at least 0; null clears it.
    pub input_price_per_million: MaybeUndefined<f64>,
    /// What a million tokens that it writes cost: at least 0; null clears it.
    pub output_price_per_million: MaybeUndefined<f64>,
    /// True makes it the default, in the place of the one that was.
    pub is_default: MaybeUndefined<bool>,
    /// DISABLED: it answers no longer.
    pub status: MaybeUndefined<LlmStatus>,
}

impl LlmModel {
    /// The model that `input` describes, checked but for its provider.
    pub fn new(organization_id: Id, input: CreateLlmModelInput) -> Result<Self> {
        validate::name("input.modelId", &input.model_id)?;
        validate::name("input.displayName", &input.display_name)?;
        let now = Timestamp::now();
        Ok(Self {
            organization_id,
            id: Id::new(Noun::LlmModel),
            provider_id: input.provider_id,
            model_id: input.model_id,
            display_name: input.display_name,
            context_window: context_window(input.context_window)?,
            input_price_per_million: price("input.inputPricePerMillion", input.input_price_per_million)?,
            output_price_per_million: price("input.outputPricePerMillion", input.output_price_per_million)?,
            is_default: input.is_default.unwrap_or(false),
            status: LlmStatus::Active,
            created_at: now,
            updated_at: now,
        })
    }

    /// The model after this change, which was checked.
    pub fn changed(self, input: UpdateLlmModelInput) -> Self {
        Self {
            model_id: given(input.model_id).unwrap_or(self.model_id),
            display_name: given(input.display_name).unwrap_or(self.display_name),
            context_window: or_before(input.context_window, self.context_window),
            input_price_per_million: or_before(input.input_price_per_million, self.input_price_per_million),
            output_price_per_million: or_before(input.output_price_per_million, self.output_price_per_million),
            is_default: given(input.is_default).unwrap_or(self.is_default),
            status: given(input.status).unwrap_or(self.status),
            updated_at: Timestamp::now(),
            ..self
        }
    }
}

impl UpdateLlmModelInput {
    /// Checks every field that is given.
    pub fn check(&self) -> Result<()> {
        for (field, name) in [("input.modelId", &self.model_id), ("input.displayName", &self.display_name)] {
            if let Some(name) = not_null(field, name)? {
                validate::name(field, name)?;
            }
        }
        context_window(given(self.context_window))?;
        price("input.inputPricePerMillion", given(self.input_price_per_million))?;
        price("input.outputPricePerMillion", given(self.output_price_per_million))?;
        not_null("input.isDefault", &self.is_default)?;
        not_null("input.status", &self.status)?;
        Ok(())
    }
}

fn or_before<T>(change: MaybeUndefined<T>, before: Option<T>) -> Option<T> {
    match change {
        MaybeUndefined::Undefined => before,
        MaybeUndefined::Null => None,
        MaybeUndefined::Value(value) => Some(value),
    }
}

fn context_window(tokens: Option<i64>) -> Result<Option<i64>> {
    match tokens {
        None | Some(1..=CONTEXT_WINDOW_MAX) => Ok(tokens),
        Some(_) => {
            let text = format!("context window must be 1 to {CONTEXT_WINDOW_MAX} tokens");
            Err(Error::bad_input("input.contextWindow", text))
        }
    }
}

fn price(field: &'static str, price: Option<f64>) -> Result<Option<f64>> {
    match price {
        Some(price) if !price.is_finite() || price < 0.0 => Err(Error::bad_input(field, "a price must be at least 0")),
        price => Ok(price),
    }
}
