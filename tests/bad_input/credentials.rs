//! Callers who are not who they say, and callers who may not.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{ADA, Case, FORBIDDEN, Given, Graphql, Rest, UNAUTHENTICATED, bare, case, get, graphql, json_body};
use crate::app::PASSWORD;

const AGENTS: &str = "query Agents { agents { nodes { id } } }";
const VIEWER: &str = "query Viewer { viewer { scopes } }";
const ARCHIVE: &str = "mutation Archive($input: ArchiveAgentInput!) { archiveAgent(input: $input) { agent { id } } }";

/// Everything that is no credential, asked to read, to say who asks, and to change.
pub async fn cases(given: &Given) -> Vec<Case> {
    let tokens = given.app.login((ADA, PASSWORD)).await;
    let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    let bearer = format!("Bearer {access}");
    let made = given.app.with(&bearer).post("/v1/auth/api-keys", json!({ "name": "given" })).await.body;
    let key = made["key"].as_str().unwrap();
    let forged = Forgery::of(given, access);
    let good = given.app.with(&forged.token(|_| {})).get("/v1/agents").await;
    assert_eq!(good.status, 200, "what is forged below is good but for what is said there: {}", good.body);
    let another = if key.ends_with('0') { "1" } else { "0" };
    let rows: Vec<(&str, Vec<String>)> = vec![
        ("nothing", vec![]),
        ("an empty header", vec![String::new()]),
        ("a scheme alone", vec!["Bearer".into()]),
        ("an unknown scheme", vec![format!("Basic {key}")]),
        ("a token without a scheme", vec![access.into()]),
        ("a token as a key", vec![format!("ApiKey {access}")]),
        ("a token of nothing", vec!["Bearer null".into()]),
        ("a token that is cut off", vec![bearer[..bearer.len() - 2].into()]),
        ("a token that is no text", vec!["Bearer é".into()]),
        ("a token that is too long", vec![format!("{bearer}{}", "A".repeat(8 * 1024))]),
        ("a token that nobody signed", vec!["Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJ4In0.".into()]),
        (
            "a token that another server signed",
            vec![Forgery { secret: "x".repeat(32), ..forged.clone() }.token(|_| {})],
        ),
        ("a token that is over", vec![forged.token(|claims| claims["exp"] = json!(1_700_000_000))]),
        ("a token without an end", vec![forged.token(|claims| drop(claims.as_object_mut().unwrap().remove("exp")))]),
        ("a token of another kind", vec![forged.token(|claims| claims["typ"] = json!("refresh"))]),
        ("a token of another login", vec![forged.token(|claims| claims["login"] = json!(given.agent))]),
        ("a token of another user", vec![forged.token(|claims| claims["sub"] = json!(given.agent))]),
        ("a token of another organization", vec![forged.token(|claims| claims["org"] = json!(given.agent))]),
        ("a refresh token", vec![format!("Bearer {refresh}")]),
        ("a refresh token without a scheme", vec![refresh.into()]),
        ("a key's first letters", vec!["evr_".into()]),
        ("a key of zeros", vec![format!("evr_{}", "0".repeat(36))]),
        ("a key with a wrong checksum", vec![format!("{}{another}", &key[..key.len() - 1])]),
        ("a key that is cut off", vec![key[..key.len() - 1].into()]),
        ("a key that is too long", vec![format!("{key}x")]),
        ("a key twice", vec![format!("Bearer {key} {key}")]),
        ("two keys", vec![key.into(), key.into()]),
        ("two tokens", vec![bearer.clone(), bearer.clone()]),
        ("a key beside nonsense", vec![key.into(), "Bearer null".into()]),
    ];
    let mut cases = Vec::new();
    for (kind, authorization) in rows {
        let authorization: Vec<&str> = authorization.iter().map(String::as_str).collect();
        let archive = graphql(ARCHIVE, json!({ "input": { "id": given.agent } }));
        for (rest, asked) in [
            (get("/v1/agents"), graphql(AGENTS, json!({}))),
            (get("/v1/auth/me"), graphql(VIEWER, json!({}))),
            (bare(Method::DELETE, &*given.agent_path), archive),
        ] {
            cases.push(case(kind, rest, asked, UNAUTHENTICATED).sending(&authorization));
        }
    }
    cases
}

/// Tokens as the server would sign them.
#[derive(Clone)]
struct Forgery {
    secret: String,
    claims: Value,
}

impl Forgery {
    /// Says what this token says, signed with the server's secret.
    fn of(given: &Given, access: &str) -> Self {
        let secret = given.app.config.auth.jwt_secret.as_ref().unwrap().expose_secret().to_owned();
        let key = DecodingKey::from_secret(secret.as_bytes());
        let claims = jsonwebtoken::decode(access, &key, &Validation::new(Algorithm::HS256)).unwrap().claims;
        Self { secret, claims }
    }

    fn token(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = self.claims.clone();
        change(&mut claims);
        let key = EncodingKey::from_secret(self.secret.as_bytes());
        format!("Bearer {}", jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap())
    }
}

/// Each scope missing from a key that has all others. Agents and sessions themselves are in tests/auth/scopes.rs.
pub async fn without_scopes(given: &Given) -> Vec<Case> {
    const SCOPES: [&str; 4] = ["agents:read", "agents:write", "sessions:read", "sessions:write"];
    let mut cases = Vec::new();
    for missing in SCOPES {
        let others: Vec<&str> = SCOPES.into_iter().filter(|scope| *scope != missing).collect();
        let (_, key) = given.app.with(&given.authorization[0]).key(json!(others)).await;
        let key = key.authorization.unwrap();
        let asked = match missing {
            "agents:read" => reading_agents(given),
            "agents:write" => writing_agents(given),
            "sessions:read" => reading_sessions(given),
            _ => writing_sessions(given),
        };
        for (what, rest, asked) in asked {
            cases.push(case(format!("{what} without {missing}"), rest, asked, FORBIDDEN).sending(&[&key]));
        }
    }
    cases
}

type Asked = Vec<(&'static str, Rest, Graphql)>;

fn reading_agents(given: &Given) -> Asked {
    let (provider, model) = (json!({ "id": given.provider }), json!({ "id": given.model }));
    let of_agent = "query Of($id: ID!) { agent(id: $id) { capabilities { position } } }";
    let of_provider = "query Of($id: ID!) { llmModels(filter: { providerId: $id }) { nodes { id } } }";
    let models = format!("/v1/llm-providers/{}/models", given.provider);
    let one = "query One($id: ID!) { llmProvider(id: $id) { id } }";
    vec![
        ("capabilities", get("/v1/capabilities"), graphql("{ capabilities { id } }", json!({}))),
        (
            "an agent's capabilities",
            get(format!("{}/capabilities", given.agent_path)),
            graphql(of_agent, json!({ "id": given.agent })),
        ),
        ("providers", get("/v1/llm-providers"), graphql("{ llmProviders { nodes { id } } }", json!({}))),
        ("a provider", get(format!("/v1/llm-providers/{}", given.provider)), graphql(one, provider.clone())),
        ("a provider's models", get(models), graphql(of_provider, provider)),
        ("models", get("/v1/llm-models"), graphql("{ llmModels { nodes { id } } }", json!({}))),
        (
            "a model",
            get(format!("/v1/llm-models/{}", given.model)),
            graphql("query One($id: ID!) { llmModel(id: $id) { id } }", model),
        ),
    ]
}

fn writing_agents(given: &Given) -> Asked {
    let (provider, model) =
        (format!("/v1/llm-providers/{}", given.provider), format!("/v1/llm-models/{}", given.model));
    let change = |method: Method, path: &str, body: Value, document: &'static str, input: Value| {
        (json_body(method, path, &body), graphql(document, json!({ "input": input })))
    };
    let set = change(
        Method::PUT,
        &format!("{}/capabilities", given.agent_path),
        json!({ "capability_ids": [] }),
        "mutation($input: SetAgentCapabilitiesInput!) { setAgentCapabilities(input: $input) { __typename } }",
        json!({ "agentId": given.agent, "capabilityIds": [] }),
    );
    let create = change(
        Method::POST,
        "/v1/llm-providers",
        json!({ "name": "A", "provider_type": "llmsim" }),
        "mutation($input: CreateLlmProviderInput!) { createLlmProvider(input: $input) { __typename } }",
        json!({ "name": "A", "providerType": "LLMSIM" }),
    );
    let update = change(
        Method::PATCH,
        &provider,
        json!({ "name": "B" }),
        "mutation($input: UpdateLlmProviderInput!) { updateLlmProvider(input: $input) { __typename } }",
        json!({ "id": given.provider, "name": "B" }),
    );
    let delete = change(
        Method::DELETE,
        &provider,
        json!({}),
        "mutation($input: DeleteLlmProviderInput!) { deleteLlmProvider(input: $input) { __typename } }",
        json!({ "id": given.provider }),
    );
    let create_model = change(
        Method::POST,
        &format!("{provider}/models"),
        json!({ "model_id": "m", "display_name": "M" }),
        "mutation($input: CreateLlmModelInput!) { createLlmModel(input: $input) { __typename } }",
        json!({ "providerId": given.provider, "modelId": "m", "displayName": "M" }),
    );
    let update_model = change(
        Method::PATCH,
        &model,
        json!({ "display_name": "B" }),
        "mutation($input: UpdateLlmModelInput!) { updateLlmModel(input: $input) { __typename } }",
        json!({ "id": given.model, "displayName": "B" }),
    );
    let delete_model = change(
        Method::DELETE,
        &model,
        json!({}),
        "mutation($input: DeleteLlmModelInput!) { deleteLlmModel(input: $input) { __typename } }",
        json!({ "id": given.model }),
    );
    let changes = [set, create, update, delete, create_model, update_model, delete_model];
    changes.into_iter().map(|(rest, graphql)| ("a change", rest, graphql)).collect()
}

fn reading_sessions(given: &Given) -> Asked {
    let files = format!("{}/files", given.session_path);
    let id = json!({ "id": given.session });
    let list = "query Files($id: ID!) { session(id: $id) { files { nodes { path } } } }";
    let one = "query File($id: ID!) { session(id: $id) { file(path: \"notes.txt\") { content } } }";
    vec![
        ("files", get(&files), graphql(list, id.clone())),
        ("a file", get(format!("{files}/notes.txt")), graphql(one, id)),
    ]
}

fn writing_sessions(given: &Given) -> Asked {
    let file = format!("{}/files/notes.txt", given.session_path);
    let write = "mutation($input: WriteSessionFileInput!) { writeSessionFile(input: $input) { __typename } }";
    let delete = "mutation($input: DeleteSessionFileInput!) { deleteSessionFile(input: $input) { __typename } }";
    let named = json!({ "input": { "sessionId": given.session, "path": "notes.txt" } });
    let mut written = named.clone();
    written["input"]["content"] = json!("a");
    vec![
        ("write a file", json_body(Method::PUT, &file, &json!({ "content": "a" })), graphql(write, written)),
        ("delete a file", bare(Method::DELETE, &file), graphql(delete, named)),
    ]
}
