//! "LLM Providers", "LLM Models" and "Capabilities".

use serde_json::{Value, json};

use super::Reader;
use crate::shapes::{id, keys, time};

/// What the server holds from the tutorial's provider and never shows.
const API_KEY: &str = "sk-...";

/// The path of the tutorial's provider.
pub async fn providers(reader: &Reader) -> String {
    let data = r#"{
    "name": "OpenAI",
    "provider_type": "openai",
    "api_key": "sk-..."
  }"#;
    let provider = reader.expect(201, "POST", "/v1/llm-providers", Some(data)).await;
    // The key is too short to show its end.
    let expected = json!({
        "id": provider["id"],
        "name": "OpenAI",
        "provider_type": "openai",
        "api_key_set": true,
        "is_default": false,
        "status": "active",
        "created_at": provider["created_at"],
        "updated_at": provider["updated_at"],
    });
    assert_eq!((&provider, keys(&provider)), (&expected, keys(&expected)));
    time(&provider["created_at"]);
    let list = reader.expect(200, "GET", "/v1/llm-providers", None).await;
    assert_eq!(list, json!({ "data": [provider] }));
    let path = format!("/v1/llm-providers/{}", id(&provider["id"]));
    assert_eq!(reader.expect(200, "GET", &path, None).await, provider);
    let long = r#"{"api_key": "sk-0123456789abcdef"}"#;
    assert_eq!(reader.expect(200, "PATCH", &path, Some(long)).await["api_key_last4"], "cdef");
    let data = format!(r#"{{"name": "x", "provider_type": "nobody", "api_key": "{API_KEY}"}}"#);
    let refused = reader.expect(400, "POST", "/v1/llm-providers", Some(&data)).await;
    assert_eq!((&refused["code"], &refused["field"]), (&json!("BAD_USER_INPUT"), &json!("provider_type")));
    assert!(!refused.to_string().contains(API_KEY));
    path
}

pub async fn models(reader: &Reader, provider: &str) {
    let path = format!("{provider}/models");
    let data = r#"{
    "model_id": "gpt-4",
    "display_name": "GPT-4",
    "context_window": 128000
  }"#;
    let model = reader.expect(201, "POST", &path, Some(data)).await;
    for (name, value) in [
        ("provider_id", json!(provider.rsplit('/').next())),
        ("model_id", json!("gpt-4")),
        ("display_name", json!("GPT-4")),
        ("context_window", json!(128_000)),
        ("is_default", json!(false)),
        ("status", json!("active")),
    ] {
        assert_eq!(model[name], value, "{name} of {model}");
    }
    time(&model["created_at"]);
    time(&model["updated_at"]);
    assert_eq!(reader.expect(409, "POST", &path, Some(data)).await["code"], "CONFLICT");
    assert_eq!(reader.expect(200, "GET", &path, None).await["data"][0]["id"], model["id"]);
    let list = reader.expect(200, "GET", "/v1/llm-models", None).await;
    let [listed] = list["data"].as_array().unwrap().as_slice() else { panic!("{list}") };
    assert_eq!((&listed["provider_name"], &listed["provider_type"]), (&json!("OpenAI"), &json!("openai")));
    assert_eq!((&listed["id"], &listed["model_id"]), (&model["id"], &model["model_id"]));
    let path = format!("/v1/llm-models/{}", id(&model["id"]));
    let patched = reader.expect(200, "PATCH", &path, Some(r#"{"display_name": "GPT-4 (old)"}"#)).await;
    assert_eq!((&patched["display_name"], &patched["context_window"]), (&json!("GPT-4 (old)"), &json!(128_000)));
    reader.expect(204, "DELETE", &path, None).await;
    reader.expect(404, "GET", &path, None).await;
}

pub async fn capabilities(reader: &Reader, agent: &str) {
    let list = reader.expect(200, "GET", "/v1/capabilities", None).await;
    let mut known: Vec<(&str, &str)> = Vec::new();
    for capability in list["data"].as_array().unwrap() {
        for name in ["id", "name", "description", "status", "category", "icon"] {
            assert!(capability[name].as_str().is_some_and(|text| !text.is_empty()), "{name} of {capability}");
        }
        assert!(capability["tools"].is_array(), "{capability}");
        known.push((capability["id"].as_str().unwrap(), capability["status"].as_str().unwrap()));
    }
    known.sort_unstable();
    let expected = [
        ("current_time", "available"),
        ("noop", "available"),
        ("research", "coming_soon"),
        ("sandbox", "coming_soon"),
        ("session_file_system", "available"),
        ("stateless_todo_list", "available"),
        ("test_math", "available"),
        ("test_weather", "available"),
        ("web_fetch", "available"),
    ];
    assert_eq!(known, expected);
    let path = format!("{agent}/capabilities");
    assert_eq!(reader.expect(200, "GET", &path, None).await, json!({ "data": [] }));
    let data = r#"{
    "capability_ids": ["current_time", "noop"]
  }"#;
    let expected = json!({ "data": [
        { "capability_id": "current_time", "position": 0 },
        { "capability_id": "noop", "position": 1 },
    ] });
    let set: Value = reader.expect(200, "PUT", &path, Some(data)).await;
    assert_eq!((&set, keys(&set["data"][0])), (&expected, vec!["capability_id", "position"]));
    assert_eq!(reader.expect(200, "PUT", &path, Some(r#"{"capabilities": ["current_time", "noop"]}"#)).await, expected);
    for wrong in [r#"["noop", "noop"]"#, r#"["no_such_thing"]"#, r#"["sandbox"]"#] {
        let refused = reader.expect(400, "PUT", &path, Some(&format!(r#"{{"capability_ids": {wrong}}}"#))).await;
        assert_eq!(refused["code"], "BAD_USER_INPUT", "{wrong}");
    }
    assert_eq!(reader.expect(200, "GET", &path, None).await, expected, "nothing changed");
}
