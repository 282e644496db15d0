//! Keys: sealed in the database, opened by the server's key alone, shown nowhere.

use serde_json::json;

use super::answers::default_model_at;
use super::{KEY, PROVIDERS, provider};
use crate::app::TestApp;
use crate::llm::server::{Reply, Server};
use crate::log::Log;
use crate::turns::whole;

/// A setting's key of 32 bytes, all of this letter of base64.
fn server_key(id: &str, letter: &str) -> String {
    format!("{id}:{}=", if letter == "A" { "A".repeat(43) } else { letter.repeat(42) + "A" })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_previous_key_sealed_is_opened_and_what_a_lost_one_sealed_is_told() {
    let mut server = Server::start([whole("Opened.")]);
    let mut app = TestApp::start().await;
    let provider = default_model_at(&app, &server.root).await;
    let (session, _) = app.session().await;
    app.config.secrets.secrets_encryption_key = Some(server_key("next", "B").into());
    app.config.secrets.secrets_encryption_key_previous = Some(server_key("test", "A").into());
    let mut app = app.restart().await;
    let mut stream = app.sse(&session, None).await;
    app.say(&session, "hello").await;
    stream.until("session.completed").await;
    assert!(server.request().await.head.contains(KEY));
    drop(stream);

    app.config.secrets.secrets_encryption_key_previous = None;
    let app = app.restart().await;
    let mut stream = app.sse(&session, None).await;
    app.say(&session, "hello").await;
    let told = stream.until("session.failed").await.pop().unwrap().data;
    assert_eq!(told["code"], "model_unavailable");
    assert!(told["error"].as_str().unwrap().contains("its stored key cannot be opened"), "{told}");
    assert_eq!(app.get(&provider).await.body["api_key_set"], true);
}

/// One thread, so that the log hears all of the server.
#[tokio::test]
async fn a_key_is_in_no_answer_event_or_log() {
    let body = json!({ "error": { "message": format!("no such key: {KEY}"), "code": "invalid_api_key" } });
    let server = Server::start([Reply::json(401, &body.to_string())]);
    let (log, guard) = Log::listen();
    let app = TestApp::start().await;
    log.clear();
    let path = default_model_at(&app, &server.root).await;
    let (session, session_id) = app.session().await;
    let mut stream = app.sse(&session, None).await;
    app.say(&session, "hello").await;
    let frames = stream.until("session.failed").await;
    let fields = "{ llmProviders { nodes { name baseUrl apiKeySet apiKeyLast4 } } }";
    let create = "mutation($input: CreateLlmProviderInput!) { createLlmProvider(input: $input) { provider { id } } }";
    let bad = [
        json!({ "input": { "name": "", "providerType": "OPENAI", "apiKey": KEY } }),
        json!({ "input": { "name": "A", "providerType": "LLMSIM", "apiKey": KEY } }),
        json!({ "input": { "name": "A", "providerType": "OPENAI", "apiKey": [KEY] } }),
        json!({ "input": { "name": "A", "providerType": "OPENAI", "apiKey": { "key": KEY } } }),
        json!({ "input": { "name": "A", "providerType": "OPENAI", "apiKey": format!("{KEY}\n") } }),
    ];
    let mut seen = vec![format!("{frames:?}"), app.ask(fields, json!({})).await.to_string()];
    for variables in bad {
        seen.push(app.refused(create, variables).await.to_string());
    }
    for body in [json!({ "name": 1, "provider_type": "openai", "api_key": KEY }), json!({ "api_key": [KEY] })] {
        seen.push(app.post(PROVIDERS, body.clone()).await.body.to_string());
        seen.push(app.patch(&path, body).await.body.to_string());
    }
    for path in
        [PROVIDERS, &path, &format!("{path}/models"), "/v1/llm-models", &session, &format!("{session}/messages")]
    {
        seen.push(app.get(path).await.body.to_string());
    }
    let turns = "query($id: ID!) { session(id: $id) { turns { nodes { error { message } steps { model text } } } } }";
    seen.push(app.ask(turns, json!({ "id": session_id })).await.to_string());
    drop(guard);
    for text in &seen {
        assert!(!text.contains(KEY), "{text}");
    }
    let text = log.text();
    assert!(text.contains("model call failed") && !text.contains(KEY), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_not_readable_in_the_database() {
    let app = TestApp::start().await;
    let url = secrecy::ExposeSecret::expose_secret(&app.config.database_url).to_owned();
    let Some(path) = url.strip_prefix("sqlite://").map(str::to_owned) else { return };
    provider(&app, json!({ "name": "findable-name", "provider_type": "openai", "api_key": KEY })).await;
    let mut stored = std::fs::read(&path).unwrap();
    stored.extend(std::fs::read(format!("{path}-wal")).unwrap_or_default());
    let holds = |text: &str| stored.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("findable-name") && !holds(KEY) && !holds(&KEY[..KEY.len() - 4]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_setting_the_server_has_a_key_of_its_own_with_sqlite_and_none_with_postgres() {
    let Err(()) = on_sqlite().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let url = crate::app::database_url(&folder).await;
    let app = TestApp::start().await;
    let mut config = app.config.clone();
    config.database_url = url.into();
    config.secrets.secrets_encryption_key = None;
    let Err(error) = everruns::app::App::start(config).await else { panic!("it started") };
    assert!(error.cause().unwrap().to_string().contains("SECRETS_ENCRYPTION_KEY is not set"));
}

/// The story with SQLite; an error where the tests run on PostgreSQL.
async fn on_sqlite() -> Result<(), ()> {
    use std::os::unix::fs::PermissionsExt as _;
    if std::env::var_os("TEST_DATABASE_URL").is_some() {
        return Err(());
    }
    let mut server = Server::start([whole("One."), whole("Two."), whole("Three.")]);
    let app = TestApp::start_with(|config| config.secrets.secrets_encryption_key = None).await;
    let url = secrecy::ExposeSecret::expose_secret(&app.config.database_url).to_owned();
    let file = format!("{}.secrets-key", url.strip_prefix("sqlite://").unwrap());
    let made = std::fs::metadata(&file).unwrap();
    assert_eq!((made.len(), made.permissions().mode() & 0o777), (32, 0o600));
    default_model_at(&app, &server.root).await;
    let (session, _) = app.session().await;
    let mut app = app.restart().await;
    app.say(&session, "hello").await;
    assert!(server.request().await.head.contains(KEY));
    // A key that is set later opens what the own one sealed.
    app.sse(&session, None).await.until("session.completed").await;
    app.config.secrets.secrets_encryption_key = Some(server_key("next", "B").into());
    let app = app.restart().await;
    app.say(&session, "hello").await;
    assert!(server.request().await.head.contains(KEY));
    Ok(())
}

#[test]
fn a_sealed_value_opens_at_its_place_with_its_key_alone() {
    use everruns::secrets::{Place, Secrets};
    use secrecy::ExposeSecret as _;
    let settings = |current: String, previous: &str| everruns::config::SecretSettings {
        secrets_encryption_key: Some(current.into()),
        secrets_encryption_key_previous: Some(previous.to_owned().into()),
    };
    let secrets = Secrets::new(&settings(server_key("a", "A"), ""), None).unwrap();
    let place = Place::new("organization", "row", "column");
    let sealed = secrets.seal(&place, &KEY.into()).unwrap();
    assert_ne!(sealed, secrets.seal(&place, &KEY.into()).unwrap());
    assert_eq!(secrets.open(&place, &sealed).unwrap().expose_secret(), KEY);
    for other in [("other", "row", "column"), ("organization", "other", "column"), ("organization", "row", "other")] {
        assert!(secrets.open(&Place::new(other.0, other.1, other.2), &sealed).is_err(), "{other:?}");
    }
    for index in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[index] ^= 1;
        assert!(secrets.open(&place, &changed).is_err(), "byte {index}");
        assert!(secrets.open(&place, &sealed[..index]).is_err(), "{index} bytes");
    }
    let rotated = Secrets::new(&settings(server_key("b", "B"), &format!("{},", server_key("a", "A"))), None).unwrap();
    assert_eq!(rotated.open(&place, &sealed).unwrap().expose_secret(), KEY);
    let lost = Secrets::new(&settings(server_key("a", "B"), ""), None).unwrap();
    assert!(lost.open(&place, &sealed).is_err());
    assert_eq!(format!("{rotated:?}"), r#"Secrets { current: "b", previous: ["a"] }"#);

    for wrong in ["", "no-colon", "id:short", ":AAAA", "sp ace:AAAA", &format!("id:{}", "A".repeat(44))] {
        let told = Secrets::new(&settings(wrong.to_owned(), ""), None).unwrap_err();
        let told = told.cause().unwrap().to_string();
        assert!(told.contains("SECRETS_ENCRYPTION_KEY") && !told.contains("AAAA"), "{wrong}: {told}");
    }
    assert!(Secrets::new(&settings(server_key("a", "A"), &server_key("a", "B")), None).is_err());
}

#[test]
fn a_key_file_is_made_once_and_read_by_its_owner_alone() {
    use everruns::db::key_file::{read, read_or_make};
    use secrecy::ExposeSecret as _;
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("some.db");
    let url = format!("sqlite://{}", database.display()).into();
    assert!(read(&url, "k", 32).unwrap().is_none());
    let keys: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| read_or_make(&url, "k", 32).unwrap().unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap().expose_secret().to_vec()).collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0]) && keys[0].iter().any(|byte| *byte != 0));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
    let file = folder.path().join("some.db.k");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let told = |bytes| read_or_make(&url, "k", bytes).unwrap_err().cause().unwrap().to_string();
    assert!(told(31).contains("31 bytes") && told(33).contains("33 bytes"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(told(32).contains("can be read by others"));
    assert!(read_or_make(&"postgres://host/name".into(), "k", 32).unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_whose_own_key_is_lost_stops_the_start() {
    if std::env::var_os("TEST_DATABASE_URL").is_some() {
        return;
    }
    let app = TestApp::start_with(|config| config.secrets.secrets_encryption_key = None).await;
    let kept = json!({ "name": "P", "provider_type": "openai", "api_key": KEY });
    assert_eq!(app.post("/v1/llm-providers", kept).await.status, 201);
    let url = secrecy::ExposeSecret::expose_secret(&app.config.database_url).to_owned();
    let path = url.strip_prefix("sqlite://").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    let vacuum = format!("VACUUM INTO '{}'", copy.display());
    let mut conn = <diesel::SqliteConnection as diesel::Connection>::establish(path).unwrap();
    diesel::connection::SimpleConnection::batch_execute(&mut conn, &vacuum).unwrap();
    let mut config = app.config.clone();
    config.database_url = format!("sqlite://{}", copy.display()).into();
    let Err(error) = everruns::app::App::start(config).await else { panic!("it started") };
    assert!(error.to_string().contains("restore one of them"), "{error}");
}
