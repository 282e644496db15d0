//! Where users may send the server: checked in the URL, and again where a name leads.

use everruns::outbound::{AllowedHosts, Reach, Refused, fault_of_root, join, model_clients, same_origin, web_client};

use crate::llm::server::{Reply, Server};

fn reach(allowed: &str, private_networks: bool) -> Reach {
    Reach { allowed: allowed.parse().unwrap(), private_networks }
}

/// The port of a scripted server.
fn port(server: &Server) -> &str {
    server.root.trim_end_matches("/v1").rsplit(':').next().unwrap()
}

#[test]
fn an_address_in_a_url_is_judged_in_every_spelling() {
    let strict = reach("", false);
    for url in ["https://example.com", "http://1.1.1.1:8080/a?b#c", "http://[2606:4700::1111]/"] {
        assert_eq!(strict.check(url), Ok(()), "{url}");
    }
    for url in
        ["http://127.1", "http://0x7f000001", "http://017700000001", "http://[::ffff:7f00:1]", "http://LOCALHOST."]
    {
        assert_eq!(strict.check(url), Err(Refused::Address), "{url}");
    }
    for url in ["", "example.com", "ftp://example.com", "file:///etc/passwd", "data:,a", "http://", "gopher://1.1.1.1"]
    {
        assert_eq!(strict.check(url), Err(Refused::NoUrl), "{url}");
    }
    let trusting = reach("", true);
    for url in ["http://127.0.0.1:1", "http://localhost:1", "http://192.168.0.1", "http://[::1]", "http://[fd00::1]"] {
        assert_eq!(trusting.check(url), Ok(()), "{url}");
    }
    for url in ["http://169.254.169.254", "http://[fe80::1]", "http://0.0.0.0", "http://100.64.0.1", "http://224.0.0.1"]
    {
        assert_eq!(trusting.check(url), Err(Refused::Address), "{url}");
    }
}

#[test]
fn a_listed_host_is_allowed_at_its_ports() {
    let reach = reach("10.0.0.5:8080, Models.Internal, [::1], localhost:11434,", false);
    for url in ["http://10.0.0.5:8080/v1", "http://models.internal:1", "http://[::1]:9/", "http://localhost:11434"] {
        assert_eq!(reach.check(url), Ok(()), "{url}");
    }
    for url in ["http://10.0.0.5/v1", "http://localhost:80"] {
        assert_eq!(reach.check(url), Err(Refused::Port), "{url}");
    }
    assert_eq!(reach.check("http://10.0.0.6:8080"), Err(Refused::Address));
    for wrong in ["*", "10.0.0.0/8", "http://host", "host:port", "host:99999", "a b"] {
        assert!(wrong.parse::<AllowedHosts>().is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_not_connected_to() {
    crate::app::client();
    let mut server = Server::start([Reply::json(200, "1"), Reply::json(200, "2"), Reply::json(200, "3")]);
    let url = format!("http://localhost:{}/", port(&server));
    let strict = model_clients(&reach("", false)).unwrap();
    assert!(strict.tenant.get(&url).send().await.unwrap_err().is_connect());
    assert!(web_client(&AllowedHosts::default()).unwrap().get(&url).send().await.is_err());
    assert_eq!(server.requests_left(), 0);
    assert!(strict.operator.get(&url).send().await.is_ok(), "the operator's word counts");
    assert!(model_clients(&reach("", true)).unwrap().tenant.get(&url).send().await.is_ok());
    assert!(web_client(&"localhost".parse().unwrap()).unwrap().get(&url).send().await.is_ok());
}

#[tokio::test]
async fn the_web_client_follows_nothing() {
    let mut server = Server::start([Reply::redirect(302, "/elsewhere"), Reply::json(200, "")]);
    let url = format!("http://127.0.0.1:{}/", port(&server));
    let answer = web_client(&"127.0.0.1".parse().unwrap()).unwrap().get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    server.request().await;
    assert_eq!(server.requests_left(), 0);
    assert_eq!(join(&url, "/elsewhere"), Some(format!("http://127.0.0.1:{}/elsewhere", port(&server))));
    assert_eq!(join(&url, "https://other/"), Some("https://other/".to_owned()));
    assert_eq!(join("nowhere", "/a"), None);
}

#[test]
fn an_api_root_is_plain() {
    for root in ["https://host/v1", "http://127.0.0.1:8080", "https://host/v1/"] {
        assert_eq!(fault_of_root(root), None, "{root}");
    }
    for root in
        ["host/v1", "ftp://host", "https://a@host", "https://:b@host", "https://host?", "https://host#", "https:"]
    {
        assert!(fault_of_root(root).is_some(), "{root}");
    }
    assert!(same_origin("https://host/v1", "https://HOST:443/v2"));
    for other in ["http://host/v1", "https://host:444/v1", "https://host.example/v1", "nothing"] {
        assert!(!same_origin("https://host/v1", other), "{other}");
    }
}
