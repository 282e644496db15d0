//! Nobody sees another organization's providers and models.

use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use serde_json::json;

use super::PROVIDERS;
use crate::app::TestApp;

const ORGANIZATION: &str = "01890000-0000-7000-8000-0000000000f0";
const PROVIDER: &str = "01890000-0000-7000-8000-0000000000fa";
const MODEL: &str = "01890000-0000-7000-8000-0000000000fb";

/// Stores another organization with a default provider and model, past the server.
async fn another_organization(app: &TestApp) {
    let url = secrecy::ExposeSecret::expose_secret(&app.config.database_url).to_owned();
    let on_sqlite = url.strip_prefix("sqlite://");
    let id = |id: &str| if on_sqlite.is_some() { format!("X'{}'", id.replace('-', "")) } else { format!("'{id}'") };
    let now = if on_sqlite.is_some() { "0" } else { "now()" };
    let (organization, provider, model) = (id(ORGANIZATION), id(PROVIDER), id(MODEL));
    let statements = format!(
        "INSERT INTO organizations (id, name, created_at) VALUES ({organization}, 'Other', {now});
         INSERT INTO llm_providers (organization_id, id, name, provider_type, is_default, status, created_at, updated_at)
         VALUES ({organization}, {provider}, 'Theirs', 'llmsim', TRUE, 'active', {now}, {now});
         INSERT INTO llm_models (organization_id, id, provider_id, model_id, display_name, is_default, status, created_at, updated_at)
         VALUES ({organization}, {model}, {provider}, 'llmsim?words=3', 'Theirs', TRUE, 'active', {now}, {now});"
    );
    if let Some(path) = on_sqlite {
        use diesel::Connection as _;
        use diesel::connection::SimpleConnection as _;
        diesel::SqliteConnection::establish(path).unwrap().batch_execute(&statements).unwrap();
    } else {
        AsyncPgConnection::establish(&url).await.unwrap().batch_execute(&statements).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_organizations_providers_and_models_are_not_there() {
    let app = TestApp::start().await;
    another_organization(&app).await;
    let (session, _) = app.session().await;
    let agent = session.split("/sessions").next().unwrap().to_owned();
    let (provider, model) = (format!("{PROVIDERS}/{PROVIDER}"), format!("/v1/llm-models/{MODEL}"));
    assert_eq!(app.get(PROVIDERS).await.body, json!({ "data": [] }));
    assert_eq!(app.get("/v1/llm-models").await.body, json!({ "data": [] }));
    let models = format!("{provider}/models");
    let missing = [
        app.get(&provider).await,
        app.patch(&provider, json!({ "name": "Mine" })).await,
        app.delete(&provider).await,
        app.get(&models).await,
        app.post(&models, json!({ "model_id": "m", "display_name": "M" })).await,
        app.get(&model).await,
        app.patch(&model, json!({ "display_name": "Mine" })).await,
        app.delete(&model).await,
    ];
    for answer in missing {
        assert_eq!((answer.status, &answer.body["code"]), (404, &json!("NOT_FOUND")), "{}", answer.body);
    }
    for (path, body) in [(&agent, json!({ "default_model_id": MODEL })), (&session, json!({ "model_id": MODEL }))] {
        assert_eq!(app.patch(path, body).await.status, 400);
    }
    let query = "query($ids: [ID!]!, $provider: ID!, $model: ID!) { nodes(ids: $ids) { id }
        llmProvider(id: $provider) { id } llmModel(id: $model) { id } llmModels { totalCount } }";
    let variables = json!({ "ids": [PROVIDER, MODEL], "provider": PROVIDER, "model": MODEL });
    let nothing =
        json!({ "nodes": [null, null], "llmProvider": null, "llmModel": null, "llmModels": { "totalCount": 0 } });
    assert_eq!(app.ask(query, variables).await, nothing);

    // Their default answers nobody else.
    let mut stream = app.sse(&session, None).await;
    app.say(&session, "hello").await;
    stream.until("session.completed").await;
    let steps = "{ sessions { nodes { turns { nodes { steps { model } } } } } }";
    let asked = app.ask(steps, json!({})).await;
    assert_eq!(asked["sessions"]["nodes"][0]["turns"]["nodes"][0]["steps"][0]["model"], "llmsim");
}
