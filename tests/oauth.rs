//! Sign-in with Google and GitHub: what binds an attempt to its browser, and who is let in.

use std::time::Duration;

use everruns::auth::oauth::{ATTEMPT_AGE_MAX, Callback, Oauth, Start};
use everruns::auth::{Identity, OauthProvider};
use everruns::clock::Timestamp;
use everruns::config::{AuthMode, AuthSettings};
use everruns::error::{Error, ErrorCode};
use everruns::outbound;
use serde_json::{Value, json};

use crate::oauth_provider::{OauthServer, Script, begin, cookie, oauth, parameter, secret};

/// The whole way: to the provider, where the person consents, and back.
async fn sign_in(provider: OauthProvider, script: Script) -> Result<Identity, Error> {
    let server = OauthServer::start(script).await;
    let oauth = oauth(&server.settings());
    let start = begin(&oauth, provider);
    let code = server.consent(&start);
    come_back(&oauth, provider, &start, &code).await
}

async fn come_back(oauth: &Oauth, provider: OauthProvider, start: &Start, code: &str) -> Result<Identity, Error> {
    let (cookie, state) = (cookie(start), parameter(&start.authorize_url, "state"));
    let callback = Callback { cookie: Some(&cookie), state: &state, code: Some(code), error: None };
    oauth.finish(provider, callback, Timestamp::now()).await
}

fn refusal(ended: Result<Identity, Error>) -> (ErrorCode, Option<String>, String) {
    let error = ended.expect_err("a refusal");
    (error.code, error.field.map(std::borrow::Cow::into_owned), error.message.into_owned())
}

#[tokio::test]
async fn a_browser_that_comes_back_is_known_by_its_profile() {
    let google = sign_in(OauthProvider::Google, Script::default()).await.expect("a profile");
    let ada = Identity {
        provider: OauthProvider::Google,
        subject: "1001".into(),
        email: "ada@example.com".into(),
        name: Some("Ada".into()),
    };
    assert_eq!(google, ada);
    let github = sign_in(OauthProvider::Github, Script::default()).await.expect("a profile");
    let ada = Identity {
        provider: OauthProvider::Github,
        subject: "2002".into(),
        email: "ada@example.org".into(),
        name: Some("ada".into()),
    };
    assert_eq!(github, ada);
}

#[tokio::test]
async fn github_is_told_who_asks_and_for_what() {
    let server = OauthServer::start(Script::default()).await;
    let oauth = oauth(&server.settings());
    let start = begin(&oauth, OauthProvider::Github);
    let code = server.consent(&start);
    come_back(&oauth, OauthProvider::Github, &start, &code).await.expect("a profile");
    assert_eq!(server.asked("accept"), "application/vnd.github+json");
    assert!(server.asked("user-agent").starts_with("everruns/"));
}

#[tokio::test]
async fn the_browser_is_sent_with_a_challenge_and_a_state_that_its_cookie_does_not_hold() {
    let server = OauthServer::start(Script::default()).await;
    let oauth = oauth(&server.settings());
    let start = begin(&oauth, OauthProvider::Google);
    let url = &start.authorize_url;
    assert_eq!(parameter(url, "response_type"), "code");
    assert_eq!(parameter(url, "client_id"), "google-client");
    assert_eq!(parameter(url, "redirect_uri"), "http://localhost:9000/v1/auth/callback/google");
    assert_eq!(parameter(url, "scope"), "openid email profile");
    assert_eq!(parameter(url, "code_challenge_method"), "S256");
    let set_cookie = start.set_cookie.to_str().expect("a text");
    assert!(set_cookie.ends_with("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax"), "{set_cookie}");
    assert!(!set_cookie.contains(&parameter(url, "state")));
    assert!(!url.contains(&cookie(&start)) && !url.contains("secret"));
    let again = begin(&oauth, OauthProvider::Google);
    assert_ne!(parameter(url, "state"), parameter(&again.authorize_url, "state"));
    let cleared = oauth.cleared_cookie().expect("a cookie");
    assert_eq!(cleared, "everruns_oauth=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
}

#[tokio::test]
async fn behind_https_the_cookie_goes_over_https_only() {
    let server = OauthServer::start(Script::default()).await;
    let oauth = oauth(&AuthSettings { base_url: "https://everruns.example.com".into(), ..server.settings() });
    let start = begin(&oauth, OauthProvider::Google);
    assert!(start.set_cookie.to_str().expect("a text").ends_with("; SameSite=Lax; Secure"));
    let redirect_uri = parameter(&start.authorize_url, "redirect_uri");
    assert_eq!(redirect_uri, "https://everruns.example.com/v1/auth/callback/google");
}

#[tokio::test]
async fn a_state_is_worth_nothing_without_the_cookie_of_its_attempt() {
    let server = OauthServer::start(Script::default()).await;
    let oauth = oauth(&server.settings());
    let mine = begin(&oauth, OauthProvider::Google);
    let other = begin(&oauth, OauthProvider::Google);
    let github = begin(&oauth, OauthProvider::Github);
    let (state, good) = (parameter(&mine.authorize_url, "state"), cookie(&mine));
    let other_state = parameter(&other.authorize_url, "state");
    let (stamp, proof) = good.split_once('.').expect("two parts");
    let forged = [format!("{stamp}.{stamp}"), format!("A{}.{proof}", &stamp[1..]), stamp.to_owned(), String::new()];
    let mut tries: Vec<(Option<&str>, &str)> = vec![
        (None, &state),
        (Some(&good), &other_state),
        (Some(&good), ""),
        (Some(&good), "never a state"),
        (Some(&good), proof),
    ];
    let (others_cookie, github_cookie) = (cookie(&other), cookie(&github));
    tries.extend([(Some(others_cookie.as_str()), state.as_str()), (Some(&github_cookie), &state)]);
    tries.extend(forged.iter().map(|cookie| (Some(cookie.as_str()), state.as_str())));
    let code = server.consent(&mine);
    for (cookie, state) in tries {
        let callback = Callback { cookie, state, code: Some(&code), error: None };
        let ended = refusal(oauth.finish(OauthProvider::Google, callback, Timestamp::now()).await);
        let text = "the state does not belong to a sign-in that this browser began: begin again";
        assert_eq!(ended, (ErrorCode::BadUserInput, Some("input.state".into()), text.into()), "{cookie:?} {state}");
    }
    come_back(&oauth, OauthProvider::Google, &mine, &code).await.expect("nothing above spent the code");
}

#[tokio::test]
async fn an_attempt_ends_at_another_replica_but_not_under_another_secret() {
    let server = OauthServer::start(Script::default()).await;
    let here = oauth(&server.settings());
    let start = begin(&here, OauthProvider::Google);
    let code = server.consent(&start);
    let client = outbound::operator_client(crate::app::PATIENCE).expect("a client");
    let stranger = Oauth::new(&server.settings(), &secret("another secret"), client).expect("good settings");
    let (code_was, field, _) = refusal(come_back(&stranger, OauthProvider::Google, &start, &code).await);
    assert_eq!((code_was, field.as_deref()), (ErrorCode::BadUserInput, Some("input.state")));
    let replica = oauth(&server.settings());
    come_back(&replica, OauthProvider::Google, &start, &code).await.expect("a profile");
}

#[tokio::test]
async fn an_attempt_ends_within_ten_minutes() {
    let server = OauthServer::start(Script::default()).await;
    let oauth = oauth(&server.settings());
    let age = i64::try_from(ATTEMPT_AGE_MAX.as_micros()).expect("a number");
    let begun = |before: i64| {
        let then = Timestamp::from_microseconds(Timestamp::now().as_microseconds() - before).expect("a time");
        oauth.start(OauthProvider::Google, then).expect("a start")
    };
    let old = begun(age + 1_000_000);
    let code = server.consent(&old);
    let text = "the sign-in took too long: begin again";
    let ended = refusal(come_back(&oauth, OauthProvider::Google, &old, &code).await);
    assert_eq!(ended, (ErrorCode::BadUserInput, Some("input.state".into()), text.into()));
    let late = begun(age - 60_000_000);
    let code = server.consent(&late);
    come_back(&oauth, OauthProvider::Google, &late, &code).await.expect("a profile");
}

#[tokio::test]
async fn a_code_is_taken_once_and_only_from_the_attempt_that_it_was_given_to() {
    let server = OauthServer::start(Script::default()).await;
    let oauth = oauth(&server.settings());
    let (mine, other) = (begin(&oauth, OauthProvider::Google), begin(&oauth, OauthProvider::Google));
    let stolen = server.consent(&other);
    let text = "the provider does not take this code: begin again";
    let refused = (ErrorCode::BadUserInput, Some("input.code".into()), text.into());
    // The provider holds the code verifier against the challenge of the attempt that the code was given to.
    assert_eq!(refusal(come_back(&oauth, OauthProvider::Google, &mine, &stolen).await), refused);
    let code = server.consent(&mine);
    come_back(&oauth, OauthProvider::Google, &mine, &code).await.expect("a profile");
    assert_eq!(refusal(come_back(&oauth, OauthProvider::Google, &mine, &code).await), refused);
    let (code_was, field, _) = refusal(come_back(&oauth, OauthProvider::Google, &mine, "").await);
    assert_eq!((code_was, field.as_deref()), (ErrorCode::BadUserInput, Some("input.code")));
    let long = "c".repeat(4097);
    let (code_was, field, _) = refusal(come_back(&oauth, OauthProvider::Google, &mine, &long).await);
    assert_eq!((code_was, field.as_deref()), (ErrorCode::BadUserInput, Some("input.code")));
}

#[tokio::test]
async fn githubs_refusal_of_a_code_is_read_although_it_comes_as_a_success() {
    let token = Some((200, json!({ "error": "bad_verification_code", "error_description": "The code is expired." })));
    let (code, field, _) = refusal(sign_in(OauthProvider::Github, Script { token, ..Script::default() }).await);
    assert_eq!((code, field.as_deref()), (ErrorCode::BadUserInput, Some("input.code")));
}

#[tokio::test]
async fn only_verified_addresses_of_allowed_domains_sign_in() {
    let unverified = "the account has no verified e-mail address at the provider";
    let google = |google: Value| sign_in(OauthProvider::Google, Script { google, ..Script::default() });
    for user in [
        json!({ "sub": "1", "email": "ada@example.com", "email_verified": false }),
        json!({ "sub": "1", "email": "ada@example.com" }),
        json!({ "sub": "1", "email_verified": true }),
        json!({ "sub": "1", "email": "ada", "email_verified": true }),
    ] {
        assert_eq!(refusal(google(user).await), (ErrorCode::Forbidden, None, unverified.into()));
    }
    let github = |github_emails: Value| sign_in(OauthProvider::Github, Script { github_emails, ..Script::default() });
    for emails in [json!([]), json!([{ "email": "ada@example.org", "primary": true, "verified": false }])] {
        assert_eq!(refusal(github(emails).await), (ErrorCode::Forbidden, None, unverified.into()));
    }
    let second = json!([
        { "email": "ada@example.org", "primary": true, "verified": false },
        { "email": "spare@example.org", "primary": false, "verified": true },
    ]);
    assert_eq!(github(second).await.expect("a profile").email, "spare@example.org");
}

#[tokio::test]
async fn a_domain_that_is_not_listed_does_not_sign_in_with_google() {
    let server = OauthServer::start(Script::default()).await;
    let mut settings = server.settings();
    let sign_in = async |settings: &AuthSettings| {
        let oauth = oauth(settings);
        let start = begin(&oauth, OauthProvider::Google);
        let code = server.consent(&start);
        come_back(&oauth, OauthProvider::Google, &start, &code).await
    };
    settings.google.google_allowed_domains = vec!["corp.example".into(), "sub.example.com".into(), "com".into()];
    let text = "accounts of this e-mail domain may not sign in here";
    assert_eq!(refusal(sign_in(&settings).await), (ErrorCode::Forbidden, None, text.into()));
    settings.google.google_allowed_domains.push(" EXAMPLE.com ".into());
    assert_eq!(sign_in(&settings).await.expect("a profile").email, "ada@example.com");
}

#[tokio::test]
async fn an_address_of_an_allowed_domain_in_another_organization_does_not_sign_in() {
    let google = |hd: &str| json!({ "sub": "1", "email": "ada@example.com", "email_verified": true, "hd": hd });
    let sign_in = async |hd: &str| {
        let server = OauthServer::start(Script { google: google(hd), ..Script::default() }).await;
        let mut settings = server.settings();
        settings.google.google_allowed_domains = vec!["example.com".into()];
        let oauth = oauth(&settings);
        let start = begin(&oauth, OauthProvider::Google);
        let code = server.consent(&start);
        come_back(&oauth, OauthProvider::Google, &start, &code).await
    };
    assert_eq!(sign_in("Example.com").await.expect("a profile").email, "ada@example.com");
    assert_eq!(refusal(sign_in("other.example").await).0, ErrorCode::Forbidden);
}

#[tokio::test]
async fn a_provider_that_says_no_is_heard_only_in_an_attempt_of_this_browser() {
    let server = OauthServer::start(Script::default()).await;
    let oauth = oauth(&server.settings());
    let start = begin(&oauth, OauthProvider::Google);
    let (cookie, state) = (cookie(&start), parameter(&start.authorize_url, "state"));
    let said = async |error: &str, cookie: Option<&str>| {
        let callback = Callback { cookie, state: &state, code: None, error: Some(error) };
        oauth.finish(OauthProvider::Google, callback, Timestamp::now()).await
    };
    let (code, field, _) = refusal(said("access_denied", None).await);
    assert_eq!((code, field.as_deref()), (ErrorCode::BadUserInput, Some("input.state")));
    let refused = "the sign-in was refused at the provider";
    assert_eq!(refusal(said("access_denied", Some(&cookie)).await), (ErrorCode::Forbidden, None, refused.into()));
    let error = said("server_error", Some(&cookie)).await.expect_err("a refusal");
    assert_eq!(error.code, ErrorCode::Unavailable);
    let cause = |error: &Error| error.cause().expect("a cause").to_string();
    assert_eq!(cause(&error), "sign-in with google: it came back with server_error");
    let error = said("line\nbreak", Some(&cookie)).await.expect_err("a refusal");
    assert_eq!(cause(&error), "sign-in with google: it came back with an unknown error");
}

#[tokio::test]
async fn a_provider_that_fails_is_unavailable_and_its_answer_stays_out_of_the_log() {
    let text = "the sign-in provider does not answer as it should, try again later";
    for (status, body, cause) in [
        (401, json!({ "error": "invalid_client" }), "its token endpoint answered invalid_client"),
        (500, json!({ "oops": "token-of-ada" }), "its token endpoint's answer is wrong at"),
        (200, json!({ "access_token": ["token-of-ada"] }), "its token endpoint's answer is wrong at access_token"),
        (200, json!({ "access_token": "wrong", "token_type": "bearer" }), "its profile has status 401"),
        (302, json!({}), "its token endpoint"),
    ] {
        let script = Script { token: Some((status, body)), ..Script::default() };
        let error = sign_in(OauthProvider::Google, script).await.expect_err("a failure");
        assert_eq!((error.code, error.message.as_ref()), (ErrorCode::Unavailable, text));
        let logged = error.cause().expect("a cause").to_string();
        assert!(logged.contains(cause) && !logged.contains("token-of-ada"), "{logged}");
    }
    let script = Script { google: json!({ "sub": 7, "email": "ada@example.com" }), ..Script::default() };
    let error = sign_in(OauthProvider::Google, script).await.expect_err("a failure");
    let logged = error.cause().expect("a cause").to_string();
    assert!(logged.contains("its profile is wrong (Data, line 1") && !logged.contains('@'), "{logged}");
}

#[tokio::test]
async fn a_token_endpoint_that_is_silent_is_given_up() {
    let server = OauthServer::start(Script { token: None, ..Script::default() }).await;
    let client = outbound::operator_client(Duration::from_millis(50)).expect("a client");
    let oauth = Oauth::new(&server.settings(), &secret("secret"), client).expect("good settings");
    let start = begin(&oauth, OauthProvider::Google);
    let code = server.consent(&start);
    let error = come_back(&oauth, OauthProvider::Google, &start, &code).await.expect_err("a failure");
    assert_eq!(error.code, ErrorCode::Unavailable);
    let cause = error.cause().expect("a cause").to_string();
    assert!(cause.contains("timed out") && !cause.contains("127.0.0.1") && !cause.contains(&code), "{cause}");
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_read() {
    let long = json!({ "access_token": "t".repeat(1024 * 1024), "token_type": "bearer" });
    let script = Script { token: Some((200, long)), ..Script::default() };
    let error = sign_in(OauthProvider::Google, script).await.expect_err("a failure");
    assert!(error.cause().expect("a cause").to_string().ends_with("an answer of more than 1048576 bytes"));
}

#[tokio::test]
async fn a_provider_that_is_not_set_up_is_not_there() {
    let server = OauthServer::start(Script::default()).await;
    let full = server.settings();
    let mut google_only = full.clone();
    google_only.github.github_client_id = Some(String::new());
    let admin = AuthSettings { mode: AuthMode::Admin, ..full.clone() };
    for (settings, known) in [(full, 2), (google_only, 1), (admin, 0)] {
        let oauth = oauth(&settings);
        assert_eq!(oauth.providers().count(), known);
        let all = [OauthProvider::Google, OauthProvider::Github];
        for provider in all.into_iter().filter(|provider| oauth.providers().all(|known| known != *provider)) {
            let missing = oauth.start(provider, Timestamp::now()).err().expect("a refusal");
            assert_eq!((missing.code, missing.message.as_ref()), (ErrorCode::NotFound, "oauth provider not found"));
            let callback = Callback { cookie: None, state: "", code: None, error: None };
            let (code, ..) = refusal(oauth.finish(provider, callback, Timestamp::now()).await);
            assert_eq!(code, ErrorCode::NotFound);
        }
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_named_by_its_variable() {
    let server = OauthServer::start(Script::default()).await;
    let mut settings = server.settings();
    settings.google.google_token_url = Some("ftp://example.com/token".into());
    let client = outbound::operator_client(crate::app::PATIENCE).expect("a client");
    let error = Oauth::new(&settings, &secret("secret"), client).err().expect("a refusal");
    assert_eq!(error.message, "AUTH_GOOGLE_TOKEN_URL must be an http or https URL");
}
