//! Who may ask for the schema, and who gets GraphiQL's page.

use everruns::config::{AuthMode, Switch};
use serde_json::json;

use super::code;
use crate::app::{Caller, TestApp};

const QUERIES: [&str; 3] = [
    "{ __schema { queryType { name } } }",
    r#"{ server { status } type: __type(name: "Query") { name } }"#,
    "{ ...F } fragment F on Query { ... { __schema { queryType { name } } } }",
];

async fn assert_answers(caller: &Caller, expected: Option<&str>) {
    for query in QUERIES {
        assert_eq!(code(caller, query).await.as_deref(), expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_mode_none_everybody_may() {
    let app = TestApp::start().await;
    assert_answers(&app, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_callers_have_credentials_only_they_may() {
    let app = TestApp::start_full().await;
    assert_answers(&app, Some("UNAUTHENTICATED")).await;
    assert_answers(&app.with("Bearer nonsense"), Some("UNAUTHENTICATED")).await;
    let ada = app.signed_in(&app.register("ada@example.com").await);
    assert_answers(&ada, None).await;
    assert_answers(&ada.key(json!(["sessions:read"])).await.1, None).await;
    let error = app.refused(QUERIES[0], json!({})).await;
    assert_eq!(error["message"], "introspection is for signed-in callers");
}

#[tokio::test(flavor = "multi_thread")]
async fn switched_on_everybody_may_and_off_nobody() {
    let app = TestApp::start_full_with(|config| config.introspection = Some(Switch::On)).await;
    assert_answers(&app, None).await;
    for mode in [AuthMode::None, AuthMode::Full] {
        let app = TestApp::start_full_with(|config| {
            (config.auth.mode, config.introspection) = (mode, Some(Switch::Off));
        })
        .await;
        assert_answers(&app, Some("FORBIDDEN")).await;
        let error = app.refused(QUERIES[0], json!({})).await;
        assert_eq!(error["message"], "introspection is switched off on this server");
        assert_eq!(code(&app, "{ __typename server { __typename } }").await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn graphiql_is_there_unless_it_is_switched_off() {
    assert_eq!(TestApp::start_full().await.get("/graphiql").await.status, 200);
    let app = TestApp::start_with(|config| config.graphiql = Switch::Off).await;
    for path in ["/graphiql", "/graphiql/page.js"] {
        assert_eq!(app.get(path).await.status, 404, "{path}");
    }
}
