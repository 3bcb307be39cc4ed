//! Where keys may come from: verified TLS, the URL that is configured, the discovery document that is the issuer's own.
use super::*;
use support::{Authority, Certificate, DEADLINE, tls_before};

/// A gateway whose issuer's key server shows this certificate and is asked as `localhost`; `authority` is what it trusts.
fn behind_tls(pool: &Pool, certificate: &Certificate, authority: Option<&Authority>) -> Gateway {
    let port = tls_before(certificate, pool.server.address()).port();
    let trust = if authority.is_some() { "ca_file = \"ca.pem\"" } else { "" };
    let table = pool.table(&format!("https://localhost:{port}/keys.json"), trust);
    let setup = pool.bare().issuer(&table);
    match authority {
        Some(authority) => setup.file("ca.pem", &authority.pem()),
        None => setup,
    }
    .start_unready()
}

fn check_not_believed(certificate: &Certificate, authority: Option<&Authority>, reason: &str) {
    let pool = Pool::new();
    let gateway = behind_tls(&pool, certificate, authority);
    gateway
        .stdout
        .wait(reason, DEADLINE, |line| (line.contains("keys could not be fetched") && line.contains(reason)).then_some(()));
    assert_eq!((status(&gateway, &pool.issuer.user("ada")), pool.server.fetches()), (503, 0), "{reason}");
    let ready = gateway.admin_get("/readyz");
    assert!(ready.status == 503 && ready.text().contains(NAME), "{reason}: {ready:?}");
}

#[test]
fn a_key_server_that_cannot_prove_its_name_is_not_believed() {
    let authority = Authority::new("Issuer CA");
    check_not_believed(&authority.certificate("localhost"), None, "UnknownIssuer");
    check_not_believed(&Certificate::self_signed("localhost"), Some(&authority), "UnknownIssuer");
    check_not_believed(&authority.certificate("other.example"), Some(&authority), "not valid for name");
    check_not_believed(&authority.expired_certificate("localhost"), Some(&authority), "expired");
    check_not_believed(&Authority::new("Issuer CA").certificate("localhost"), Some(&authority), "invalid peer certificate");
}

#[test]
fn a_key_server_that_the_named_authority_vouches_for_is_believed() {
    let (pool, authority) = (Pool::new(), Authority::new("Issuer CA"));
    let gateway = behind_tls(&pool, &authority.certificate("localhost"), Some(&authority));
    gateway.wait_ready();
    assert_eq!(status(&gateway, &pool.issuer.user("ada")), 200);
    let head = pool.server.heads().remove(0);
    assert_eq!((head.method.as_str(), head.target.as_str()), ("GET", "/keys.json"));
    assert!(head.all("authorization").is_empty() && head.all("cookie").is_empty(), "nothing of a client goes there: {head:?}");
}

#[test]
fn a_redirect_is_not_followed() {
    let (pool, elsewhere) = (Pool::new(), JwksServer::start(KeyServing::Good(Issuer::new(NAME).jwks_json())));
    for code in ["301", "302", "303", "307", "308"] {
        let head = format!("HTTP/1.1 {code} Moved\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", elsewhere.url());
        pool.server.switch(KeyServing::Raw(head));
        let gateway = pool.setup("").start_unready();
        gateway.stdout.wait(code, DEADLINE, |line| line.contains(&format!("status {code}")).then_some(()));
        assert_eq!(status(&gateway, &pool.issuer.user("ada")), 503);
    }
    assert_eq!(elsewhere.fetches(), 0);
}

/// A gateway with an issuer whose name is where its discovery document is.
fn by_discovery(document: impl Fn(&str) -> String) -> (Gateway, JwksServer, Issuer) {
    let server = JwksServer::start(KeyServing::Dead);
    let issuer = Issuer::new(&format!("http://{}", server.address()));
    server.switch(KeyServing::Good(document(&issuer.name)));
    let table = format!("issuer = \"{}\"\nprofile = \"generic\"\naudiences = \"any\"", issuer.name);
    let gateway = Setup::bare(support::NOBODY).issuer(&table).start_unready();
    (gateway, server, issuer)
}

fn check_discovery(document: impl Fn(&str) -> String, reason: &str) {
    let (gateway, server, _) = by_discovery(document);
    gateway
        .stdout
        .wait(reason, DEADLINE, |line| (line.contains("keys could not be fetched") && line.contains(reason)).then_some(()));
    assert!(server.heads().iter().all(|head| head.target == "/.well-known/openid-configuration"), "{reason}");
    assert_eq!(gateway.admin_get("/readyz").status, 503);
}

#[test]
fn a_discovery_document_speaks_for_its_own_issuer_and_names_a_place_that_proves_itself() {
    let names = |issuer: &str, jwks_uri: &str| json!({"issuer": issuer, "jwks_uri": jwks_uri}).to_string();
    check_discovery(|name| names("https://other.test", &format!("{name}/keys")), "names another issuer");
    check_discovery(|name| names(&format!("{name}/"), &format!("{name}/keys")), "names another issuer");
    check_discovery(|name| json!({"jwks_uri": format!("{name}/keys")}).to_string(), "lacks issuer or jwks_uri");
    check_discovery(|name| names(name, "http://192.0.2.1/keys"), "http to an address that is not of this machine");
    check_discovery(|name| names(name, "file:///etc/passwd"), "the URL");
}

#[test]
fn a_discovery_document_leads_to_the_keys() {
    // The same document for both: it is also a key set.
    let keys = Issuer::new("https://unused.test").jwks_json();
    let (gateway, server, _) = by_discovery(|name| {
        let mut both: serde_json::Value = serde_json::from_str(&keys).expect("JSON");
        both["issuer"] = json!(name);
        both["jwks_uri"] = json!(format!("{name}/the-keys"));
        both.to_string()
    });
    gateway.wait_ready();
    assert_eq!(server.heads()[1].target, "/the-keys");
}

/// An issuer whose discovery document comes by TLS and names the keys' place; `scheme` is that of the place.
fn over_tls(scheme: &str) -> (Gateway, JwksServer) {
    let authority = Authority::new("Issuer CA");
    let server = JwksServer::start(KeyServing::Dead);
    let port = tls_before(&authority.certificate("localhost"), server.address()).port();
    let name = format!("https://localhost:{port}");
    let place = if scheme == "https" { format!("{name}/keys") } else { format!("{scheme}://{}/keys", server.address()) };
    // The same document for both: it is also a key set.
    let mut both: serde_json::Value = serde_json::from_str(&Issuer::new(&name).jwks_json()).expect("JSON");
    (both["issuer"], both["jwks_uri"]) = (json!(name), json!(place));
    server.switch(KeyServing::Good(both.to_string()));
    let table = format!("issuer = \"{name}\"\nprofile = \"generic\"\naudiences = \"any\"\nca_file = \"ca.pem\"");
    (Setup::bare(support::NOBODY).issuer(&table).file("ca.pem", &authority.pem()).start_unready(), server)
}

#[test]
fn a_discovery_document_from_elsewhere_does_not_lead_to_a_port_of_this_machine() {
    for scheme in ["http", "HTTP"] {
        let (gateway, server) = over_tls(scheme);
        let reason = "the discovery document leads from https to http";
        gateway.stdout.wait(reason, DEADLINE, |line| line.contains(reason).then_some(()));
        assert!(server.heads().iter().all(|head| head.target == "/.well-known/openid-configuration"), "{scheme}");
    }
    let (gateway, server) = over_tls("https");
    gateway.wait_ready();
    assert_eq!(server.heads()[1].target, "/keys");
}
