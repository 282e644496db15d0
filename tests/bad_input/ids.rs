//! Ids that are none, and ids of nothing, in every place of every operation.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Case, Given, Graphql, NO_AGENT, NO_SESSION, NOT_FOUND, Rest, bad, bare, case, get, graphql, graphql_only,
    json_body, rest_only,
};

const AGENT: &str = "query Agent($id: ID!) { agent(id: $id) { id } }";
const UPDATE_AGENT: &str = "mutation Update($input: UpdateAgentInput!) { updateAgent(input: $input) { agent { id } } }";
const ARCHIVE: &str = "mutation Archive($input: ArchiveAgentInput!) { archiveAgent(input: $input) { agent { id } } }";
const SESSIONS: &str = "query Sessions($filter: SessionFilter) { sessions(filter: $filter) { nodes { id } } }";
const SESSION: &str = "query Session($id: ID!, $agentId: ID) { session(id: $id, agentId: $agentId) { id } }";
const CREATE: &str = "mutation Create($input: CreateSessionInput!) { createSession(input: $input) { session { id } } }";
const UPDATE: &str = "mutation Update($input: UpdateSessionInput!) { updateSession(input: $input) { session { id } } }";
const DELETE: &str =
    "mutation Delete($input: DeleteSessionInput!) { deleteSession(input: $input) { deletedSessionId } }";
const CANCEL: &str = "mutation Cancel($input: CancelTurnInput!) { cancelTurn(input: $input) { session { id } } }";
const SEND: &str = "mutation Send($input: SendMessageInput!) { sendMessage(input: $input) { message { id } } }";
const SET: &str =
    "mutation Set($input: SetAgentCapabilitiesInput!) { setAgentCapabilities(input: $input) { agent { id } } }";
const WRITE: &str =
    "mutation Write($input: WriteSessionFileInput!) { writeSessionFile(input: $input) { file { path } } }";
const UNLINK: &str =
    "mutation Unlink($input: DeleteSessionFileInput!) { deleteSessionFile(input: $input) { deletedPath } }";
const PROVIDER: &str = "query Provider($id: ID!) { llmProvider(id: $id) { id } }";
const UPDATE_PROVIDER: &str =
    "mutation Update($input: UpdateLlmProviderInput!) { updateLlmProvider(input: $input) { provider { id } } }";
const DELETE_PROVIDER: &str =
    "mutation Delete($input: DeleteLlmProviderInput!) { deleteLlmProvider(input: $input) { deletedProviderId } }";
const MODELS: &str = "query Models($filter: LlmModelFilter) { llmModels(filter: $filter) { nodes { id } } }";
const CREATE_MODEL: &str =
    "mutation Create($input: CreateLlmModelInput!) { createLlmModel(input: $input) { model { id } } }";
const MODEL: &str = "query Model($id: ID!) { llmModel(id: $id) { id } }";
const UPDATE_MODEL: &str =
    "mutation Update($input: UpdateLlmModelInput!) { updateLlmModel(input: $input) { model { id } } }";
const DELETE_MODEL: &str =
    "mutation Delete($input: DeleteLlmModelInput!) { deleteLlmModel(input: $input) { deletedModelId } }";
const NODE: &str = "query Node($id: ID!) { node(id: $id) { id } }";
const NODES: &str = "query Nodes($ids: [ID!]!) { nodes(ids: $ids) { id } }";

/// Texts that are no id, as REST's path has them and as they are.
const MALFORMED: [(&str, &str); 6] = [
    ("123", "123"),
    ("%00", "\0"),
    ("01890000000070008000000000000001", "01890000000070008000000000000001"),
    ("%7B01890000-0000-7000-8000-000000000001%7D", "{01890000-0000-7000-8000-000000000001}"),
    ("01890000-0000-7000-8000-00000000000g", "01890000-0000-7000-8000-00000000000g"),
    ("%F0%9F%A5%9E", "🥞"),
];

pub fn cases(given: &Given) -> Vec<Case> {
    let mut cases = Vec::new();
    for (path, id) in MALFORMED {
        for (what, rest, graphql, field) in of_an_agent(path, id) {
            cases.push(case(format!("{what}: agent {id}"), rest, graphql, bad("agent_id", field)));
        }
        for (what, rest, graphql, fields) in of_a_session((&given.agent, &given.agent), (path, id)) {
            cases.push(case(format!("{what}: session {id}"), rest, graphql, bad("session_id", fields.0)));
        }
        for (what, rest, graphql, fields) in of_a_session((path, id), (&given.session, &given.session)) {
            cases.push(case(format!("{what}: agent {id}"), rest, graphql, bad("agent_id", fields.1)));
        }
        for (what, rest, graphql, field) in of_a_provider(path, id) {
            cases.push(case(format!("{what}: provider {id}"), rest, graphql, bad("provider_id", field)));
        }
        for (what, rest, graphql, field) in of_a_model(path, id) {
            cases.push(case(format!("{what}: model {id}"), rest, graphql, bad("id", field)));
        }
        cases.push(graphql_only(format!("node {id}"), graphql(NODE, json!({ "id": id })), bad("", "id")));
        let ids = json!({ "ids": [given.agent, id] });
        cases.push(graphql_only(format!("nodes {id}"), graphql(NODES, ids), bad("", "ids.1")));
    }
    for id in [json!(7), Value::Null, json!(["a"]), json!({})] {
        cases.push(graphql_only(format!("agent {id}"), graphql(AGENT, json!({ "id": id })), bad("", "id")));
    }
    cases.push(graphql_only("no id", graphql(NODE, json!({})), bad("", "id")));
    cases.extend(of_nothing(given));
    cases.push(rest_only("bytes that are no text", get("/v1/agents/%FF"), bad("agent_id", "")));
    cases
}

/// Every operation on an agent: what REST and GraphQL are asked, and how GraphQL spells the id.
fn of_an_agent(path: &str, id: &str) -> Vec<(&'static str, Rest, Graphql, &'static str)> {
    let agent = format!("/v1/agents/{path}");
    let sessions = format!("{agent}/sessions");
    let capabilities = format!("{agent}/capabilities");
    let input = json!({ "input": { "id": id } });
    let set = json!({ "input": { "agentId": id, "capabilityIds": ["noop", "current_time"] } });
    vec![
        ("get capabilities", get(&capabilities), graphql(AGENT, json!({ "id": id })), "id"),
        (
            "set capabilities",
            json_body(Method::PUT, &capabilities, &json!({ "capability_ids": ["noop", "current_time"] })),
            graphql(SET, set),
            "input.agentId",
        ),
        ("get", get(&agent), graphql(AGENT, json!({ "id": id })), "id"),
        ("update", json_body(Method::PATCH, &agent, &json!({})), graphql(UPDATE_AGENT, input.clone()), "input.id"),
        ("archive", bare(Method::DELETE, &agent), graphql(ARCHIVE, input), "input.id"),
        ("list sessions", get(&sessions), graphql(SESSIONS, json!({ "filter": { "agentId": id } })), "filter.agentId"),
        (
            "create a session",
            bare(Method::POST, &sessions),
            graphql(CREATE, json!({ "input": { "agentId": id } })),
            "input.agentId",
        ),
    ]
}

/// Every operation on a session: what both are asked, and how GraphQL spells the session's id and its agent's.
fn of_a_session(
    agent: (&str, &str),
    session: (&str, &str),
) -> Vec<(&'static str, Rest, Graphql, (&'static str, &'static str))> {
    let path = format!("/v1/agents/{}/sessions/{}", agent.0, session.0);
    let (messages, events, cancel) = (format!("{path}/messages"), format!("{path}/events"), format!("{path}/cancel"));
    let ids = json!({ "id": session.1, "agentId": agent.1 });
    let input = json!({ "input": ids });
    let named = json!({ "input": { "sessionId": session.1, "agentId": agent.1 } });
    let content = json!({ "sessionId": session.1, "agentId": agent.1, "content": [{ "text": "a" }] });
    let said = json!({ "role": "user", "content": "a" });
    let (files, file) = (format!("{path}/files"), format!("{path}/files/notes.txt"));
    let unlinked = json!({ "input": { "sessionId": session.1, "agentId": agent.1, "path": "notes.txt" } });
    let mut written = unlinked.clone();
    written["input"]["content"] = json!("a");
    let content_of_file = json!({ "content": "a" });
    let (by_argument, by_id, by_name) =
        (("id", "agentId"), ("input.id", "input.agentId"), ("input.sessionId", "input.agentId"));
    vec![
        ("get", get(&path), graphql(SESSION, ids.clone()), by_argument),
        ("update", json_body(Method::PATCH, &path, &json!({})), graphql(UPDATE, input.clone()), by_id),
        ("delete", bare(Method::DELETE, &path), graphql(DELETE, input), by_id),
        ("cancel", bare(Method::POST, cancel), graphql(CANCEL, named), by_name),
        ("list messages", get(&messages), graphql(SESSION, ids.clone()), by_argument),
        ("list some messages", get(format!("{messages}?limit=1")), graphql(SESSION, ids.clone()), by_argument),
        ("send", json_body(Method::POST, &messages, &said), graphql(SEND, json!({ "input": content })), by_name),
        ("list files", get(&files), graphql(SESSION, ids.clone()), by_argument),
        ("get a file", get(&file), graphql(SESSION, ids.clone()), by_argument),
        ("write a file", json_body(Method::PUT, &file, &content_of_file), graphql(WRITE, written), by_name),
        ("delete a file", bare(Method::DELETE, &file), graphql(UNLINK, unlinked), by_name),
        ("watch events", get(&events), graphql(SESSION, ids), by_argument),
    ]
}

/// Every operation on a provider.
fn of_a_provider(path: &str, id: &str) -> Vec<(&'static str, Rest, Graphql, &'static str)> {
    let provider = format!("/v1/llm-providers/{path}");
    let models = format!("{provider}/models");
    let input = json!({ "input": { "id": id } });
    let model = json!({ "model_id": "m", "display_name": "M" });
    let new = json!({ "input": { "providerId": id, "modelId": "m", "displayName": "M" } });
    let filter = json!({ "filter": { "providerId": id } });
    vec![
        ("get", get(&provider), graphql(PROVIDER, json!({ "id": id })), "id"),
        (
            "update",
            json_body(Method::PATCH, &provider, &json!({})),
            graphql(UPDATE_PROVIDER, input.clone()),
            "input.id",
        ),
        ("delete", bare(Method::DELETE, &provider), graphql(DELETE_PROVIDER, input), "input.id"),
        ("list models", get(&models), graphql(MODELS, filter), "filter.providerId"),
        ("create a model", json_body(Method::POST, &models, &model), graphql(CREATE_MODEL, new), "input.providerId"),
    ]
}

/// Every operation on a model.
fn of_a_model(path: &str, id: &str) -> Vec<(&'static str, Rest, Graphql, &'static str)> {
    let model = format!("/v1/llm-models/{path}");
    let input = json!({ "input": { "id": id } });
    vec![
        ("get", get(&model), graphql(MODEL, json!({ "id": id })), "id"),
        ("update", json_body(Method::PATCH, &model, &json!({})), graphql(UPDATE_MODEL, input.clone()), "input.id"),
        ("delete", bare(Method::DELETE, &model), graphql(DELETE_MODEL, input), "input.id"),
    ]
}

/// Ids that name nothing. GraphQL's questions answer null then, its changes are refused.
fn of_nothing(given: &Given) -> Vec<Case> {
    let mut cases = Vec::new();
    // The id of a session is no agent's, and the other way round.
    for id in [NO_AGENT, given.session.as_str()] {
        for (what, rest, graphql, _) in of_an_agent(id, id) {
            cases.push(missing(format!("{what}: agent {id}"), rest, graphql));
        }
    }
    for id in [NO_AGENT, given.agent.as_str(), given.model.as_str()] {
        for (what, rest, graphql, _) in of_a_provider(id, id) {
            cases.push(missing(format!("{what}: provider {id}"), rest, graphql));
        }
    }
    for id in [NO_AGENT, given.agent.as_str(), given.provider.as_str()] {
        for (what, rest, graphql, _) in of_a_model(id, id) {
            cases.push(missing(format!("{what}: model {id}"), rest, graphql));
        }
    }
    for (agent, session) in [
        (given.agent.as_str(), NO_SESSION),
        (given.agent.as_str(), given.agent.as_str()),
        (NO_AGENT, given.session.as_str()),
        (NO_AGENT, NO_SESSION),
    ] {
        for (what, rest, graphql, _) in of_a_session((agent, agent), (session, session)) {
            cases.push(missing(format!("{what}: session {session} of {agent}"), rest, graphql));
        }
    }
    cases
}

fn missing(kind: String, rest: Rest, graphql: Graphql) -> Case {
    if [AGENT, SESSION, PROVIDER, MODEL].contains(&graphql.document) {
        return rest_only(kind, rest, NOT_FOUND);
    }
    case(kind, rest, graphql, NOT_FOUND)
}
