//! Sign-in with Google and GitHub, walked by a browser over REST and by a client over GraphQL.

use everruns::config::Config;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use serde_json::{Value, json};

use crate::app::{Answer, TestApp, answer};
use crate::oauth_provider::{OauthServer, Script, parameter};

const START: &str = "mutation ($provider: OauthProvider!) {
    startOauth(input: { provider: $provider }) { authorizeUrl }
}";
const FINISH: &str = "mutation ($input: FinishOauthInput!) {
    finishOauth(input: $input) { tokens { accessToken tokenType } user { id email } }
}";

/// A browser: it keeps cookies, and shows where it is sent instead of going there.
struct Browser<'a> {
    server: &'a TestApp,
    http: reqwest::Client,
    cookie: String,
}

impl<'a> Browser<'a> {
    fn new(server: &'a TestApp) -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self { server, http: http.build().expect("a client"), cookie: String::new() }
    }

    async fn get(&mut self, path: &str) -> Answer {
        let got = answer(self.http.get(self.server.url(path)).header(COOKIE, &self.cookie)).await;
        self.keep(&got);
        got
    }

    async fn ask(&mut self, query: &str, variables: Value) -> Answer {
        let body = json!({ "query": query, "variables": variables });
        let request = self.http.post(self.server.url("/graphql")).header(COOKIE, &self.cookie).json(&body);
        let got = answer(request).await;
        self.keep(&got);
        got
    }

    /// Keeps the cookie of the attempt, as long as the server does not take it back.
    fn keep(&mut self, got: &Answer) {
        let set = set_cookies(got).into_iter().find(|cookie| cookie.starts_with("everruns_oauth="));
        if let Some((pair, _)) = set.as_deref().and_then(|cookie| cookie.split_once(';')) {
            self.cookie = pair.to_owned();
        }
    }

    /// Begins over REST; where the browser is sent.
    async fn begin(&mut self, provider: &str) -> String {
        let got = self.get(&format!("/v1/auth/oauth/{provider}")).await;
        assert_eq!(got.status, 303, "{}", got.body);
        let location = got.headers[LOCATION].to_str().expect("a text").to_owned();
        assert_eq!(got.body, "");
        location
    }
}

fn set_cookies(got: &Answer) -> Vec<String> {
    got.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().expect("a text").to_owned()).collect()
}

async fn servers() -> (OauthServer, TestApp) {
    servers_with(|_| {}).await
}

async fn servers_with(change: impl FnOnce(&mut Config)) -> (OauthServer, TestApp) {
    let provider = OauthServer::start(Script::default()).await;
    let settings = provider.settings();
    let server = TestApp::start_full_with(|config| {
        (config.auth.google, config.auth.github) = (settings.google, settings.github);
        change(config);
    })
    .await;
    (provider, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_in_with_each_provider_and_is_the_same_user_again() {
    let (provider, server) = servers().await;
    let mut ids = Vec::new();
    for (name, callback) in
        [("google", "callback/google"), ("github", "oauth/github/callback"), ("google", "oauth/google/callback")]
    {
        let mut browser = Browser::new(&server);
        let url = browser.begin(name).await;
        let (code, state) = (provider.consent_at(&url), parameter(&url, "state"));
        let got = browser.get(&format!("/v1/auth/{callback}?code={code}&state={state}&scope=more")).await;
        assert_eq!((got.status, &got.body["token_type"]), (200, &json!("Bearer")), "{}", got.body);
        let names: Vec<_> =
            set_cookies(&got).iter().map(|cookie| cookie.split('=').next().unwrap().to_owned()).collect();
        assert_eq!(names, ["everruns_oauth", "everruns_access", "everruns_refresh"]);
        assert_eq!(browser.cookie, "everruns_oauth=");
        let me = server.signed_in(&got.body).get("/v1/auth/me").await;
        assert_eq!(me.status, 200, "{}", me.body);
        ids.push((me.body["id"].clone(), me.body["email"].clone()));
    }
    assert_eq!(ids[0].1, "ada@example.com");
    assert_eq!(ids[1].1, "ada@example.org");
    assert_eq!(ids[0], ids[2]);
    assert_ne!(ids[0].0, ids[1].0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_signs_in_over_graphql_as_the_same_user_as_over_rest() {
    let (provider, server) = servers().await;
    let mut browser = Browser::new(&server);
    let url = browser.begin("google").await;
    let (code, state) = (provider.consent_at(&url), parameter(&url, "state"));
    let rest = browser.get(&format!("/v1/auth/callback/google?code={code}&state={state}")).await;
    let me = server.signed_in(&rest.body).get("/v1/auth/me").await.body;
    let begun = browser.ask(START, json!({ "provider": "GOOGLE" })).await.body;
    let url = begun["data"]["startOauth"]["authorizeUrl"].as_str().expect("a URL").to_owned();
    let input = json!({ "provider": "GOOGLE", "code": provider.consent_at(&url), "state": parameter(&url, "state") });
    let ended = browser.ask(FINISH, json!({ "input": input })).await.body;
    let ended = &ended["data"]["finishOauth"];
    assert_eq!(ended["user"], json!({ "id": me["id"], "email": me["email"] }));
    assert_eq!(ended["tokens"]["tokenType"], "Bearer");
    assert_eq!(browser.cookie, "everruns_oauth=");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_callback_is_the_same_on_both_faces() {
    let (provider, server) = servers().await;
    let mut browser = Browser::new(&server);
    let url = browser.begin("google").await;
    let (kept, state, code) = (browser.cookie.clone(), parameter(&url, "state"), provider.consent_at(&url));
    let tries: [(&str, Value, u16, Option<&str>); 6] = [
        ("", json!({ "state": state, "code": code }), 400, Some("state")),
        (&kept, json!({ "state": "another", "code": code }), 400, Some("state")),
        (&kept, json!({ "code": code }), 400, Some("state")),
        (&kept, json!({ "state": state }), 400, Some("code")),
        (&kept, json!({ "state": state, "code": "never-given" }), 400, Some("code")),
        (&kept, json!({ "state": state, "error": "access_denied" }), 403, None),
    ];
    for (cookie, parameters, status, field) in tries {
        browser.cookie = cookie.to_owned();
        let pairs =
            parameters.as_object().unwrap().iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap()));
        let query = pairs.collect::<Vec<_>>().join("&");
        let rest = browser.get(&format!("/v1/auth/callback/google?{query}")).await;
        assert_eq!((rest.status, rest.body["field"].as_str()), (status, field), "{query}: {}", rest.body);
        browser.cookie = cookie.to_owned();
        let mut input = parameters;
        input["provider"] = json!("GOOGLE");
        let refused = browser.ask(FINISH, json!({ "input": input })).await.body["errors"][0].take();
        assert_eq!(refused["extensions"]["code"], rest.body["code"], "{refused}");
        let named = refused["extensions"]["field"].as_str().map(|path| path.trim_start_matches("input."));
        assert_eq!(named, field, "{refused}");
        assert_eq!(refused["message"], rest.body["error"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_set_up_is_not_found() {
    let (_provider, server) = servers_with(|config| config.auth.github.github_client_id = Some(String::new())).await;
    let config = server.get("/v1/auth/config").await.body;
    assert_eq!(config["oauth_providers"], json!(["google"]));
    for path in ["/v1/auth/oauth/github", "/v1/auth/oauth/gitlab", "/v1/auth/callback/gitlab?state=s&code=c"] {
        let got = server.get(path).await;
        assert_eq!((got.status, &got.body["code"]), (404, &json!("NOT_FOUND")), "{path}: {}", got.body);
    }
    let refused = server.refused(START, json!({ "provider": "GITHUB" })).await;
    assert_eq!(refused["extensions"]["code"], "NOT_FOUND");
    for server in [TestApp::start().await, TestApp::start_admin().await] {
        let got = server.get("/v1/auth/oauth/google").await;
        assert_eq!((got.status, &got.body["error"]), (404, &json!("oauth provider not found")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_sign_ups_a_provider_lets_in_who_has_an_account_only() {
    let (provider, server) = servers_with(|config| config.auth.disable_signup = true).await;
    let mut browser = Browser::new(&server);
    let url = browser.begin("google").await;
    let (code, state) = (provider.consent_at(&url), parameter(&url, "state"));
    let got = browser.get(&format!("/v1/auth/callback/google?code={code}&state={state}")).await;
    assert_eq!((got.status, &got.body["code"]), (403, &json!("FORBIDDEN")), "{}", got.body);
}
