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
    if std::env::var_os("REQUIRE_GRAPHIQL").is_some() {
        assert_eq!(addresses.len(), 6, "GraphiQL is not embedded; with npm at hand, `touch build.rs` and build again");
    }
    assert_eq!(app.http.get(app.url("/graphiql/nothing.js")).send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

/// The hashes are those of the pinned versions wherever the files come from; here they are held against the embedded ones.
#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_graphiql_has_its_own_hash() {
    let app = TestApp::start().await;
    let html = app.http.get(app.url("/graphiql")).send().await.unwrap().text().await.unwrap();
    let files: Vec<_> = html.lines().filter_map(|line| Some((quoted(line, "integrity")?, line))).collect();
    assert_eq!(files.len(), 5, "{html}");
    for (integrity, line) in files {
        let address = quoted(line, "src").or_else(|| quoted(line, "href")).unwrap();
        if address.starts_with('/') {
            let body = app.http.get(app.url(address)).send().await.unwrap().bytes().await.unwrap();
            assert_eq!(integrity, format!("sha384-{}", base64(&sha384(&body))), "{address}");
        }
    }
}

/// The value of an attribute.
fn quoted<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_once(&format!("{name}=\""))?.1.split('"').next()
}

fn sha384(bytes: &[u8]) -> Vec<u8> {
    let suite = rustls::crypto::ring::cipher_suite::TLS13_AES_256_GCM_SHA384.tls13().unwrap();
    suite.common.hash_provider.hash(bytes).as_ref().to_vec()
}

/// Of whole groups of three bytes, so without padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = bytes.chunks(3).map(|group| group.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)));
    groups.flat_map(|number| [18, 12, 6, 0].map(|shift| char::from(DIGITS[number >> shift & 63]))).collect()
}
