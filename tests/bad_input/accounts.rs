//! Bad sign-ins, accounts and API keys. What only a story can show, such as a token that was used, is in tests/auth.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Case, Given, NO_AGENT, NOT_FOUND, Refusal, UNAUTHENTICATED, bad, bare, case, graphql, graphql_only, json_body,
    pages, rest_only, unreadable,
};
use crate::app::PASSWORD;
use crate::shapes::as_input;

const LOGIN: &str = "mutation Login($input: LoginInput!) { login(input: $input) { user { id } } }";
const REGISTER: &str = "mutation Register($input: RegisterInput!) { register(input: $input) { user { id } } }";
const REFRESH: &str =
    "mutation Refresh($input: RefreshTokenInput!) { refreshToken(input: $input) { tokens { tokenType } } }";
const LOGOUT: &str = "mutation Logout($input: LogoutInput!) { logout(input: $input) { userId } }";
const CREATE: &str = "mutation Create($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } } }";
const DELETE: &str = "mutation Delete($input: DeleteApiKeyInput!) { deleteApiKey(input: $input) { deletedApiKeyId } }";
const KEYS: &str = "query Keys($first: Int, $after: String) {
    viewer { apiKeys(first: $first, after: $after) { nodes { id } } } }";
const START: &str = "mutation Start($input: StartOauthInput!) { startOauth(input: $input) { authorizeUrl } }";

const EMAIL: Refusal = bad("email", "input.email");
const WORD: Refusal = bad("password", "input.password");
const NAME: Refusal = bad("name", "input.name");
const SCOPES: Refusal = bad("scopes", "input.scopes");
const DAYS: Refusal = bad("expires_in_days", "input.expiresInDays");

pub fn cases(given: &Given) -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, body, refusal) in of_a_login() {
        let login = graphql(LOGIN, json!({ "input": as_input(&body) }));
        let rest = json_body(Method::POST, "/v1/auth/login", &body);
        cases.push(case(format!("a login: {kind}"), rest, login, refusal).sending(&[]));
        let register = graphql(REGISTER, json!({ "input": as_input(&body) }));
        let rest = json_body(Method::POST, "/v1/auth/register", &body);
        cases.push(case(format!("a new account: {kind}"), rest, register, refusal).sending(&[]));
    }
    for (kind, email, password, name, refusal) in of_an_account() {
        let body = json!({ "email": email, "password": password, "name": name });
        let register = graphql(REGISTER, json!({ "input": body }));
        let rest = json_body(Method::POST, "/v1/auth/register", &body);
        cases.push(case(format!("a new account: {kind}"), rest, register, refusal).sending(&[]));
    }
    cases.extend(of_refreshes(given));
    for everywhere in [json!("yes"), json!(1), json!([true])] {
        let logout = graphql(LOGOUT, json!({ "input": { "everywhere": everywhere } }));
        let rest = json_body(Method::POST, "/v1/auth/logout", &json!({ "everywhere": everywhere }));
        let refusal = bad("everywhere", "input.everywhere");
        cases.push(case(format!("a logout: everywhere {everywhere}"), rest, logout, refusal));
    }
    let unknown = graphql(START, json!({ "input": { "provider": "GITLAB" } }));
    cases.push(graphql_only("an unknown provider", unknown, bad("", "input.provider")));
    cases.push(rest_only("an unknown provider", bare(Method::GET, "/v1/auth/oauth/gitlab"), NOT_FOUND));
    cases.extend(of_keys(given));
    cases
}

/// What is wrong with a login and a new account alike.
fn of_a_login() -> Vec<(&'static str, Value, Refusal)> {
    let whole = |email: Value, password: Value| json!({ "email": email, "password": password });
    vec![
        ("no email", json!({ "password": PASSWORD }), EMAIL),
        ("no password", json!({ "email": "eve@example.com" }), WORD),
        ("null for email", whole(Value::Null, json!(PASSWORD)), EMAIL),
        ("null for password", whole(json!("eve@example.com"), Value::Null), WORD),
        ("a number as email", whole(json!(7), json!(PASSWORD)), EMAIL),
        ("a list as email", whole(json!(["eve@example.com"]), json!(PASSWORD)), EMAIL),
        ("a number as password", whole(json!("eve@example.com"), json!(12_345_678)), WORD),
        ("an object as password", whole(json!("eve@example.com"), json!({ "$ne": "" })), WORD),
        ("a password that is too long", whole(json!("eve@example.com"), json!("a".repeat(1025))), WORD),
    ]
}

/// What is wrong with a new account only: the e-mail address, the password, the name, and what is told.
fn of_an_account() -> Vec<(&'static str, String, String, Value, Refusal)> {
    let (email, password) = ("eve@example.com".to_owned(), PASSWORD.to_owned());
    let of_email = |text: &str| text.to_owned();
    let mut rows = Vec::new();
    let long = format!("{}@example.com", "a".repeat(250));
    for text in ["no address", "", "@example.com", "eve@", "a b@example.com", "nul\0@example.com", &long] {
        rows.push(("the email is none", of_email(text), password.clone(), json!("Eve"), EMAIL));
    }
    rows.push(("the password is empty", email.clone(), String::new(), Value::Null, WORD));
    rows.push(("the password is too short", email.clone(), "1234567".to_owned(), Value::Null, WORD));
    for (kind, name) in [
        ("the name is a number", json!(7)),
        ("the name is empty", json!("")),
        ("the name is blank", json!(" ")),
        ("the name is too long", json!("é".repeat(256))),
        ("NUL in the name", json!("a\0")),
    ] {
        rows.push((kind, email.clone(), password.clone(), name, NAME));
    }
    rows
}

fn of_refreshes(given: &Given) -> Vec<Case> {
    let row = |kind: &str, token: &Value, refusal: Refusal| {
        let refresh = graphql(REFRESH, json!({ "input": { "token": token } }));
        let rest = json_body(Method::POST, "/v1/auth/refresh", &json!({ "refresh_token": token }));
        case(format!("a refresh token: {kind}"), rest, refresh, refusal).sending(&[])
    };
    let mut cases = Vec::new();
    for token in [json!(7), json!(["evrr_x"]), json!({}), json!(true)] {
        cases.push(row("wrong type", &token, bad("refresh_token", "input.token")));
    }
    let access = given.authorization[0].trim_start_matches("Bearer ");
    for (kind, token) in [
        ("null", Value::Null),
        ("empty", json!("")),
        ("NUL", json!("evrr_\0")),
        ("short", json!("evrr_short")),
        ("of nobody", json!(format!("evrr_{}", "a".repeat(43)))),
        ("too long", json!(format!("evrr_{}", "a".repeat(1024 * 1024)))),
        ("an access token", json!(access)),
    ] {
        cases.push(row(kind, &token, UNAUTHENTICATED));
    }
    cases
}

fn of_keys(given: &Given) -> Vec<Case> {
    let path = "/v1/auth/api-keys";
    let post = |body: &Value| json_body(Method::POST, path, body);
    let mut cases = Vec::new();
    for (kind, body, refusal) in [
        ("no name", json!({}), NAME),
        ("null for name", json!({ "name": null }), NAME),
        ("a number as name", json!({ "name": 7 }), NAME),
        ("an empty name", json!({ "name": "" }), NAME),
        ("a blank name", json!({ "name": " \t\n" }), NAME),
        ("a name that is too long", json!({ "name": "é".repeat(256) }), NAME),
        ("NUL in the name", json!({ "name": "a\0" }), NAME),
        ("no scope", json!({ "name": "a", "scopes": [] }), SCOPES),
        ("an object as scopes", json!({ "name": "a", "scopes": {} }), SCOPES),
        ("a number as scope", json!({ "name": "a", "scopes": [7] }), bad("scopes[0]", "input.scopes.0")),
        ("null as scope", json!({ "name": "a", "scopes": [null] }), bad("scopes[0]", "input.scopes.0")),
        (
            "an unknown scope",
            json!({ "name": "a", "scopes": ["agents:read", "root"] }),
            bad("scopes[1]", "input.scopes.1"),
        ),
        ("a scope in capitals", json!({ "name": "a", "scopes": ["AGENTS:READ"] }), bad("scopes[0]", "input.scopes.0")),
        ("no day", json!({ "name": "a", "expires_in_days": 0 }), DAYS),
        ("a day less than none", json!({ "name": "a", "expires_in_days": -1 }), DAYS),
        ("too many days", json!({ "name": "a", "expires_in_days": 3651 }), DAYS),
        ("a text as days", json!({ "name": "a", "expires_in_days": "30" }), DAYS),
    ] {
        let create = graphql(CREATE, json!({ "input": as_input(&body) }));
        cases.push(case(format!("a new key: {kind}"), post(&body), create, refusal));
    }
    // GraphQL takes one for a list of one, and its library does not say which Int is none.
    cases.push(rest_only("a new key: no list", post(&json!({ "name": "a", "scopes": "agents:read" })), SCOPES));
    let days = json!({ "name": "a", "expires_in_days": 4_294_967_296_u64 });
    cases.push(rest_only("a new key: days that are no Int", post(&days), DAYS));
    let create = graphql(CREATE, json!({ "input": as_input(&days) }));
    cases.push(graphql_only("a new key: days that are no Int", create, unreadable(400)));
    for (id, refusal) in [
        ("nonsense", bad("key_id", "input.id")),
        (NO_AGENT, NOT_FOUND),
        (given.agent.as_str(), NOT_FOUND),
        (given.session.as_str(), NOT_FOUND),
    ] {
        let rest = bare(Method::DELETE, format!("{path}/{id}"));
        let delete = graphql(DELETE, json!({ "input": { "id": id } }));
        cases.push(case(format!("delete the key {id}"), rest, delete, refusal));
    }
    cases.extend(pages::of_a_list("keys", path, KEYS, ""));
    cases
}
