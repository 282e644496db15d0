//! Web pages in the eyes of a model, served by this very machine.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{Html, Redirect};
use axum::routing::get;
use serde_json::json;

use super::{Toolbox, serve, start_with_web};
use crate::app::TestApp;

const PAGE: &str = "<html><head><title> Über\n uns </title><style>p { color: red }</style></head>\
    <body><h1>Hello</h1><script>alert('x')</script><p>A <a href=\"/more\">link</a> &amp; more.</p></body></html>";

fn pages() -> Router {
    Router::new()
        .route("/page", get(|| async { Html(PAGE) }))
        .route("/text", get(|| async { "é".repeat(200) }))
        .route("/json", get(|| async { axum::Json(json!({ "a": [1] })) }))
        .route("/missing", get(|| async { (StatusCode::NOT_FOUND, "nothing here") }))
        .route("/picture", get(|| async { ([(header::CONTENT_TYPE, "image/png")], vec![0_u8; 9]) }))
        .route("/large", get(|| async { "x".repeat(3 * 1024 * 1024) }))
        .route("/deep", get(|| async { Html("<div>".repeat(2_000) + "deep") }))
        .route("/bold", get(|| async { Html(bold()) }))
        .route("/many", get(|| async { Html(format!("<p{}>seen <i\nid='>'>well</i></p>", " a".repeat(300_000))) }))
        .route("/moved", get(|| async { Redirect::permanent("/moved/again") }))
        .route("/moved/again", get(|| async { Redirect::temporary("../page") }))
        .route("/round", get(|| async { Redirect::to("/round") }))
        .route("/inside", get(|| async { Redirect::to("http://169.254.169.254/latest") }))
        .route("/odd", get(|| async { Redirect::to("file:///etc/passwd") }))
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_read_as_markdown_and_text() {
    let web = serve(pages()).await;
    let app = start_with_web().await;
    let browser = Toolbox::of(&app, "web_fetch").await;
    let page = browser.call("web_fetch", json!({ "url": format!("{web}/moved") })).await.unwrap();
    assert_eq!((&page["url"], &page["status"]), (&json!(format!("{web}/page")), &json!(200)));
    assert_eq!((&page["title"], &page["truncated"]), (&json!("Über uns"), &json!(false)));
    let content = page["content"].as_str().unwrap();
    assert!(content.contains("# Hello") && content.contains("[link](/more) & more."), "{content}");
    assert!(!content.contains("alert") && !content.contains("color"), "{content}");
    let text = browser.call("web_fetch", json!({ "url": format!("{web}/text"), "max_chars": 5 })).await.unwrap();
    assert_eq!((&text["content"], &text["truncated"]), (&json!("ééééé"), &json!(true)));
    let found = browser.call("web_fetch", json!({ "url": format!("{web}/json") })).await.unwrap();
    assert_eq!(found["content"], r#"{"a":[1]}"#);
    let missing = browser.call("web_fetch", json!({ "url": format!("{web}/missing") })).await.unwrap();
    assert_eq!((&missing["status"], &missing["content"]), (&json!(404), &json!("nothing here")));
    let deep = browser.call("web_fetch", json!({ "url": format!("{web}/deep") })).await.unwrap();
    assert_eq!((&deep["content"], &deep["truncated"]), (&json!(""), &json!(true)));
    let large = browser.call("web_fetch", json!({ "url": format!("{web}/large") })).await.unwrap();
    assert_eq!((large["content"].as_str().unwrap().len(), &large["truncated"]), (50_000, &json!(true)));
}

/// A page that would have 80 million elements if each of its tags counted as another one.
fn bold() -> String {
    let tags: String = (0..9_000).map(|id| format!("<b id={id}>")).collect();
    format!("<p>{tags}{}", "<p>x".repeat(9_000))
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_are_made_to_hurt_are_read_all_the_same() {
    let web = serve(pages()).await;
    let app = start_with_web().await;
    let browser = Toolbox::of(&app, "web_fetch").await;
    let bold = browser.call("web_fetch", json!({ "url": format!("{web}/bold") })).await.unwrap();
    assert!(bold["content"].as_str().unwrap().matches('x').count() > 3_000, "{}", &bold["content"]);
    let many = browser.call("web_fetch", json!({ "url": format!("{web}/many") })).await.unwrap();
    assert_eq!((&many["content"], &many["truncated"]), (&json!("seen *well*"), &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_not_sent_everywhere() {
    let web = serve(pages()).await;
    let app = start_with_web().await;
    let browser = Toolbox::of(&app, "web_fetch").await;
    for (url, told) in [
        (format!("{web}/picture"), "only HTML, text and JSON"),
        (format!("{web}/round"), "more than 5 times"),
        (format!("{web}/inside"), "private or reserved"),
        (format!("{web}/odd"), "an http or https URL is expected"),
        ("http://169.254.169.254/".into(), "private or reserved"),
        ("http://[::1]:1/".into(), "private or reserved"),
        ("ftp://example.com/".into(), "an http or https URL is expected"),
        ("no address".into(), "an http or https URL is expected"),
        ("http://127.0.0.1:1/".into(), "could not be reached"),
    ] {
        let refused = browser.call("web_fetch", json!({ "url": url })).await.unwrap_err();
        assert!(refused.contains(told), "{url}: {refused}");
    }
    // Without the operator's word this machine is no place to go.
    let app = TestApp::start().await;
    let browser = Toolbox::of(&app, "web_fetch").await;
    let refused = browser.call("web_fetch", json!({ "url": format!("{web}/page") })).await.unwrap_err();
    assert!(refused.contains("private or reserved"), "{refused}");
}
