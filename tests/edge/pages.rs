//! The pages: what they are made of, how they are kept, and that both work in a real browser.

use std::process::Command;

use everruns::config::Switch;
use reqwest::Method;
use reqwest::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, X_CONTENT_TYPE_OPTIONS};

use crate::app::TestApp;

/// Each page with the number of files that it loads.
const PAGES: [(&str, usize); 2] = [("/graphiql", 6), ("/swagger-ui/", 4)];

#[tokio::test(flavor = "multi_thread")]
async fn a_page_has_its_files_from_the_server() {
    let app = TestApp::start().await;
    for (path, expected) in PAGES {
        let page = app.http.get(app.url(path)).header("accept", "text/html,*/*;q=0.8").send().await.unwrap();
        assert_eq!(
            (page.status().as_u16(), &page.headers()[CONTENT_TYPE]),
            (200, &"text/html; charset=utf-8".parse().unwrap())
        );
        assert_eq!(
            (&page.headers()[CACHE_CONTROL], &page.headers()[X_CONTENT_TYPE_OPTIONS]),
            (&"no-cache".parse().unwrap(), &"nosniff".parse().unwrap())
        );
        let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        let html = page.text().await.unwrap();
        assert!(!html.contains("{{"), "every place in the page is filled");
        assert!(!html.contains("<style") && !html.contains("<script>"), "nothing runs that stands in the page");
        let own = addresses(&html).filter(|address| address.starts_with('/')).count();
        // Built without npm, the page says that it loads from elsewhere; else nothing may.
        assert_eq!(own == expected, !policy.contains("unpkg.com"));
        assert_eq!(own == expected, !html.contains("unpkg.com"));
        if std::env::var_os("REQUIRE_GRAPHIQL").is_some() {
            assert_eq!(own, expected, "{path} is not embedded; with npm at hand, `touch build.rs` and build again");
        }
        for address in addresses(&html).filter(|address| address.starts_with('/')) {
            let file = app.http.get(app.url(address)).send().await.unwrap();
            let kind =
                if address.contains(".css?") { "text/css; charset=utf-8" } else { "text/javascript; charset=utf-8" };
            assert_eq!(
                (file.status().as_u16(), file.headers()[CONTENT_TYPE].to_str().unwrap()),
                (200, kind),
                "{address}"
            );
            assert_eq!(file.headers()[CACHE_CONTROL], "public, max-age=31536000, immutable", "{address}");
            assert!(!file.bytes().await.unwrap().is_empty());
            let (bare, _) = address.split_once("?v=").unwrap();
            for other in [bare.to_owned(), format!("{bare}?v=0")] {
                let file = app.http.get(app.url(&other)).send().await.unwrap();
                assert_eq!(
                    file.headers()[CACHE_CONTROL],
                    "no-cache",
                    "only an address that changes with the file is kept"
                );
            }
        }
    }
    for path in ["/graphiql/nothing.js", "/swagger-ui/nothing.js", "/swagger-ui/react.js"] {
        assert_eq!(app.get(path).await.status, 404, "{path}");
    }
}

/// The hashes are those of the pinned versions wherever the files come from; here they are held against the embedded ones.
#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_others_has_its_own_hash() {
    let app = TestApp::start().await;
    let mut seen = 0;
    for (path, _) in PAGES {
        let html = app.http.get(app.url(path)).send().await.unwrap().text().await.unwrap();
        for (integrity, line) in html.lines().filter_map(|line| Some((quoted(line, "integrity")?, line))) {
            seen += 1;
            let address = quoted(line, "src").or_else(|| quoted(line, "href")).unwrap();
            if address.starts_with('/') {
                let body = app.http.get(app.url(address)).send().await.unwrap().bytes().await.unwrap();
                assert_eq!(integrity, format!("sha384-{}", base64(&sha384(&body))), "{address}");
            } else {
                assert!(address.starts_with("https://unpkg.com/") && line.contains("crossorigin"), "{line}");
            }
        }
    }
    assert_eq!(seen, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_only_read() {
    let app = TestApp::start().await;
    for (path, _) in PAGES {
        let head = app.http.head(app.url(path)).send().await.unwrap();
        assert_eq!(
            (head.status().as_u16(), head.headers()[CONTENT_TYPE].to_str().unwrap()),
            (200, "text/html; charset=utf-8")
        );
        assert!(head.headers().contains_key(CONTENT_SECURITY_POLICY));
        // The layer that tells browsers who may read answers OPTIONS everywhere.
        assert_eq!(app.http.request(Method::OPTIONS, app.url(path)).send().await.unwrap().status(), 200);
        for method in [Method::POST, Method::DELETE] {
            let refused = app.http.request(method, app.url(path)).send().await.unwrap();
            assert_eq!((refused.status().as_u16(), &refused.headers()[ALLOW]), (405, &"GET,HEAD".parse().unwrap()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_may_connect_to_this_server_alone() {
    let app = TestApp::start().await;
    for (host, allowed) in [("localhost:9000", " ws://localhost:9000 wss://localhost:9000"), ("a;b.localhost", "")] {
        let page = app.http.get(app.url("/graphiql")).header("host", host).send().await.unwrap();
        let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains(&format!("connect-src 'self'{allowed}; ")), "{host}: {policy}");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn swagger_ui_is_found_without_its_slash() {
    let app = TestApp::start().await;
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let sent = client.get(app.url("/swagger-ui")).send().await.unwrap();
    assert_eq!((sent.status().as_u16(), sent.headers()[LOCATION].to_str().unwrap()), (308, "/swagger-ui/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn graphiql_can_be_switched_off_and_nothing_else_is() {
    let app = TestApp::start_with(|config| config.graphiql = Switch::Off).await;
    for (path, status) in
        [("/graphiql", 404), ("/graphiql/page.js", 404), ("/swagger-ui/", 200), ("/swagger-ui/page.js", 200)]
    {
        assert_eq!(app.get(path).await.status, status, "{path}");
    }
    assert_eq!(app.ask("{ server { status } }", serde_json::json!({})).await["server"]["status"], "ok");
}

/// Needs what scripts/test brings: `PAGES_CHECK`, the folder in which the packages of tests/pages are installed, and `CHROMIUM`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a browser: scripts/test runs it"]
async fn the_pages_work_in_a_browser() {
    let app = TestApp::start().await;
    let folder = std::env::var("PAGES_CHECK").expect("PAGES_CHECK names a folder");
    let url = app.url("").replace("127.0.0.1", "localhost");
    let check = Command::new("node").arg("check.mjs").arg(url).current_dir(folder).output();
    let output = tokio::task::block_in_place(|| check).expect("node runs");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What a page loads.
fn addresses(html: &str) -> impl Iterator<Item = &str> {
    html.lines()
        .filter_map(|line| quoted(line, "src").or_else(|| quoted(line, "href")))
        .filter(|address| *address != "data:,")
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
