//! OpenAI's models at Azure: chat completions, at addresses of their own.
//!
//! Source: <https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle>. The base URL may be given as
//! Azure's portal shows it: the root of the newer API (`https://NAME.openai.azure.com/openai/v1`), a deployment
//! (`…/openai/deployments/NAME`), the address of its chat completions, or the resource alone, where the deployment has
//! the model's name.

use super::address::segment;

/// The version asked for where the base URL names none: the last one that needs to be named.
const API_VERSION: &str = "2024-10-21";

/// Where chat completions are asked for.
pub(super) fn endpoint(root: &str, model: &str) -> String {
    let (path, query) = root.split_once('?').map_or((root, None), |(path, query)| (path, Some(query)));
    let path = path.trim_end_matches('/').trim_end_matches("/chat/completions");
    let resource = path.strip_suffix("/openai").unwrap_or(path);
    let version = query.filter(|query| query.contains("api-version=")).map(str::to_owned);
    let version = version.unwrap_or_else(|| format!("api-version={API_VERSION}"));
    if path.ends_with("/v1") {
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("{path}/chat/completions{query}")
    } else if path.contains("/deployments/") {
        format!("{path}/chat/completions?{version}")
    } else {
        format!("{resource}/openai/deployments/{}/chat/completions?{version}", segment(model))
    }
}
