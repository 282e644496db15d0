//! Which model answers where nobody chose one, and which client asks it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, FutureExt, Shared, WeakShared};
use secrecy::ExposeSecret;

use super::llmsim::{self, Llmsim};
use super::model::{ModelClient, ModelError, ModelErrorCode, ModelTarget, ModelTimeouts, ProviderType};
use super::openai::Openai;
use crate::config::ModelSettings;
use crate::outbound;

/// The host that makes a base URL OpenAI's own.
const OPENAI_HOST: &str = "api.openai.com";

/// The clients, and the provider from the environment where there is one.
pub struct Models {
    network: Arc<Openai>,
    simulator: Llmsim,
    /// The provider from the environment, as a target without a model.
    provider: Option<ModelTarget>,
    default_model: Option<String>,
    first_listed: Mutex<FirstListed>,
}

type Asking = BoxFuture<'static, Result<String, ModelError>>;

/// The first of the provider's list of models.
#[derive(Default)]
struct FirstListed {
    known: Option<String>,
    /// The request under way, which ends with the last caller that waits for it.
    asking: Option<WeakShared<Asking>>,
}

impl Models {
    pub fn new(settings: ModelSettings, clients: outbound::ModelClients, timeouts: ModelTimeouts) -> Models {
        let not_blank = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let api_key = settings.openai_api_key.filter(|key| !key.expose_secret().trim().is_empty());
        let base_url = not_blank(settings.openai_base_url);
        let provider = (api_key.is_some() || base_url.is_some()).then(|| ModelTarget {
            provider_type: provider_type(base_url.as_deref()),
            base_url,
            api_key,
            model: String::new(),
            context_window: None,
            by_operator: true,
        });
        Models {
            network: Arc::new(Openai::new(clients, timeouts)),
            simulator: Llmsim::new(timeouts),
            provider,
            default_model: not_blank(settings.default_model),
            first_listed: Mutex::default(),
        }
    }

    /// The model for a turn that names none: the environment's provider with DEFAULT_MODEL or the first of its list of
    /// models, else the simulator. The list is asked for once; a failure is not remembered.
    pub async fn resolve(&self) -> Result<ModelTarget, ModelError> {
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
            return Ok(ModelTarget {
                provider_type: ProviderType::Llmsim,
                base_url: None,
                api_key: None,
                model,
                context_window: None,
                by_operator: true,
            });
        };
        match default_model.or_else(|| self.lock().known.clone()) {
            Some(model) => Ok(ModelTarget { model, ..provider.clone() }),
            None => Err(provider),
        }
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

fn ask_first(network: Arc<Openai>, provider: ModelTarget) -> Shared<Asking> {
    let asking = async move {
        let models = network.list_models(&provider).await?;
        models.into_iter().find(|model| !model.is_empty()).ok_or_else(|| ModelError {
            code: ModelErrorCode::Unavailable,
            message: format!("The model provider ({}) lists no model. Set DEFAULT_MODEL.", provider.provider_type),
        })
    };
    asking.boxed().shared()
}

fn provider_type(base_url: Option<&str>) -> ProviderType {
    let host = |url: &str| url.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    match base_url {
        Some(url) if host(url).as_deref() != Some(OPENAI_HOST) => ProviderType::OpenaiCompatible,
        _ => ProviderType::Openai,
    }
}
