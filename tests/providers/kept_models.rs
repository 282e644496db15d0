//! Models: made, found, changed, deleted where nobody has chosen them.

use serde_json::{Value, json};

use super::{MODEL_FIELDS, PROVIDERS, as_rest, model, provider, simulator};
use crate::app::TestApp;
use crate::shapes::{id, ids, keys};

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_rest_makes_is_the_one_that_graphql_shows() {
    let app = TestApp::start().await;
    let provider = provider(&app, json!({ "name": "OpenAI", "provider_type": "openai" })).await;
    let path = format!("{PROVIDERS}/{provider}/models");
    // As the tutorial prints it.
    let made = app.post(&path, json!({ "model_id": "gpt-4", "display_name": "GPT-4", "context_window": 128000 })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let expected = [
        "id",
        "provider_id",
        "model_id",
        "display_name",
        "context_window",
        "is_default",
        "status",
        "created_at",
        "updated_at",
    ];
    assert_eq!((keys(&made.body), &made.body["context_window"]), (expected.to_vec(), &json!(128000)));
    let id = id(&made.body["id"]);
    assert_eq!(app.get(&format!("/v1/llm-models/{id}")).await.body, made.body);
    let query = format!("query($id: ID!) {{ llmModel(id: $id) {{ {MODEL_FIELDS} }} node(id: $id) {{ __typename }} }}");
    let asked = app.ask(&query, json!({ "id": id })).await;
    assert_eq!(as_rest(&asked["llmModel"]), made.body);
    assert_eq!(asked["node"]["__typename"], "LlmModel");
    assert_eq!(app.get(&path).await.body, json!({ "data": [made.body] }));

    let query = format!(
        "mutation($input: CreateLlmModelInput!) {{ createLlmModel(input: $input) {{ model {{ {MODEL_FIELDS} provider {{ id }} }} }} }}"
    );
    let input = json!({ "providerId": provider, "modelId": "gpt-5", "displayName": "GPT-5", "inputPricePerMillion": 1.25, "outputPricePerMillion": 0 });
    let mut model = app.ask(&query, json!({ "input": input })).await["createLlmModel"]["model"].take();
    assert_eq!(model.as_object_mut().unwrap().remove("provider").unwrap()["id"], json!(provider));
    let shown = app.get(&format!("/v1/llm-models/{}", id_of(&model))).await.body;
    assert_eq!(shown, as_rest(&model));
    assert_eq!((&shown["input_price_per_million"], &shown["output_price_per_million"]), (&json!(1.25), &json!(0.0)));
}

fn id_of(value: &Value) -> String {
    id(&value["id"])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_all_models_names_their_providers() {
    let app = TestApp::start().await;
    let one = simulator(&app).await;
    let other = provider(&app, json!({ "name": "Other", "provider_type": "anthropic" })).await;
    let (first, second) = (model(&app, &one, "llmsim").await, model(&app, &other, "claude").await);
    let list = app.get("/v1/llm-models").await.body["data"].take();
    assert_eq!(ids(&list), [&second, &first]);
    let named: Vec<_> = list.as_array().unwrap().iter().map(|m| (&m["provider_name"], &m["provider_type"])).collect();
    assert_eq!(named, [(&json!("Other"), &json!("anthropic")), (&json!("Simulator"), &json!("llmsim"))]);
    let query = "query($filter: LlmModelFilter) { llmModels(filter: $filter) { totalCount nodes { id } } }";
    let asked = app.ask(query, json!({ "filter": { "providerId": one } })).await;
    assert_eq!(asked["llmModels"], json!({ "totalCount": 1, "nodes": [{ "id": first }] }));
    let asked = app.ask("{ llmProviders { nodes { models(first: 1) { nodes { id } } } } }", json!({})).await;
    assert_eq!(asked["llmProviders"]["nodes"][0]["models"]["nodes"][0]["id"], json!(second));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_edges_of_many_models_are_one_statement() {
    let app = TestApp::start().await;
    let provider = simulator(&app).await;
    for number in 0..5 {
        let model = model(&app, &provider, &format!("llmsim?words={number}")).await;
        let agent = json!({ "name": "A", "system_prompt": "", "default_model_id": model });
        assert_eq!(app.post("/v1/agents", agent).await.status, 201);
    }
    let before = app.counters.statements();
    let query = "{ agents { nodes { defaultModel { modelId provider { name } } } } }";
    let asked = app.ask(query, json!({})).await;
    assert_eq!(app.counters.statements() - before, 3);
    assert_eq!(
        asked["agents"]["nodes"][0]["defaultModel"],
        json!({ "modelId": "llmsim?words=4", "provider": { "name": "Simulator" } })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_has_a_model_once() {
    let app = TestApp::start().await;
    let (one, other) = (simulator(&app).await, simulator(&app).await);
    model(&app, &one, "llmsim").await;
    model(&app, &other, "llmsim").await;
    let second = model(&app, &one, "llmsim?echo").await;
    let body = json!({ "model_id": "llmsim", "display_name": "Again" });
    let again = app.post(&format!("{PROVIDERS}/{one}/models"), body).await;
    assert_eq!((again.status, &again.body["code"]), (409, &json!("CONFLICT")));
    let renamed = app.patch(&format!("/v1/llm-models/{second}"), json!({ "model_id": "llmsim" })).await;
    assert_eq!(renamed.status, 409);
    assert_eq!(app.patch(&format!("/v1/llm-models/{second}"), json!({ "model_id": "llmsim?echo" })).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_model_leaves_what_it_does_not_name() {
    let app = TestApp::start().await;
    let provider = simulator(&app).await;
    let body = json!({ "model_id": "llmsim", "display_name": "S", "context_window": 10, "input_price_per_million": 1.5, "is_default": true });
    let before = app.post(&format!("{PROVIDERS}/{provider}/models"), body).await.body;
    let path = format!("/v1/llm-models/{}", id_of(&before));
    let changed = app.patch(&path, json!({ "display_name": "T", "context_window": null })).await.body;
    let mut expected = before.clone();
    expected["display_name"] = json!("T");
    expected["updated_at"] = changed["updated_at"].clone();
    expected.as_object_mut().unwrap().remove("context_window");
    assert_eq!((&changed, &app.get(&path).await.body), (&expected, &expected));

    let other = format!("/v1/llm-models/{}", model(&app, &provider, "llmsim?echo").await);
    assert_eq!(app.patch(&other, json!({ "is_default": true })).await.body["is_default"], true);
    assert_eq!(app.get(&path).await.body["is_default"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_chose_is_not_deleted() {
    let app = TestApp::start().await;
    let provider = simulator(&app).await;
    let (of_agent, of_session) = (model(&app, &provider, "a").await, model(&app, &provider, "s").await);
    let agent = json!({ "name": "A", "system_prompt": "", "default_model_id": of_agent });
    let agent = format!("/v1/agents/{}", id_of(&app.post("/v1/agents", agent).await.body));
    let session = app.post(&format!("{agent}/sessions"), json!({ "model_id": of_session })).await.body;
    let session = format!("{agent}/sessions/{}", id_of(&session));
    let default = model(&app, &provider, "d").await;
    let [of_agent, of_session, default] = [of_agent, of_session, default].map(|id| format!("/v1/llm-models/{id}"));
    app.patch(&default, json!({ "is_default": true })).await;
    let provider = format!("{PROVIDERS}/{provider}");
    for path in [&of_agent, &of_session, &default, &provider] {
        let refused = app.delete(path).await;
        assert_eq!((refused.status, &refused.body["code"]), (409, &json!("CONFLICT")), "{path}");
    }
    // Each of them lets go in its own way.
    assert_eq!(app.delete(&agent).await.status, 204);
    assert_eq!(app.delete(&of_agent).await.status, 204);
    let freed = app.patch(&session, json!({ "model_id": null })).await;
    assert_eq!((freed.status, freed.body.get("model_id")), (200, None));
    assert_eq!(app.delete(&of_session).await.status, 204);
    assert_eq!(app.delete(&provider).await.status, 409);
    app.patch(&default, json!({ "is_default": false })).await;
    app.patch(&provider, json!({ "is_default": true })).await;
    assert_eq!(app.delete(&provider).await.status, 409, "its model answers as the default");
    app.patch(&provider, json!({ "is_default": false })).await;
    assert_eq!(app.delete(&provider).await.status, 204);
    assert_eq!(app.get(&default).await.status, 404);
}
