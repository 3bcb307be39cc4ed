//! TLS and HTTP/2 as curl speaks them.
mod support;

use rcgen::{CertificateParams, KeyPair};
use std::process::Command;
use support::{Backend, Gateway, Issuer, Setup, run_tool};

/// What curl shows of one response: version, status and body.
fn curl(gateway: &Gateway, listener: usize, arguments: &[&str], token: &str) -> (String, String) {
    let port = gateway.listeners[listener].port();
    let url = |scheme: &str| format!("{scheme}://api.test:{port}/prod/api/incidents");
    let scheme = if arguments.contains(&"--cacert") || arguments.contains(&"-k") { "https" } else { "http" };
    let output = run_tool(
        Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "20", "--write-out", "\n%{http_version} %{http_code}"])
            .args(["--resolve", &format!("*:{port}:127.0.0.1"), "--header", &format!("Authorization: Bearer {token}")])
            .args(arguments)
            .arg(url(scheme)),
        "",
    );
    let text = String::from_utf8(output.stdout).expect("text");
    let (body, version) = text.rsplit_once('\n').expect("the line that curl was told to write");
    (version.to_owned(), body.to_owned())
}

/// A self-signed certificate for this name, and its key, as PEM.
fn certificate(name: &str) -> (String, String) {
    let key = KeyPair::generate().expect("set-up");
    let certificate = CertificateParams::new([name.to_owned()]).expect("set-up").self_signed(&key).expect("set-up");
    (certificate.pem(), key.serialize_pem())
}

struct World {
    gateway: Gateway,
    backend: Backend,
    token: String,
    ca: String,
}

/// A plain listener, and one with TLS for two names.
fn world() -> World {
    let (backend, issuer) = (Backend::start(), Issuer::new("https://pool.test/one"));
    let (certificate, key) = certificate("api.test");
    let (other_certificate, other_key) = self::certificate("other.test");
    let tables = "[[listeners]]\naddress = \"127.0.0.1:0\"\n\n[[listeners]]\naddress = \"127.0.0.1:0\"\n\
                  tls = [{ certificate = \"other.pem\", private_key = \"other-key.pem\" }, { certificate = \"api.pem\", private_key = \"api-key.pem\" }]\n";
    let gateway = Setup::new(backend.address(), &issuer)
        .listeners(tables)
        .file("api.pem", &certificate)
        .file("api-key.pem", &key)
        .file("other.pem", &other_certificate)
        .file("other-key.pem", &other_key)
        .start();
    let ca = gateway.path("api.pem").display().to_string();
    World { gateway, backend, token: issuer.user("ada"), ca }
}

#[test]
fn both_versions_are_spoken_over_tls_and_plain_text() {
    let world = world();
    let ca = world.ca.as_str();
    for (listener, arguments, version, proto) in [
        (1, vec!["--cacert", ca, "--http2"], "2 200", "https"),
        (1, vec!["--cacert", ca, "--http1.1"], "1.1 200", "https"),
        (1, vec!["--cacert", ca, "--tlsv1.2", "--tls-max", "1.2"], "2 200", "https"),
        (0, vec!["--http1.1"], "1.1 200", "http"),
        (0, vec!["--http2-prior-knowledge"], "2 200", "http"),
    ] {
        let (seen, body) = curl(&world.gateway, listener, &arguments, &world.token);
        assert_eq!((seen.as_str(), body.as_str()), (version, "{\"ok\":true}"), "{arguments:?}");
        let head = world.backend.last().head;
        assert_eq!(head.only("X-Forwarded-Proto"), proto, "{arguments:?}");
        assert_eq!(
            head.only("Host"),
            format!("api.test:{}", world.gateway.listeners[listener].port()),
            "HTTP/2 too names the host"
        );
        assert_eq!(head.only("X-Auth-Subject"), "ada");
    }
}

#[test]
fn every_http2_answer_is_decorated() {
    let world = world();
    let ca = world.ca.as_str();
    for (arguments, status) in [
        (vec![], "2 200"),
        (vec!["--request", "DELETE"], "2 405"),
        (vec!["--header", "Authorization:"], "2 401"),
        (vec!["--head"], "2 200"),
    ] {
        let all = [vec!["--cacert", ca, "--http2", "--dump-header", "-"], arguments.clone()].concat();
        let (seen, shown) = curl(&world.gateway, 1, &all, if arguments.contains(&"Authorization:") { "" } else { &world.token });
        assert_eq!(seen, status, "{arguments:?}: {shown}");
        for header in ["x-ratelimit-limit: ", "x-ratelimit-remaining: ", "x-ratelimit-reset: ", "x-request-id: ", "vary: "] {
            let count = shown.to_ascii_lowercase().lines().filter(|line| line.starts_with(header)).count();
            assert!(count >= 1, "{header} in {shown}");
        }
    }
}

#[test]
fn the_certificate_is_chosen_by_name() {
    let world = world();
    let address = world.gateway.listeners[1].to_string();
    for (name, subject) in [("api.test", "api.test"), ("other.test", "other.test"), ("nobody.test", "other.test")] {
        let output =
            run_tool(Command::new("openssl").args(["s_client", "-connect", &address, "-servername", name, "-showcerts"]), "");
        let names = run_tool(
            Command::new("openssl").args(["x509", "-noout", "-ext", "subjectAltName"]),
            &String::from_utf8_lossy(&output.stdout),
        );
        assert!(
            String::from_utf8_lossy(&names.stdout).contains(&format!("DNS:{subject}")),
            "{name}: the first where no name matches"
        );
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
    let (backend, issuer) = (Backend::start(), Issuer::new("https://pool.test/one"));
    let (certificate, key) = certificate("api.test");
    let gateway = Setup::new(backend.address(), &issuer)
        .listeners("[[listeners]]\naddress = \"127.0.0.1:0\"\nhttp2 = false\ntls = { certificate = \"api.pem\", private_key = \"api-key.pem\" }\n")
        .file("api.pem", &certificate)
        .file("api-key.pem", &key)
        .start();
    let (seen, _) = curl(&gateway, 0, &["-k", "--http2"], &issuer.user("ada"));
    assert_eq!(seen, "1.1 200");
}

#[test]
fn a_certificate_that_cannot_be_read_is_a_configuration_error() {
    let (certificate, _) = certificate("api.test");
    let (_, other_key) = self::certificate("other.test");
    for (name, files) in [
        ("missing", vec![]),
        ("not PEM", vec![("api.pem", "hello".to_owned()), ("api-key.pem", "hello".to_owned())]),
        ("the key of another", vec![("api.pem", certificate), ("api-key.pem", other_key)]),
    ] {
        let files: Vec<(String, String)> = files.into_iter().map(|(file, content)| (file.to_owned(), content)).collect();
        let config = Setup::bare("127.0.0.1:1")
            .issuer("issuer = \"https://pool.test/one\"\njwks_url = \"http://127.0.0.1:1/\"\nclient_ids = \"any\"")
            .listeners(
                "[[listeners]]\naddress = \"127.0.0.1:0\"\ntls = { certificate = \"api.pem\", private_key = \"api-key.pem\" }\n",
            )
            .toml();
        let output = Gateway::output(&["run", "--config", "gateway.toml"], &config, &files);
        assert_eq!(output.status.code(), Some(2), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
