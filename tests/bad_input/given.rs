//! The server that a table is tried on, and everything that is stored there.

use serde_json::{Value, json};

use super::sending;
use crate::app::{Caller, TestApp, answer};

/// What stands before the table is tried.
pub struct Given {
    pub app: TestApp,
    /// What the table sends as `Authorization`: nothing in mode none.
    pub authorization: Vec<String>,
    pub provider: String,
    pub model: String,
    pub agent: String,
    /// The path of the agent under /v1.
    pub agent_path: String,
    pub session: String,
    /// The path of the session under /v1.
    pub session_path: String,
}

/// Who asks in mode full.
pub const ADA: &str = "ada@example.com";

/// What is looked at before and after each row.
const STORED: &str = "{
    agents { nodes { id name defaultModelId updatedAt capabilities { capabilityId } } }
    archived: agents(filter: { status: ARCHIVED }) { totalCount }
    sessions { nodes { id title tags modelId status updatedAt headCursor messages { nodes { id withdrawnAt } }
        turns { nodes { id status } } files { nodes { path content updatedAt } } } }
    llmProviders { nodes { id name baseUrl apiKeySet isDefault status updatedAt } }
    llmModels { nodes { id modelId displayName isDefault status updatedAt } }
    viewer { apiKeys { nodes { id name scopes expiresAt } } }
}";
/// The part of it that mode none does not have.
const OF_THE_VIEWER: &str = "viewer { apiKeys { nodes { id name scopes expiresAt } } }";

impl Given {
    /// A server in mode none.
    pub async fn start() -> Self {
        let app = TestApp::start().await;
        let things = Things::make(&app).await;
        Self::of(app, Vec::new(), things)
    }

    /// A server in mode full, its table asked by a user who signed in.
    pub async fn start_full() -> Self {
        let app = TestApp::start_full().await;
        let ada = app.signed_in(&app.register(ADA).await);
        let things = Things::make(&ada).await;
        Self::of(app, ada.authorization.into_iter().collect(), things)
    }

    fn of(app: TestApp, authorization: Vec<String>, things: Things) -> Self {
        let Things { provider, model, session_path } = things;
        let (agent_path, session) = session_path.split_once("/sessions/").unwrap();
        let (agent_path, session) = (agent_path.to_owned(), session.to_owned());
        let agent = agent_path.rsplit('/').next().unwrap().to_owned();
        Self { app, authorization, provider, model, agent, agent_path, session, session_path }
    }

    /// Everything that is stored, as far as the table's caller can see it.
    pub async fn stored(&self) -> Value {
        let query = if self.authorization.is_empty() { STORED.replace(OF_THE_VIEWER, "") } else { STORED.to_owned() };
        let mut answer = self.graphql(&query, &json!({}), &self.authorization).await;
        assert!(answer.get("errors").is_none(), "{query} answered {answer}");
        answer["data"].take()
    }

    pub async fn graphql(&self, document: &str, variables: &Value, authorization: &[String]) -> Value {
        let body = json!({ "query": document, "variables": variables });
        let request = self.app.http.post(self.app.url("/graphql")).json(&body);
        answer(sending(request, authorization)).await.body
    }
}

/// What a server has before the table is tried.
struct Things {
    provider: String,
    model: String,
    session_path: String,
}

impl Things {
    async fn make(caller: &Caller) -> Self {
        let made = async |path: &str, body: Value| {
            let made = caller.post(path, body).await;
            assert_eq!(made.status, 201, "{}", made.body);
            made.body["id"].as_str().unwrap().to_owned()
        };
        let provider = made("/v1/llm-providers", json!({ "name": "Given", "provider_type": "openai" })).await;
        let model = json!({ "model_id": "given", "display_name": "Given" });
        let model = made(&format!("/v1/llm-providers/{provider}/models"), model).await;
        let (session_path, _) = caller.session_with(&["noop"]).await;
        let file = caller.put(&format!("{session_path}/files/notes.txt"), json!({ "content": "given" })).await;
        assert_eq!(file.status, 200, "{}", file.body);
        caller.say(&session_path, "hello").await;
        caller.sse(&session_path, None).await.until("session.completed").await;
        Self { provider, model, session_path }
    }
}
