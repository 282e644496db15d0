//! The tutorial's story in GraphQL: each heading's question, asked of the schema.

use everruns::edge::websocket::SUBPROTOCOL;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{EMAIL, PASSWORD, Reader};
use crate::app::PATIENCE;
use crate::shapes::{id, time};

const SCOPES: [&str; 4] = ["agents:read", "agents:write", "sessions:read", "sessions:write"];

/// Heading by heading.
pub async fn walk(mut reader: Reader) {
    server(&reader).await;
    let key = sign_in(&mut reader).await;
    let agent = agents(&reader).await;
    let session = conversation(&reader, &agent).await;
    models(&reader).await;
    capabilities(&reader, &agent).await;
    archive(&reader, &agent).await;
    if let Some(key) = key {
        delete_key(&reader, &key, &session).await;
    }
    reader.app.stop().await;
}

/// A login's tokens and the id of the key that was made with them.
struct Signed {
    access_token: String,
    refresh_token: String,
    key_id: String,
}

/// Asks with the reader's credential; errors fail the test.
async fn ask(reader: &Reader, query: &str, variables: Value) -> Value {
    let mut body = post(reader, Some(&reader.authorization), query, variables).await;
    assert!(body.get("errors").is_none(), "{query} in mode {:?} answered {body}", reader.mode);
    body["data"].take()
}

/// The code of the refusal.
async fn refused(reader: &Reader, authorization: Option<&str>, query: &str, variables: Value) -> String {
    let body = post(reader, authorization, query, variables).await;
    body["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("{query} answered {body}")).to_owned()
}

async fn post(reader: &Reader, authorization: Option<&str>, query: &str, variables: Value) -> Value {
    let mut request = reader.app.http.post(reader.app.url("/graphql"));
    if let Some(authorization) = authorization {
        request = request.header("Authorization", authorization);
    }
    request.json(&json!({ "query": query, "variables": variables })).send().await.unwrap().json().await.unwrap()
}

async fn server(reader: &Reader) {
    let query = "{ server { status version authMode authConfig {
        mode passwordAuthEnabled oauthProviders signupEnabled } } }";
    let body = post(reader, None, query, json!({})).await;
    let mode = format!("{:?}", reader.mode).to_uppercase();
    let expected = json!({
        "status": "ok",
        "version": "0.1.0",
        "authMode": mode,
        "authConfig": {
            "mode": mode,
            "passwordAuthEnabled": reader.signs_in(),
            "oauthProviders": [],
            "signupEnabled": mode == "FULL",
        },
    });
    assert_eq!(body, json!({ "data": { "server": expected } }));
}

async fn sign_in(reader: &mut Reader) -> Option<Signed> {
    let login = "mutation($input: LoginInput!) { login(input: $input) {
        tokens { accessToken refreshToken tokenType expiresIn } user { email } } }";
    let right = json!({ "input": { "email": EMAIL, "password": PASSWORD } });
    if !reader.signs_in() {
        assert_eq!(refused(reader, None, login, right).await, "NOT_FOUND");
        return None;
    }
    let wrong = json!({ "input": { "email": EMAIL, "password": "a wrong password" } });
    assert_eq!(refused(reader, None, login, wrong).await, "UNAUTHENTICATED");
    let mut body = post(reader, None, login, right).await;
    let login = body["data"]["login"].take();
    assert_eq!(login["user"]["email"], EMAIL, "{body}");
    let tokens = &login["tokens"];
    assert_eq!((&tokens["tokenType"], &tokens["expiresIn"]), (&json!("Bearer"), &json!(900)));
    reader.authorization = format!("Bearer {}", tokens["accessToken"].as_str().unwrap());
    let create = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) {
        key apiKey { id name keyPrefix scopes expiresAt lastUsedAt createdAt } } }";
    let variables = json!({ "input": { "name": "my-api-key", "scopes": SCOPES } });
    let created = ask(reader, create, variables.clone()).await["createApiKey"].take();
    let key = created["key"].as_str().unwrap().to_owned();
    assert_eq!(created["apiKey"]["scopes"], json!(SCOPES));
    let listed = ask(reader, "{ viewer { scopes user { email } apiKeys { nodes { id } } } }", json!({})).await;
    let viewer = json!({
        "scopes": SCOPES, "user": { "email": EMAIL }, "apiKeys": { "nodes": [{ "id": created["apiKey"]["id"] }] } });
    assert_eq!(listed["viewer"], viewer);
    // A key cannot manage keys.
    assert_eq!(refused(reader, Some(&key), create, variables).await, "FORBIDDEN");
    reader.authorization = key;
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    Some(Signed {
        access_token: text("accessToken"),
        refresh_token: text("refreshToken"),
        key_id: id(&created["apiKey"]["id"]),
    })
}

/// The tutorial's agent: its id.
async fn agents(reader: &Reader) -> String {
    let create = "mutation($input: CreateAgentInput!) { createAgent(input: $input) {
        agent { id name description systemPrompt tags status createdAt updatedAt } } }";
    let input = json!({
        "name": "Customer Support Agent",
        "description": "Handles customer inquiries",
        "systemPrompt": "You are a helpful customer support agent.",
        "tags": ["support", "customer-facing"],
    });
    let agent = ask(reader, create, json!({ "input": input })).await["createAgent"]["agent"].take();
    for (name, value) in input.as_object().unwrap() {
        assert_eq!(&agent[name], value);
    }
    assert_eq!(agent["status"], "ACTIVE");
    time(&agent["createdAt"]);
    let list = ask(reader, "{ agents { nodes { id } } }", json!({})).await;
    assert_eq!(list["agents"]["nodes"], json!([{ "id": agent["id"] }]));
    let update = "mutation($input: UpdateAgentInput!) { updateAgent(input: $input) { agent { name description } } }";
    let change = json!({ "input": { "id": agent["id"], "name": "Updated Agent Name" } });
    let updated = ask(reader, update, change).await["updateAgent"]["agent"].take();
    assert_eq!(updated, json!({ "name": "Updated Agent Name", "description": "Handles customer inquiries" }));
    id(&agent["id"])
}

/// A session, a message, and the answer as it was watched; gives back the session's id.
async fn conversation(reader: &Reader, agent: &str) -> String {
    let create = "mutation($input: CreateSessionInput!) { createSession(input: $input) { session { id title status agentId } } }";
    let input = json!({ "input": { "agentId": agent, "title": "Support Chat #1234" } });
    let session = ask(reader, create, input).await["createSession"]["session"].take();
    let expected = json!({ "id": session["id"], "title": "Support Chat #1234", "status": "PENDING", "agentId": agent });
    assert_eq!(session, expected);
    let session_id = id(&session["id"]);
    let mut socket = subscribe(reader, &session_id).await;
    let send = "mutation($input: SendMessageInput!) { sendMessage(input: $input) {
        message { sequence role content { text } } turn { id } eventCursor } }";
    let input = json!({ "input": { "sessionId": session_id, "content": [{ "text": "How do I reset my password?" }] } });
    let sent = ask(reader, send, input).await["sendMessage"].take();
    let expected = json!({ "sequence": 1, "role": "USER", "content": { "text": "How do I reset my password?" } });
    assert_eq!(sent["message"], expected);
    let mut said = String::new();
    let mut seen: Vec<String> = Vec::new();
    while seen.last().is_none_or(|last| last != "SessionCompleted") {
        let message = hear(&mut socket).await.expect("the stream stays open");
        let event = &message["payload"]["data"]["sessionEvents"];
        said += event["delta"].as_str().unwrap_or_default();
        let kind = event["__typename"].as_str().unwrap_or_else(|| panic!("{message}")).to_owned();
        if seen.last() != Some(&kind) {
            seen.push(kind);
        }
    }
    seen.retain(|kind| kind != "CaughtUp");
    let order =
        ["MessageReceived", "SessionStarted", "StepStarted", "MessageDelta", "MessageCreated", "SessionCompleted"];
    assert_eq!(seen, order);
    let query = "query($id: ID!) { session(id: $id) { status messages { nodes { sequence role content { text } } } } }";
    let session = ask(reader, query, json!({ "id": session_id })).await["session"].take();
    assert_eq!(session["status"], "PENDING");
    let answer = json!({ "sequence": 2, "role": "ASSISTANT", "content": { "text": said } });
    assert_eq!(session["messages"]["nodes"], json!([expected, answer]));
    session_id
}

async fn models(reader: &Reader) {
    let create = "mutation($input: CreateLlmProviderInput!) { createLlmProvider(input: $input) {
        provider { id name providerType apiKeySet status } } }";
    let input = json!({ "input": { "name": "OpenAI", "providerType": "OPENAI", "apiKey": "sk-..." } });
    let provider = ask(reader, create, input).await["createLlmProvider"]["provider"].take();
    let expected = json!({
        "id": provider["id"], "name": "OpenAI", "providerType": "OPENAI", "apiKeySet": true, "status": "ACTIVE" });
    assert_eq!(provider, expected);
    let create = "mutation($input: CreateLlmModelInput!) { createLlmModel(input: $input) {
        model { modelId displayName contextWindow provider { name } } } }";
    let input = json!({ "input": {
        "providerId": provider["id"], "modelId": "gpt-4", "displayName": "GPT-4", "contextWindow": 128_000 } });
    let model = ask(reader, create, input.clone()).await["createLlmModel"]["model"].take();
    let expected = json!({
        "modelId": "gpt-4", "displayName": "GPT-4", "contextWindow": 128_000, "provider": { "name": "OpenAI" } });
    assert_eq!(model, expected);
    assert_eq!(refused(reader, Some(&reader.authorization), create, input).await, "CONFLICT");
    let lists = ask(reader, "{ llmProviders { nodes { name } } llmModels { nodes { modelId } } }", json!({})).await;
    let expected = json!({
        "llmProviders": { "nodes": [{ "name": "OpenAI" }] }, "llmModels": { "nodes": [{ "modelId": "gpt-4" }] } });
    assert_eq!(lists, expected);
}

async fn capabilities(reader: &Reader, agent: &str) {
    let list = ask(reader, "{ capabilities { id status } }", json!({})).await;
    assert!(list["capabilities"].as_array().unwrap().contains(&json!({ "id": "sandbox", "status": "COMING_SOON" })));
    let set = "mutation($input: SetAgentCapabilitiesInput!) { setAgentCapabilities(input: $input) {
        agent { capabilities { capabilityId position } } } }";
    let input = |ids: &[&str]| json!({ "input": { "agentId": agent, "capabilityIds": ids } });
    let answer = ask(reader, set, input(&["current_time", "noop"])).await;
    let expected = json!([
        { "capabilityId": "current_time", "position": 0 },
        { "capabilityId": "noop", "position": 1 },
    ]);
    assert_eq!(answer["setAgentCapabilities"]["agent"]["capabilities"], expected);
    for wrong in [["noop", "noop"], ["noop", "sandbox"], ["noop", "no_such_thing"]] {
        assert_eq!(refused(reader, Some(&reader.authorization), set, input(&wrong)).await, "BAD_USER_INPUT");
    }
}

async fn archive(reader: &Reader, agent: &str) {
    let archive = "mutation($id: ID!) { archiveAgent(input: { id: $id }) { agent { status } } }";
    let answer = ask(reader, archive, json!({ "id": agent })).await;
    assert_eq!(answer["archiveAgent"]["agent"]["status"], "ARCHIVED");
    let again = refused(reader, Some(&reader.authorization), archive, json!({ "id": agent })).await;
    assert_eq!(again, "NOT_FOUND");
}

/// The key is refused at once and its subscription ends; the login goes on by its refresh token.
async fn delete_key(reader: &Reader, signed: &Signed, session_id: &str) {
    let agents = "{ agents { nodes { id } } }";
    assert_eq!(refused(reader, None, agents, json!({})).await, "UNAUTHENTICATED");
    let mut socket = subscribe(reader, session_id).await;
    let delete = "mutation($id: ID!) { deleteApiKey(input: { id: $id }) { deletedApiKeyId } }";
    let bearer = format!("Bearer {}", signed.access_token);
    let answer = post(reader, Some(&bearer), delete, json!({ "id": signed.key_id })).await;
    assert_eq!(answer, json!({ "data": { "deleteApiKey": { "deletedApiKeyId": signed.key_id } } }));
    assert_eq!(refused(reader, Some(&reader.authorization), agents, json!({})).await, "UNAUTHENTICATED");
    // Its end is told, or its socket closed; either way it does not go on.
    while let Some(message) = hear(&mut socket).await {
        if ["error", "complete"].contains(&message["type"].as_str().unwrap_or_default()) {
            break;
        }
    }
    let refresh = "mutation($token: String!) { refreshToken(input: { token: $token }) { tokens { accessToken } } }";
    let answer = post(reader, None, refresh, json!({ "token": signed.refresh_token })).await;
    let token = answer["data"]["refreshToken"]["tokens"]["accessToken"].as_str().unwrap_or_else(|| panic!("{answer}"));
    let bearer = format!("Bearer {token}");
    let viewer = post(reader, Some(&bearer), "{ viewer { user { email } } }", json!({})).await;
    assert_eq!(viewer["data"]["viewer"]["user"]["email"], EMAIL, "{viewer}");
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Watches a session from its start, with the reader's credential in `connection_init`.
async fn subscribe(reader: &Reader, session_id: &str) -> Socket {
    let mut request = reader.app.ws_url().into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
    let mut socket = connect_async(request).await.unwrap().0;
    let query = "subscription($id: ID!) { sessionEvents(sessionId: $id) { __typename ... on MessageDelta { delta } } }";
    let payload = json!({ "query": query, "variables": { "id": session_id } });
    for message in [
        json!({ "type": "connection_init", "payload": { "authorization": reader.authorization } }),
        json!({ "type": "subscribe", "id": "1", "payload": payload }),
    ] {
        socket.send(Message::text(message.to_string())).await.unwrap();
    }
    assert_eq!(hear(&mut socket).await.unwrap()["type"], "connection_ack");
    socket
}

/// The next message; none when the socket is closed.
async fn hear(socket: &mut Socket) -> Option<Value> {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("a message in time")? {
            Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
            Ok(Message::Ping(_)) => {}
            _ => return None,
        }
    }
}
