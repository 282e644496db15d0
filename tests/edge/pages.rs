//! GraphiQL's page. Whether it works in a browser is tried by hand, by scripts of a browser.

use reqwest::StatusCode;
use reqwest::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};

use crate::app::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn graphiql_is_a_page_whose_files_the_server_has() {
    let app = TestApp::start().await;
    let page = app.http.get(app.url("/graphiql")).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    let html = page.text().await.unwrap();
    assert!(!html.contains("{{"), "every place in the page is filled");
    let addresses: Vec<&str> = html.split(['"']).filter(|text| text.starts_with("/graphiql/")).collect();
    assert!(addresses.contains(&"/graphiql/page.js"));
    for address in &addresses {
        let file = app.http.get(app.url(address)).send().await.unwrap();
        assert_eq!(file.status(), StatusCode::OK, "{address}");
        let style = address.contains(".css");
        assert_eq!(
            file.headers()[CONTENT_TYPE],
            if style { "text/css; charset=utf-8" } else { "text/javascript; charset=utf-8" }
        );
        let kept = file.headers()[CACHE_CONTROL].to_str().unwrap().contains("immutable");
        assert_eq!(kept, address.contains("?v="), "only an address that changes with the file is kept for ever");
        assert!(!file.bytes().await.unwrap().is_empty());
    }
    // Built without npm, the page says that it loads from elsewhere; else nothing may.
    assert_eq!(addresses.len() == 6, !policy.contains("unpkg.com"));
    assert_eq!(addresses.len() == 6, !html.contains("unpkg.com"));
    assert_eq!(app.http.get(app.url("/graphiql/nothing.js")).send().await.unwrap().status(), StatusCode::NOT_FOUND);
}
