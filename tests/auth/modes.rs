//! The three modes, what each offers, and settings that a server refuses to start with.

use everruns::app::App;
use everruns::config::{AuthMode, Config};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{assert_known, assert_unknown, code};
use crate::app::{ADMIN, TestApp};

const CONFIG: &str = "{ server { authMode authConfig { mode passwordAuthEnabled oauthProviders signupEnabled } } }";

async fn config(app: &TestApp) -> serde_json::Value {
    let rest = app.get("/v1/auth/config").await;
    assert_eq!(rest.status, 200);
    let found = app.ask(CONFIG, json!({})).await["server"].take();
    let graph = &found["authConfig"];
    let mode = graph["mode"].as_str().unwrap().to_lowercase();
    assert_eq!(rest.body["mode"], json!(mode));
    assert_eq!(found["authMode"], graph["mode"]);
    assert_eq!(rest.body["password_auth_enabled"], graph["passwordAuthEnabled"]);
    assert_eq!(rest.body["signup_enabled"], graph["signupEnabled"]);
    rest.body
}

#[tokio::test(flavor = "multi_thread")]
async fn mode_none_has_an_owner_and_no_accounts() {
    let app = TestApp::start().await;
    let expected =
        json!({ "mode": "none", "password_auth_enabled": false, "oauth_providers": [], "signup_enabled": false });
    assert_eq!(config(&app).await, expected);
    assert_eq!(app.get("/health").await.body["auth_mode"], "None");
    for (path, body) in [
        ("login", json!({ "email": "a@b.c", "password": "long enough" })),
        ("register", json!({ "email": "a@b.c", "password": "long enough" })),
        ("refresh", json!({ "refresh_token": "evrr_x" })),
        ("logout", json!({})),
        ("api-keys", json!({ "name": "mine" })),
    ] {
        let answer = app.post(&format!("/v1/auth/{path}"), body).await;
        assert_eq!((answer.status, &answer.body["code"]), (404, &json!("NOT_FOUND")), "{path}: {}", answer.body);
    }
    assert_eq!(app.get("/v1/auth/api-keys").await.status, 404);
    assert_eq!(app.delete("/v1/auth/api-keys/01890000-0000-7000-8000-000000000009").await.status, 404);
    assert_eq!(code(&app, "{ viewer { apiKeys { nodes { id } } } }").await.as_deref(), Some("NOT_FOUND"));
    let me = app.get("/v1/auth/me").await;
    assert_eq!(me.status, 200);
    assert_eq!(me.body["id"], "00000000-0000-7000-8000-000000000017");
    assert_eq!(me.body["organization_id"], "00000000-0000-7000-8000-000000000010");
    assert_eq!((&me.body["name"], me.body.get("email")), (&json!("Owner"), None));
    assert_eq!(me.body["scopes"], json!(["agents:read", "agents:write", "sessions:read", "sessions:write"]));
    // Whatever stands in the header.
    for authorization in ["Bearer nonsense", "evr_nonsense", "Basic YTpi"] {
        assert_known(&app.with(authorization)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mode_admin_has_the_user_of_the_settings() {
    let app = TestApp::start_admin().await;
    let expected =
        json!({ "mode": "admin", "password_auth_enabled": true, "oauth_providers": [], "signup_enabled": false });
    assert_eq!(config(&app).await, expected);
    assert_eq!(app.get("/health").await.body["auth_mode"], "Admin");
    assert_unknown(&app).await;
    let admin = app.signed_in(&app.login(ADMIN).await);
    assert_known(&admin).await;
    let me = admin.get("/v1/auth/me").await.body;
    assert_eq!(
        (&me["email"], &me["organization_id"]),
        (&json!(ADMIN.0), &json!("00000000-0000-7000-8000-000000000010"))
    );
    let (_, key) = admin.key(json!(null)).await;
    assert_known(&key).await;
    let register = json!({ "email": "other@example.com", "password": "long enough" });
    assert_eq!(app.post("/v1/auth/register", register).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn mode_full_offers_what_the_settings_say() {
    let app = TestApp::start_full().await;
    let expected =
        json!({ "mode": "full", "password_auth_enabled": true, "oauth_providers": [], "signup_enabled": true });
    assert_eq!(config(&app).await, expected);
    let app = TestApp::start_full_with(|config| {
        (config.auth.disable_password, config.auth.disable_signup) = (true, true);
        config.auth.google.google_client_id = Some("id".into());
        config.auth.google.google_client_secret = Some("secret".into());
    })
    .await;
    let found = config(&app).await;
    assert_eq!(found["oauth_providers"], json!(["google"]));
    assert_eq!((&found["password_auth_enabled"], &found["signup_enabled"]), (&json!(false), &json!(false)));
    let body = json!({ "email": "a@b.c", "password": "long enough" });
    for path in ["/v1/auth/login", "/v1/auth/register"] {
        assert_eq!(app.post(path, body.clone()).await.status, 403, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_in_the_settings_is_the_admins_from_the_next_start_on() {
    let app = TestApp::start_admin().await;
    let tokens = app.login(ADMIN).await;
    let mut app = app.restart().await;
    assert_known(&app.signed_in(&tokens)).await;
    app.config.auth.admin_password = Some("another password".into());
    let app = app.restart().await;
    assert_unknown(&app.signed_in(&tokens)).await;
    let answer = app.post("/v1/auth/login", json!({ "email": ADMIN.0, "password": ADMIN.1 })).await;
    assert_eq!(answer.status, 401);
    assert_known(&app.signed_in(&app.login((ADMIN.0, "another password")).await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_of_mode_full_do_not_come_in_in_mode_admin() {
    let mut app = TestApp::start_full().await;
    let tokens = app.register("ada@example.com").await;
    app.config.auth.mode = AuthMode::Admin;
    (app.config.auth.admin_email, app.config.auth.admin_password) = (Some(ADMIN.0.into()), Some(ADMIN.1.into()));
    let app = app.restart().await;
    assert_unknown(&app.signed_in(&tokens)).await;
    let refreshed = app.post("/v1/auth/refresh", json!({ "refresh_token": tokens["refresh_token"] })).await;
    assert_eq!(refreshed.status, 401);
    let login = json!({ "email": "ada@example.com", "password": crate::app::PASSWORD });
    assert_eq!(app.post("/v1/auth/login", login).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_do_not_fit_each_other_stop_the_start() {
    let app = TestApp::start().await;
    let template = app.config.clone();
    let folder = tempfile::tempdir().unwrap();
    let database_url = crate::app::database_url(&folder).await;
    app.stop().await;
    let refused = async |change: fn(&mut Config)| {
        let mut config = Config { database_url: database_url.clone().into(), ..template.clone() };
        config.auth.jwt_secret = Some("a secret of at least thirty-two characters".into());
        change(&mut config);
        App::start(config).await.err().expect("a refusal").to_string()
    };
    let text = refused(|config| config.auth.mode = AuthMode::Admin).await;
    assert!(text.contains("AUTH_ADMIN_EMAIL") && text.contains("AUTH_ADMIN_PASSWORD"), "{text}");
    let text = refused(|config| {
        config.auth.mode = AuthMode::Full;
        config.auth.admin_email = Some(ADMIN.0.into());
    })
    .await;
    assert!(text.contains("AUTH_ADMIN_PASSWORD"), "{text}");
    let text = refused(|config| {
        config.auth.mode = AuthMode::Admin;
        (config.auth.admin_email, config.auth.admin_password) = (Some(ADMIN.0.into()), Some("short".into()));
    })
    .await;
    assert!(text.contains("8 to 1024"), "{text}");
    let text = refused(|config| {
        config.auth.mode = AuthMode::Full;
        config.auth.jwt_secret = Some("short".into());
    })
    .await;
    assert!(text.contains("AUTH_JWT_SECRET") && text.contains("32"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_sqlite_makes_its_own_and_postgresql_asks_for_one() {
    if std::env::var_os("TEST_DATABASE_URL").is_some() {
        let mut config = TestApp::start().await.config.clone();
        (config.auth.mode, config.auth.jwt_secret) = (AuthMode::Full, None);
        let text = App::start(config).await.err().expect("a refusal").to_string();
        assert!(text.contains("AUTH_JWT_SECRET must be set"), "{text}");
        return;
    }
    use std::os::unix::fs::PermissionsExt as _;
    let app = TestApp::start_full_with(|config| config.auth.jwt_secret = None).await;
    let database = app.config.database_url.expose_secret().replace("sqlite://", "");
    let file = std::path::PathBuf::from(format!("{database}.auth.key"));
    let made = std::fs::metadata(&file).expect("a key file");
    assert_eq!((made.permissions().mode() & 0o777, made.len()), (0o600, 32));
    let tokens = app.register("ada@example.com").await;
    let app = app.restart().await;
    assert_known(&app.signed_in(&tokens)).await;
}
