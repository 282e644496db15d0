//! Which model answers, and which client asks it: what somebody chose, what the environment names, else the simulator.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, FutureExt, Shared, WeakShared};
use secrecy::{ExposeSecret, SecretString};

use super::llmsim::{self, Llmsim};
use super::model::{ModelClient, ModelError, ModelErrorCode, ModelTarget, ModelTimeouts, ProviderType};
use super::network::Network;
use super::provider::LlmProvider;
use super::stored_model::StoredTarget;
use crate::config::ModelSettings;
use crate::db::ids::Id;
use crate::db::{Store, read};
use crate::error::Result as StoreResult;
use crate::outbound;
use crate::secrets::Secrets;

/// The host that makes a base URL OpenAI's own.
const OPENAI_HOST: &str = "api.openai.com";

/// The clients, the keys that open stored ones, and the provider from the environment where there is one.
pub struct Models {
    network: Arc<Network>,
    simulator: Llmsim,
    reach: outbound::Reach,
    secrets: Arc<Secrets>,
    /// The provider from the environment, as a target without a model.
    provider: Option<ModelTarget>,
    default_model: Option<String>,
    first_listed: Mutex<FirstListed>,
}

/// Who chose a model for a turn, from the narrowest choice to the widest. A choice that is gone or disabled is passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelChoices {
    /// The message's own.
    pub message: Option<Id>,
    /// Its session's.
    pub session: Option<Id>,
    /// Its agent's default.
    pub agent: Option<Id>,
    /// The organization's default.
    pub organization: Option<Id>,
}

type Asking = BoxFuture<'static, Result<String, ModelError>>;

/// The first of the provider's list of models.
#[derive(Default)]
struct FirstListed {
    known: Option<String>,
    /// The request under way, which ends with the last caller that waits for it.
    asking: Option<WeakShared<Asking>>,
}

impl ModelChoices {
    /// Whether nobody chose.
    pub fn is_empty(self) -> bool {
        self.in_order().next().is_none()
    }

    fn in_order(self) -> impl Iterator<Item = Id> {
        [self.message, self.session, self.agent, self.organization].into_iter().flatten()
    }
}

impl Models {
    pub fn new(
        settings: ModelSettings,
        clients: outbound::ModelClients,
        timeouts: ModelTimeouts,
        secrets: Arc<Secrets>,
    ) -> Models {
        Models {
            reach: clients.reach.clone(),
            network: Arc::new(Network::new(clients, timeouts)),
            simulator: Llmsim::new(timeouts),
            secrets,
            default_model: not_blank(settings.default_model.clone()),
            provider: of_environment(settings),
            first_listed: Mutex::default(),
        }
    }

    /// The model for a turn: the first of the choices that answers, in one statement, else the operator's. No statement where nobody chose.
    pub async fn resolve(
        &self,
        store: &Store,
        organization_id: Id,
        choices: ModelChoices,
    ) -> StoreResult<Result<ModelTarget, ModelError>> {
        if choices.is_empty() {
            return Ok(self.of_operator().await);
        }
        let stored = stored(store, organization_id, choices.in_order().collect()).await?;
        Ok(match choices.in_order().find_map(|choice| stored.iter().find(|target| target.id == choice)) {
            Some(chosen) => self.opened(organization_id, chosen),
            None => self.of_operator().await,
        })
    }

    /// The model for a turn for which nobody chose one: the environment's provider with DEFAULT_MODEL or the first of its list of models, else the
    /// simulator. The list is asked for once; a failure is not remembered.
    pub async fn of_operator(&self) -> Result<ModelTarget, ModelError> {
        match self.settled() {
            Ok(target) => Ok(target),
            Err(provider) => Ok(ModelTarget { model: self.first_listed(provider).await?, ..provider.clone() }),
        }
    }

    /// The same where it is known without asking anybody, else the provider whose list must be asked for.
    pub fn settled(&self) -> Result<ModelTarget, &ModelTarget> {
        let default_model = self.default_model.clone();
        let Some(provider) = &self.provider else {
            let model = default_model.filter(|model| model.starts_with(llmsim::NAME));
            let model = model.unwrap_or_else(|| llmsim::NAME.to_owned());
            return Ok(ModelTarget { model, ..operators(ProviderType::Llmsim, None, None) });
        };
        match default_model.or_else(|| self.lock().known.clone()) {
            Some(model) => Ok(ModelTarget { model, ..provider.clone() }),
            None => Err(provider),
        }
    }

    /// The stored target with its key, and with an address that may be asked.
    fn opened(&self, organization_id: Id, stored: &StoredTarget) -> Result<ModelTarget, ModelError> {
        let (model, provider_type) = (&stored.model_id, stored.provider_type);
        // An address in the URL itself meets no resolver, and what is allowed may have changed since it was stored.
        if let Some(Err(why)) = stored.base_url.as_ref().map(|url| self.reach.check(url)) {
            return Err(unavailable(format!(
                "The model {model} ({provider_type}) cannot be asked at its base URL: {why}."
            )));
        }
        let place = LlmProvider::key_place(organization_id, stored.provider_id);
        let api_key = stored.api_key.as_ref().map(|sealed| self.secrets.open(&place, sealed)).transpose();
        let api_key = api_key.map_err(|cause| {
            tracing::error!(provider = %stored.provider_id, %cause, "a provider's key cannot be opened");
            let text = "cannot be asked: its stored key cannot be opened. Give its provider the key anew.";
            unavailable(format!("The model {model} ({provider_type}) {text}"))
        })?;
        Ok(ModelTarget {
            provider_type,
            base_url: stored.base_url.clone(),
            api_key,
            model: model.clone(),
            context_window: stored.context_window,
            provider_id: Some(stored.provider_id),
        })
    }

    /// Who asks this model.
    pub fn client(&self, target: &ModelTarget) -> &dyn ModelClient {
        match target.provider_type {
            ProviderType::Llmsim => &self.simulator,
            _ => self.network.as_ref(),
        }
    }

    async fn first_listed(&self, provider: &ModelTarget) -> Result<String, ModelError> {
        let asking = {
            let mut first = self.lock();
            if let Some(model) = &first.known {
                return Ok(model.clone());
            }
            match first.asking.as_ref().and_then(WeakShared::upgrade) {
                Some(asking) => asking,
                None => {
                    let asking = ask_first(self.network.clone(), provider.clone());
                    first.asking = asking.downgrade();
                    asking
                }
            }
        };
        let answer = asking.await;
        if let Ok(model) = &answer {
            self.lock().known = Some(model.clone());
        }
        answer
    }

    fn lock(&self) -> MutexGuard<'_, FirstListed> {
        // Nothing panics under this lock, and its content is whole at any time.
        self.first_listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ask_first(network: Arc<Network>, provider: ModelTarget) -> Shared<Asking> {
    let asking = async move {
        let models = network.list_models(&provider).await?;
        models.into_iter().find(|model| !model.is_empty()).ok_or_else(|| {
            unavailable(format!("The model provider ({}) lists no model. Set DEFAULT_MODEL.", provider.provider_type))
        })
    };
    asking.boxed().shared()
}

async fn stored(store: &Store, organization_id: Id, ids: Vec<Id>) -> StoreResult<Vec<StoredTarget>> {
    read!(store, llm::targets(organization_id, ids))
}

/// The provider that the environment names: the first of OpenAI's, Anthropic's and Gemini's variables that hold a key or a base URL.
fn of_environment(settings: ModelSettings) -> Option<ModelTarget> {
    let given = |key: Option<SecretString>, url: Option<String>| {
        let key = key.filter(|key| !key.expose_secret().trim().is_empty());
        let url = not_blank(url);
        (key.is_some() || url.is_some()).then_some((key, url))
    };
    let openai = given(settings.openai_api_key, settings.openai_base_url)
        .map(|(key, url)| operators(openai_or_compatible(url.as_deref()), key, url));
    let anthropic = given(settings.anthropic_api_key, settings.anthropic_base_url)
        .map(|(key, url)| operators(ProviderType::Anthropic, key, url));
    let gemini = given(settings.gemini_api_key, settings.gemini_base_url)
        .map(|(key, url)| operators(ProviderType::Gemini, key, url));
    openai.or(anthropic).or(gemini)
}

fn operators(provider_type: ProviderType, api_key: Option<SecretString>, base_url: Option<String>) -> ModelTarget {
    ModelTarget { provider_type, base_url, api_key, model: String::new(), context_window: None, provider_id: None }
}

fn openai_or_compatible(base_url: Option<&str>) -> ProviderType {
    let host = |url: &str| url.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    match base_url {
        Some(url) if host(url).as_deref() != Some(OPENAI_HOST) => ProviderType::OpenaiCompatible,
        _ => ProviderType::Openai,
    }
}

fn not_blank(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn unavailable(message: String) -> ModelError {
    ModelError::lasting(ModelErrorCode::Unavailable, message)
}
