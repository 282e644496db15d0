//! Every statement that the server sends names the organization whose rows it means, except a few that cannot.

use super::*;

/// What stands in statements that name no organization, and why they cannot.
const WITHOUT: [(&str, &str); 4] = [
    ("INTO organizations", "an organization itself"),
    ("organizations.id = ", "an organization itself"),
    ("users.email = ", "who signs in has no organization yet"),
    ("api_keys.key_hash = ", "who sends a key has no organization yet"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_names_the_organization() {
    let app = TestApp::start_full().await;
    app.counters.record();
    let alice = account(&app, "alice", MARK).await;
    let operations = Operations::read();
    for (kind, field) in operations.roots() {
        if kind == "subscription" || OPEN.contains(&field.as_str()) || field == "logout" {
            continue;
        }
        let things = if kind == "mutation" { furnish(&alice.caller, MARK).await } else { alice.things.clone() };
        run(&alice.caller, &made(&operations, (kind, &field), &things, None)).await;
    }
    let tokens = app.register("carol@example.com").await;
    let (_, key) = app.signed_in(&tokens).key(json!(["agents:read"])).await;
    assert_eq!(key.get("/v1/agents").await.status, 200);
    let refreshed = app.post("/v1/auth/refresh", json!({ "refresh_token": tokens["refresh_token"] })).await.body;
    app.post("/v1/auth/login", json!({ "email": "carol@example.com", "password": "another" })).await;
    assert_eq!(app.signed_in(&refreshed).post("/v1/auth/logout", json!({})).await.status, 204);
    let statements = app.counters.recorded();
    assert!(statements.len() > 80, "{}", statements.len());
    let wrong: Vec<_> = statements.iter().filter(|statement| !is_sound(statement)).collect();
    assert!(wrong.is_empty(), "these name no organization: {wrong:#?}");
    app.stop().await;
}

fn is_sound(statement: &str) -> bool {
    let statement = &statement.replace(['`', '"', '(', ')'], "");
    let first = statement.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    let is_control = ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"].contains(&first.as_str());
    // What is selected does not count: only which rows are meant.
    let condition = match first.as_str() {
        "INSERT" => Some(statement.as_str()),
        _ => statement.split_once(" WHERE ").map(|(_, condition)| condition),
    };
    let names = condition.is_some_and(|condition| condition.contains("organization_id"));
    is_control || names || WITHOUT.iter().any(|(text, _)| statement.contains(text))
}
