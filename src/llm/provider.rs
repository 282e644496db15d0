//! What a provider is: where models are, and the key that opens the door there.

use std::sync::Arc;

use async_graphql::{InputObject, MaybeUndefined, SimpleObject};
use diesel::dsl::IsNotNull;
use diesel::{ExpressionMethods as _, Insertable, Queryable, Selectable};
use secrecy::{ExposeSecret as _, SecretString};

use super::model::ProviderType;
use crate::clock::Timestamp;
use crate::db::ids::{Id, Noun};
use crate::db::tables::llm_providers;
use crate::db::types::text_enum;
use crate::error::{Error, Result};
use crate::outbound::{Reach, fault_of_root, same_origin};
use crate::secrets::{Place, SecretInput, Secrets};
use crate::validate;

/// Bytes of a base URL.
const BASE_URL_BYTES_MAX: usize = 2048;
/// Bytes of a key.
const API_KEY_BYTES_MAX: usize = 4096;
/// Providers of one organization.
pub const PROVIDERS_MAX: i64 = 1_000;
/// The least length of a key of which the end is shown, in characters: less would show too much of it.
const SHOWN_KEY_CHARACTERS_MIN: usize = 8;

/// Where models are: a company's API, or a server of one's own.
#[derive(Queryable, Selectable, Insertable, SimpleObject, Clone, Debug)]
#[diesel(table_name = llm_providers)]
#[graphql(complex)]
pub struct LlmProvider {
    #[graphql(skip)]
    pub organization_id: Id,
    /// The provider's id.
    pub id: Id,
    /// What people call it: 1 to 255 characters.
    pub name: String,
    /// How it is spoken to.
    pub provider_type: ProviderType,
    /// API root, for example `https://host/v1`; null means the provider's public one.
    pub base_url: Option<String>,
    /// Whether a key is stored. The key itself is never shown.
    #[diesel(
        skip_insertion,
        select_expression = llm_providers::api_key.is_not_null(),
        select_expression_type = IsNotNull<llm_providers::api_key>
    )]
    pub api_key_set: bool,
    /// The last four characters of the key, to tell it by; null where there is no key or a short one.
    pub api_key_last4: Option<String>,
    /// Whether its oldest active model answers where nothing else is chosen, and no model is the default itself. One per organization.
    pub is_default: bool,
    /// Whether its models answer.
    pub status: LlmStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

text_enum! {
    /// Whether a provider or model answers.
    pub enum LlmStatus {
        /// It does.
        Active = "active",
        /// It does not: whoever chose it gets the next choice.
        Disabled = "disabled",
    }
}

/// A new provider.
#[derive(InputObject, Clone, Debug)]
pub struct CreateLlmProviderInput {
    /// What people call it: 1 to 255 characters.
    pub name: String,
    /// How it is spoken to.
    pub provider_type: ProviderType,
    /// API root, for example `https://host/v1`: at most 2048 bytes, http or https, without credentials, query or fragment. AZURE_OPENAI, OLLAMA and
    /// OPENAI_COMPATIBLE need one; LLMSIM takes none.
    pub base_url: Option<String>,
    /// The key: 1 to 4096 printable characters without spaces. It is stored encrypted and never shown. LLMSIM takes none.
    pub api_key: Option<SecretInput>,
    /// Whether its oldest active model answers where nothing else is chosen; the provider that was the default is it no longer.
    pub is_default: Option<bool>,
    /// A key of the caller's choice, 1 to 255 printable ASCII characters, so that this can be sent again safely: for 24 hours the same key with the
    /// same input answers what the first request made; with another input it is IDEMPOTENCY_KEY_REUSED.
    pub idempotency_key: Option<String>,
}

/// A change of a provider. A field that is left out is left alone; null clears the base URL and the key and is refused elsewhere.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateLlmProviderInput {
    /// Which provider.
    pub id: Id,
    /// What people call it: 1 to 255 characters.
    pub name: MaybeUndefined<String>,
    /// API root; null clears it where none is needed. Where a key is stored, a root on another host, port or scheme needs the key given anew.
    pub base_url: MaybeUndefined<String>,
    /// The key, which replaces the old one; null clears it.
    pub api_key: MaybeUndefined<SecretInput>,
    /// True makes it the default, in the place of the one that was.
    pub is_default: MaybeUndefined<bool>,
    /// DISABLED: its models answer no longer.
    pub status: MaybeUndefined<LlmStatus>,
}

/// A key as it is stored: sealed, with what may be shown of it.
pub struct SealedKey {
    /// Absent where there is none.
    pub api_key: Option<Vec<u8>>,
    /// The end of the key, where it is long enough.
    pub last4: Option<String>,
}

/// What judges a provider's address and keeps its key.
#[derive(Clone)]
pub struct ProviderRules {
    /// Where users may send the server.
    pub reach: Reach,
    /// The keys that seal keys.
    pub secrets: Arc<Secrets>,
}

impl LlmProvider {
    /// The provider that `input` describes, checked, and its key.
    pub fn new(organization_id: Id, input: CreateLlmProviderInput, rules: &ProviderRules) -> Result<(Self, SealedKey)> {
        validate::name("input.name", &input.name)?;
        check_base_url(input.provider_type, input.base_url.as_deref(), &rules.reach)?;
        let api_key = input.api_key.map(SecretString::from);
        check_api_key(input.provider_type, api_key.as_ref())?;
        let id = Id::new(Noun::LlmProvider);
        let key = SealedKey::new(api_key.as_ref(), &Self::key_place(organization_id, id), &rules.secrets)?;
        let now = Timestamp::now();
        let provider = Self {
            organization_id,
            id,
            name: input.name,
            provider_type: input.provider_type,
            base_url: input.base_url,
            api_key_set: key.api_key.is_some(),
            api_key_last4: key.last4.clone(),
            is_default: input.is_default.unwrap_or(false),
            status: LlmStatus::Active,
            created_at: now,
            updated_at: now,
        };
        Ok((provider, key))
    }

    /// The provider after this change, checked, and its new key where the change gives one.
    pub fn changed(
        mut self,
        input: UpdateLlmProviderInput,
        rules: &ProviderRules,
    ) -> Result<(Self, Option<SealedKey>)> {
        let before = self.base_url.clone();
        match input.base_url {
            MaybeUndefined::Undefined => {}
            MaybeUndefined::Null => self.base_url = None,
            MaybeUndefined::Value(url) => self.base_url = Some(url),
        }
        if self.base_url != before {
            check_base_url(self.provider_type, self.base_url.as_deref(), &rules.reach)?;
        }
        let key = match input.api_key {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(key) => Some(Some(SecretString::from(key))),
        };
        if key.is_none() && self.api_key_set && !same_server(before.as_deref(), self.base_url.as_deref()) {
            let text = "the stored key would be sent to another server: give the key for it, or null for none";
            return Err(Error::bad_input("input.apiKey", text));
        }
        let place = Self::key_place(self.organization_id, self.id);
        let key = key.map(|key| {
            check_api_key(self.provider_type, key.as_ref())?;
            SealedKey::new(key.as_ref(), &place, &rules.secrets)
        });
        let key = key.transpose()?;
        if let Some(key) = &key {
            (self.api_key_set, self.api_key_last4) = (key.api_key.is_some(), key.last4.clone());
        }
        self.name = validate::given(input.name).unwrap_or(self.name);
        self.is_default = validate::given(input.is_default).unwrap_or(self.is_default);
        self.status = validate::given(input.status).unwrap_or(self.status);
        self.updated_at = Timestamp::now();
        Ok((self, key))
    }

    /// Where a provider's sealed key stands.
    pub fn key_place(organization_id: Id, id: Id) -> Place {
        Place::new(organization_id, id, "llm_providers.api_key")
    }
}

impl UpdateLlmProviderInput {
    /// Checks what can be said without the provider.
    pub fn check(&self) -> Result<()> {
        if let Some(name) = validate::not_null("input.name", &self.name)? {
            validate::name("input.name", name)?;
        }
        if let MaybeUndefined::Value(url) = &self.base_url {
            check_root(url)?;
        }
        validate::not_null("input.isDefault", &self.is_default)?;
        validate::not_null("input.status", &self.status)?;
        Ok(())
    }
}

impl SealedKey {
    fn new(key: Option<&SecretString>, place: &Place, secrets: &Secrets) -> Result<Self> {
        let Some(key) = key else { return Ok(Self { api_key: None, last4: None }) };
        let text = key.expose_secret();
        let last4 = (text.len() >= SHOWN_KEY_CHARACTERS_MIN).then(|| text[text.len() - 4..].to_owned());
        Ok(Self { api_key: Some(secrets.seal(place, key)?), last4 })
    }
}

fn check_base_url(provider_type: ProviderType, url: Option<&str>, reach: &Reach) -> Result<()> {
    use ProviderType::{AzureOpenai, Llmsim, Ollama, OpenaiCompatible};
    let refused = |text: String| Err(Error::bad_input("input.baseUrl", text));
    match (provider_type, url) {
        (Llmsim, Some(_)) => refused("a provider of type llmsim takes no base URL".into()),
        (AzureOpenai | Ollama | OpenaiCompatible, None) => {
            refused(format!("a provider of type {provider_type} needs a base URL"))
        }
        (_, None) => Ok(()),
        (_, Some(url)) => {
            check_root(url)?;
            reach.check(url).or_else(|why| refused(format!("base url cannot be used: {why}")))
        }
    }
}

fn check_root(url: &str) -> Result<()> {
    validate::bytes("input.baseUrl", url, BASE_URL_BYTES_MAX)?;
    fault_of_root(url).map_or(Ok(()), |why| Err(Error::bad_input("input.baseUrl", format!("base url {why}"))))
}

fn check_api_key(provider_type: ProviderType, key: Option<&SecretString>) -> Result<()> {
    let Some(key) = key.map(SecretString::expose_secret) else { return Ok(()) };
    let refused = |text: String| Err(Error::bad_input("input.apiKey", text));
    if provider_type == ProviderType::Llmsim {
        return refused("a provider of type llmsim takes no key".into());
    }
    // It becomes a header's value, and every provider's keys look so.
    if key.is_empty() || key.len() > API_KEY_BYTES_MAX || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return refused(format!("api key must have 1 to {API_KEY_BYTES_MAX} printable characters without spaces"));
    }
    Ok(())
}

/// Whether a key that was given for one base URL may go to the other: an absent one is the provider's own, which has no other name.
fn same_server(before: Option<&str>, after: Option<&str>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => same_origin(before, after),
        (before, after) => before == after,
    }
}
