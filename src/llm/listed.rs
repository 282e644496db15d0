//! The list of a provider's models.

use std::time::Duration;

use serde::Deserialize;

use super::fault::Fault;
use super::frames::read_body;
use super::model::{ModelTarget, ProviderType};
use super::network::BODY_BYTES_MAX;
use super::{address, gemini};
use crate::outbound;

/// What a Gemini model can do that we ask for.
const GEMINI_METHOD: &str = "generateContent";

/// A list as any of the providers gives it: OpenAI and Anthropic call it `data`, Gemini and Ollama `models`, and some
/// servers say both.
#[derive(Deserialize)]
struct List {
    data: Option<Vec<Listed>>,
    models: Option<Vec<Listed>>,
}

#[derive(Deserialize)]
struct Listed {
    id: Option<String>,
    name: Option<String>,
    /// Gemini's.
    #[serde(rename = "supportedGenerationMethods")]
    methods: Option<Vec<String>>,
}

/// Asks for the list. The caller bounds the whole call in time.
pub(super) async fn read_list(client: &outbound::Client, provider: &ModelTarget) -> Result<Vec<String>, Fault> {
    if provider.provider_type == ProviderType::AzureOpenai {
        // Azure lists what it could deploy, not what is deployed.
        return Ok(Vec::new());
    }
    let address = address::of_list(provider).ok_or_else(|| Fault::unaddressed(provider))?;
    let get = address::authorized(client.get(address), provider);
    let mut response = get.send().await.map_err(|error| Fault::unreached(provider, error))?;
    let status = response.status();
    let (body, read) = read_body(&mut response, BODY_BYTES_MAX, Duration::MAX).await;
    if !status.is_success() {
        let body = String::from_utf8_lossy(&body);
        return Err(Fault::status(provider, status.as_u16(), response.headers(), &body));
    }
    read.map_err(|lost| Fault::cut(provider, lost.cause()))?;
    names(provider.provider_type, &body).map_err(|cause| Fault::foreign(provider, cause))
}

/// The names in a list, without models that do not chat; an error is the cause for the log.
fn names(provider_type: ProviderType, body: &[u8]) -> Result<Vec<String>, String> {
    let list: List = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let listed = list.data.or(list.models).ok_or_else(|| "a body without a list".to_owned())?;
    let chats = |listed: &Listed| listed.methods.as_ref().is_none_or(|all| all.iter().any(|one| one == GEMINI_METHOD));
    let names = listed.into_iter().filter(chats).filter_map(|listed| listed.id.or(listed.name));
    Ok(match provider_type {
        ProviderType::Gemini => names.map(|name| gemini::short_name(&name).to_owned()).collect(),
        _ => names.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_lists_in_its_own_way() {
        use ProviderType::{Anthropic, Gemini, Ollama, Openai, OpenaiCompatible};
        let gemini = r#"{"models":[
            {"name":"models/embed","supportedGenerationMethods":["embedContent"]},
            {"name":"models/chat","supportedGenerationMethods":["generateContent","countTokens"]}]}"#;
        let cases = [
            (Openai, r#"{"object":"list","data":[{"id":"one","object":"model"},{"id":"two"}]}"#, "one two"),
            (Anthropic, r#"{"data":[{"type":"model","id":"one","display_name":"One"}],"has_more":true}"#, "one"),
            (Gemini, gemini, "chat"),
            (Ollama, r#"{"models":[{"name":"one:latest","model":"one:latest","size":1}]}"#, "one:latest"),
            // A server that says both, and a path as a name.
            (OpenaiCompatible, r#"{"models":[{"name":"x"}],"data":[{"id":"models/one.gguf"}]}"#, "models/one.gguf"),
            (OpenaiCompatible, r#"{"data":[]}"#, ""),
        ];
        for (provider_type, body, expected) in cases {
            assert_eq!(names(provider_type, body.as_bytes()).unwrap().join(" "), expected);
        }
        assert!(names(Openai, b"{}").is_err() && names(Openai, b"canary").is_err());
    }
}
