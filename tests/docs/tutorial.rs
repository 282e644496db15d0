//! The project's own tutorial, followed from its first line to its last in each mode, and the commands of the page for frontends.

use everruns::config::AuthMode;

use super::root;
use super::walk::walk;
use crate::app::TestApp;

/// What the tutorial signs in with.
const EMAIL: &str = "admin@example.com";
const PASSWORD: &str = "correct horse battery";

#[tokio::test(flavor = "multi_thread")]
async fn the_tutorial_comes_true_in_mode_none() {
    follow(AuthMode::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tutorial_comes_true_in_mode_admin() {
    follow(AuthMode::Admin).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tutorial_comes_true_in_mode_full() {
    follow(AuthMode::Full).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_graphql_for_frontends_come_true() {
    let app = TestApp::start().await;
    let document = std::fs::read_to_string(root().join("docs/graphql.md")).unwrap();
    assert!(walk(&document, AuthMode::None, &app).await > 1);
}

async fn follow(mode: AuthMode) {
    let app = TestApp::start_with(|config| {
        config.auth.mode = mode;
        config.auth.jwt_secret = Some("a secret of more than 32 characters".into());
        if mode == AuthMode::Admin {
            config.auth.admin_email = Some(EMAIL.into());
            config.auth.admin_password = Some(PASSWORD.into());
        }
    })
    .await;
    let document = std::fs::read_to_string(root().join("docs/api/tutorial.md")).unwrap();
    assert!(document.contains(EMAIL) && document.contains(PASSWORD));
    assert!(walk(&document, mode, &app).await > 15);
    app.stop().await;
}
