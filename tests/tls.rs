//! TLS: versions, certificates chosen by name, and what is said when they cannot be used.
mod support;

use std::process::Command;
use support::{Certificate, Gateway, Response, Setup, World, assert_decorated, curl, run_tool};

const LIST: &str = "/prod/api/incidents";

/// A plain listener, and one with TLS for three names, one of them a wildcard.
fn world() -> World {
    let tables = "[[listeners]]\naddress = \"127.0.0.1:0\"\n\n[[listeners]]\naddress = \"127.0.0.1:0\"\n\
                  tls = [{ certificate = \"other.pem\", private_key = \"other-key.pem\" }, { certificate = \"api.pem\", private_key = \"api-key.pem\" }, \
                  { certificate = \"any.pem\", private_key = \"any-key.pem\" }]\n";
    World::with(|setup| {
        [("other", "other.test"), ("api", "api.test"), ("any", "*.any.test")].into_iter().fold(setup.listeners(tables), add)
    })
}

/// A self-signed certificate for this name, as `FILE.pem` and `FILE-key.pem`.
fn add(setup: Setup, (file, name): (&str, &str)) -> Setup {
    let Certificate { pem, key_pem } = Certificate::self_signed(name);
    setup.file(&format!("{file}.pem"), &pem).file(&format!("{file}-key.pem"), &key_pem)
}

/// What `ada` gets from this listener with these arguments.
fn ask(world: &World, listener: usize, arguments: &[&str]) -> Response {
    let port = world.gateway.listeners[listener].port();
    let scheme = if listener == 1 { "https" } else { "http" };
    let ca = world.gateway.path("api.pem").display().to_string();
    let (resolve, url) = (format!("*:{port}:127.0.0.1"), format!("{scheme}://api.test:{port}{LIST}"));
    let auth = format!("Authorization: {}", world.bearer);
    // A header that the arguments take away is not given first.
    let auth = if arguments.contains(&"Authorization:") { "X-Nobody: 1" } else { &auth };
    let version = ["--write-out", "\n%{http_version}", "--cacert", &ca, "--resolve", &resolve, "--header", auth];
    curl(&[&version, arguments, &[url.as_str()]].concat())
}

/// The body, and the version of HTTP that curl was told to write after it.
fn body_and_version(response: &Response) -> (String, String) {
    let text = response.text();
    let (body, version) = text.rsplit_once('\n').expect("the line that curl was told to write");
    (body.to_owned(), version.to_owned())
}

#[test]
fn both_versions_are_spoken_over_tls_and_plain_text() {
    let world = world();
    for (listener, arguments, version, proto) in [
        (1, vec!["--http2"], "2", "https"),
        (1, vec!["--http1.1"], "1.1", "https"),
        (1, vec!["--tlsv1.2", "--tls-max", "1.2"], "2", "https"),
        (0, vec!["--http1.1"], "1.1", "http"),
        (0, vec!["--http2-prior-knowledge"], "2", "http"),
    ] {
        let response = ask(&world, listener, &arguments);
        let expected = ("{\"ok\":true}".to_owned(), version.to_owned());
        assert_eq!((response.status, body_and_version(&response)), (200, expected), "{arguments:?}");
        let head = world.backend.last().head;
        assert_eq!(head.only("X-Forwarded-Proto"), proto, "{arguments:?}");
        let host = format!("api.test:{}", world.gateway.listeners[listener].port());
        assert_eq!(head.only("Host"), host, "HTTP/2 too names the host");
        assert_eq!(head.only("X-Auth-Subject"), "ada");
        assert!(head.only("Via").starts_with(version), "{head:?}");
    }
}

#[test]
fn every_http2_answer_is_decorated() {
    let world = world();
    for (arguments, status) in [
        (vec![], 200),
        (vec!["--request", "DELETE"], 405),
        (vec!["--header", "Authorization:"], 401),
        (vec!["--head"], 200),
        (vec!["--request-target", "/elsewhere"], 404),
    ] {
        let response = ask(&world, 1, &[&["--http2"], &arguments[..]].concat());
        assert_eq!(response.status, status, "{arguments:?}: {response:?}");
        // Each header exactly once, and `Origin` exactly once in `Vary`.
        assert_decorated(&format!("{arguments:?}"), &response);
    }
}

#[test]
fn the_certificate_is_chosen_by_name() {
    let world = world();
    let address = world.gateway.listeners[1].to_string();
    for (name, subject) in [
        ("api.test", "api.test"),
        ("API.test", "api.test"),
        ("other.test", "other.test"),
        ("one.any.test", "*.any.test"),
        ("one.two.any.test", "other.test"),
        ("any.test", "other.test"),
        ("nobody.test", "other.test"),
        ("", "other.test"),
    ] {
        let server_name = if name.is_empty() { vec!["-noservername"] } else { vec!["-servername", name] };
        let mut openssl = Command::new("openssl");
        let output = run_tool(openssl.args(["s_client", "-connect", &address, "-showcerts"]).args(server_name), "");
        let mut openssl = Command::new("openssl");
        let names = openssl.args(["x509", "-noout", "-ext", "subjectAltName"]);
        let names = run_tool(names, &String::from_utf8_lossy(&output.stdout));
        let names = String::from_utf8_lossy(&names.stdout).into_owned();
        let shown: Vec<&str> = names.split([' ', ',', '\n']).filter_map(|word| word.strip_prefix("DNS:")).collect();
        assert_eq!(shown, [subject], "{name}: the first where no name matches");
    }
}

#[test]
fn old_protocol_versions_are_refused() {
    let world = world();
    let port = world.gateway.listeners[1].port();
    let status = Command::new("curl")
        .args(["--silent", "--insecure", "--max-time", "20", "--tls-max", "1.1", &format!("https://127.0.0.1:{port}/ping")])
        .status()
        .expect("curl");
    assert_eq!(status.code(), Some(35), "a handshake that fails");
}

#[test]
fn http2_can_be_switched_off() {
    let tables = "[[listeners]]\naddress = \"127.0.0.1:0\"\n\n[[listeners]]\naddress = \"127.0.0.1:0\"\nhttp2 = false\n\
                  tls = { certificate = \"api.pem\", private_key = \"api-key.pem\" }\n";
    let world = World::with(|setup| add(setup.listeners(tables), ("api", "api.test")));
    let response = ask(&world, 1, &["--http2"]);
    assert_eq!((response.status, body_and_version(&response).1.as_str()), (200, "1.1"));
}

#[test]
fn a_certificate_that_cannot_be_read_is_a_configuration_error() {
    let (api, other) = (Certificate::self_signed("api.test"), Certificate::self_signed("other.test"));
    for (name, files, key) in [
        ("missing", vec![], "tls.certificate"),
        ("not PEM", vec![("api.pem", "hello"), ("api-key.pem", "hello")], "tls.certificate"),
        ("no key in it", vec![("api.pem", api.pem.as_str()), ("api-key.pem", "hello")], "tls.private_key"),
        ("the key of another", vec![("api.pem", &api.pem), ("api-key.pem", &other.key_pem)], "tls.private_key"),
        ("a key for a certificate", vec![("api.pem", &api.key_pem), ("api-key.pem", &api.key_pem)], "tls.certificate"),
    ] {
        let files: Vec<(String, String)> = files.into_iter().map(|(file, text)| (file.to_owned(), text.to_owned())).collect();
        let config = Setup::bare("127.0.0.1:1")
            .issuer("issuer = \"https://pool.test/one\"\njwks_url = \"http://127.0.0.1:1/\"\nclient_ids = \"any\"")
            .listeners(
                "[[listeners]]\naddress = \"127.0.0.1:0\"\ntls = { certificate = \"api.pem\", private_key = \"api-key.pem\" }\n",
            )
            .toml();
        for command in ["check", "run"] {
            let output = Gateway::output(&[command, "--config", "gateway.toml"], &config, &files);
            let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(2), "{command}, {name}: {said}");
            assert!(said.contains(&format!("listeners.{key}")), "{command}, {name}: listeners.{key} in {said}");
            assert!(!said.contains("PRIVATE KEY"), "{command}, {name}: {said}");
        }
    }
}
