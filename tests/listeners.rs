//! Where clients come in: redirecting listeners, unix sockets, TLS with its certificates, HTTP/2 and its bound.
mod support;

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use support::{
    Authority, Backend, Certificate, Client, DATA, Directory, Gateway, Http2, Issuer, JSON, RST_STREAM, SETTINGS, Setup, World,
    assert_decorated, assert_shared_with, curl, request, run_tool,
};

const LIST: &str = "/prod/api/incidents";
const PLAIN: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n";
const ORIGIN: &str = "https://app.stackflow-tech.com";

/// A redirecting listener first, then these.
fn redirecting(listeners: &str) -> World {
    let tables = format!("{PLAIN}redirect_https = true\n\n{listeners}");
    let api = Certificate::self_signed("api.test");
    World::with(|setup| setup.listeners(&tables).file("api.pem", &api.pem).file("api-key.pem", &api.key_pem))
}

const TLS: &str =
    "[[listeners]]\naddress = \"127.0.0.1:0\"\ntls = { certificate = \"api.pem\", private_key = \"api-key.pem\" }\n";

#[test]
fn a_redirecting_listener_sends_everybody_to_the_tls_listener() {
    let world = redirecting(&format!("{PLAIN}\n{TLS}"));
    let port = world.gateway.listeners[2].port();
    let mut client = world.gateway.connect();
    for (method, target, host, location) in [
        ("GET", LIST, "api.test", format!("https://api.test:{port}{LIST}")),
        ("HEAD", "/", "api.test:80", format!("https://api.test:{port}/")),
        (
            "POST",
            "/prod/api/x?limit=1&cursor=a%2Fb",
            "api.test:8080",
            format!("https://api.test:{port}/prod/api/x?limit=1&cursor=a%2Fb"),
        ),
        ("GET", "/ping", "[::1]:80", format!("https://[::1]:{port}/ping")),
        ("OPTIONS", "/elsewhere?", "api.test", format!("https://api.test:{port}/elsewhere?")),
    ] {
        let response = client.exchange(method, target, &[("Host", host), ("Origin", ORIGIN)], b"");
        assert_eq!((response.status, response.only("Location")), (308, location.as_str()), "{method} {target}: {response:?}");
        assert_decorated(target, &response);
        assert_shared_with(target, Some(ORIGIN), &response);
        assert!(response.all("Connection").iter().all(|value| !value.eq_ignore_ascii_case("close")), "{response:?}");
    }
    assert!(world.backend.requests().is_empty(), "a token sent in the clear is not even looked at");
    // A path that servers read differently is not sent on for another server to read.
    assert_eq!(client.get("/prod/api/a/../b", &[("Host", "api.test")]).status, 400);
    // And the plain listener beside it serves.
    let response = Client::connect(world.gateway.listeners[1]).get(LIST, &[world.auth()]);
    assert_eq!(response.status, 200, "{response:?}");
}

#[test]
fn a_redirect_is_charged_to_the_address() {
    let api = Certificate::self_signed("api.test");
    let world = World::with(|setup| {
        setup
            .listeners(&format!("{PLAIN}redirect_https = true\n\n{TLS}"))
            .with("[limits]\nper_address = { rate = 1, burst = 5 }")
            .file("api.pem", &api.pem)
            .file("api-key.pem", &api.key_pem)
    });
    let mut client = world.gateway.connect();
    let refused = (0..50).map(|_| client.get("/", &[])).find(|response| response.status != 308).expect("a refusal");
    assert_eq!((refused.status, &refused.json()["policy"]), (429, &"address".into()));
}

#[test]
fn unix_sockets_serve_the_api_and_the_admin() {
    let directory = Directory::new();
    let (api, admin) = (directory.path().join("api.sock"), directory.path().join("admin.sock"));
    // What a process that was killed leaves behind is no reason not to start.
    drop(std::os::unix::net::UnixListener::bind(&api).unwrap());
    let (backend, issuer) = (Backend::start(), Issuer::new("https://pool.test/one"));
    let toml = Setup::new(backend.address(), &issuer)
        .listeners(&format!("[[listeners]]\naddress = \"unix:{}\"\n", api.display()))
        .toml()
        .replace("[admin]\naddress = \"127.0.0.1:0\"", &format!("[admin]\naddress = \"unix:{}\"", admin.display()));
    let gateway = Gateway::start_with(&toml, &[("jwks.json".to_owned(), issuer.jwks_json())]);
    let [api, admin] = [api, admin].map(|path| path.display().to_string());
    for path in [&api, &admin] {
        let file = std::fs::metadata(path).unwrap();
        assert!(file.file_type().is_socket());
        assert_eq!(file.permissions().mode() & 0o777, 0o660, "{path}: owner and group");
        assert!(gateway.stderr.text().contains(&format!("unix:{path}")), "{}", gateway.stderr.text());
    }
    gateway.poll("readiness", || (curl(&["--unix-socket", &admin, "http://localhost/readyz"]).status == 200).then_some(()));
    let auth = format!("Authorization: Bearer {}", issuer.user("ada"));
    let response = curl(&["--unix-socket", &api, "--header", &auth, &format!("http://api.test{LIST}")]);
    assert_eq!((response.status, response.text().as_str()), (200, "{\"ok\":true}"));
    assert_decorated("unix socket", &response);
    let head = backend.last().head;
    assert_eq!((head.only("X-Auth-Subject"), head.only("Host"), head.only("X-Forwarded-Proto")), ("ada", "api.test", "http"));
    let metrics = curl(&["--unix-socket", &admin, "http://localhost/metrics"]);
    assert!(metrics.text().contains("stackflow_gateway_requests_total{"), "{metrics:?}");
}

/// A TLS listener that asks for certificates of `clients`.
fn asking_for_certificates(clients: &Authority) -> World {
    let server = Certificate::self_signed("api.test");
    let tls = "tls = { certificate = \"api.pem\", private_key = \"api-key.pem\", client_ca = \"clients.pem\" }";
    World::with(|setup| {
        setup
            .listeners(&format!("[[listeners]]\naddress = \"127.0.0.1:0\"\n{tls}\n"))
            .file("api.pem", &server.pem)
            .file("api-key.pem", &server.key_pem)
            .file("clients.pem", &clients.pem())
    })
}

#[test]
fn a_listener_with_a_client_ca_takes_its_clients_only() {
    let (clients, strangers) = (Authority::new("clients"), Authority::new("strangers"));
    let world = asking_for_certificates(&clients);
    let files = Directory::new();
    let write = |name: &str, text: &str| {
        std::fs::write(files.path().join(name), text).unwrap();
        files.path().join(name).display().to_string()
    };
    let known = |authority: &Authority, name: &str| {
        let Certificate { pem, key_pem } = authority.certificate(name);
        [write(&format!("{name}.pem"), &pem), write(&format!("{name}-key.pem"), &key_pem)]
    };
    let (right, wrong) = (known(&clients, "client"), known(&strangers, "stranger"));
    let ca = world.gateway.path("api.pem").display().to_string();
    let port = world.gateway.address().port();
    let (resolve, url) = (format!("api.test:{port}:127.0.0.1"), format!("https://api.test:{port}{LIST}"));
    let auth = format!("Authorization: {}", world.bearer);
    let common = ["--cacert", &ca, "--resolve", &resolve, "--header", &auth, &url];
    for version in ["--http2", "--http1.1"] {
        let with = |identity: &[String; 2]| {
            [&[version, "--cert", &identity[0], "--key", &identity[1]], &common[..]]
                .concat()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        let arguments = with(&right);
        assert_eq!(curl(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).status, 200, "{version}");
        for refused in [with(&wrong), common.iter().map(ToString::to_string).collect()] {
            let output =
                std::process::Command::new("curl").args(["--silent", "--max-time", "20"]).args(&refused).output().unwrap();
            assert!(!output.status.success() && output.stdout.is_empty(), "{refused:?}: {output:?}");
        }
    }
    assert_eq!(world.backend.requests().len(), 2, "only those with the right certificate got through");
}

#[test]
fn http2_streams_are_bounded() {
    let world = World::behind(Backend::scripted(support::Call::hang), |setup| setup.with("[bounds]\nh2_streams = 2"));
    let mut client = Http2::connect(world.gateway.address());
    let settings = client.wait(SETTINGS).payload;
    let most = settings.chunks(6).find(|setting| setting[..2] == [0, 3]).map(|setting| setting[2..].to_vec());
    assert_eq!(most.as_deref(), Some(&[0, 0, 0, 2][..]), "SETTINGS_MAX_CONCURRENT_STREAMS in {settings:?}");
    for stream in [1, 3, 5] {
        let auth = ("authorization", world.bearer.as_str());
        let fields = [(":method", "GET"), (":scheme", "http"), (":path", LIST), (":authority", "a"), auth];
        client.send_head(stream, &fields, true);
    }
    let refused = client.wait(RST_STREAM);
    // REFUSED_STREAM: it was not processed, and may be sent again (RFC 9113, section 8.7).
    assert_eq!((refused.stream, refused.payload.as_slice()), (5, &[0, 0, 0, 7][..]), "{refused:?}");
    world.backend.wait_count("/api/v1/incidents", 2);
    assert_eq!(world.backend.requests().len(), 2);
}

#[test]
fn an_early_answer_over_http2_arrives_though_the_body_was_not_read() {
    let world = World::with(|setup| setup.with("[bounds]\nbody = \"2MiB\""));
    let body = world.gateway.path("body");
    std::fs::write(&body, "x".repeat(1 << 20)).unwrap();
    let large = world.gateway.path("large");
    std::fs::write(&large, "x".repeat(3 << 20)).unwrap();
    let [body, large] = [body, large].map(|path| format!("@{}", path.display()));
    let auth = format!("Authorization: {}", world.bearer);
    let url = format!("http://{}{LIST}", world.gateway.address());
    for (name, arguments, status, code) in [
        (
            "not JSON",
            vec!["--header", &auth, "--header", "Content-Type: text/plain", "--data-binary", &body],
            415,
            "unsupported_media_type",
        ),
        ("no token", vec!["--header", "Content-Type: application/json", "--data-binary", &body], 401, "missing_token"),
        (
            "too large",
            vec!["--header", &auth, "--header", "Content-Type: application/json", "--data-binary", &large],
            413,
            "body_too_large",
        ),
        ("no such method", vec!["--header", &auth, "--request", "DELETE", "--data-binary", &body], 405, "method_not_allowed"),
        (
            "no length",
            vec![
                "--header",
                &auth,
                "--header",
                "Content-Length:",
                "--header",
                "Content-Type: text/plain",
                "--data-binary",
                &body,
            ],
            415,
            "unsupported_media_type",
        ),
    ] {
        for _ in 0..3 {
            let response = curl(&[&["--http2-prior-knowledge"], &arguments[..], &[url.as_str()]].concat());
            assert_eq!((response.status, &response.json()["code"]), (status, &code.into()), "{name}: {response:?}");
            assert_decorated(name, &response);
        }
    }
    assert!(world.backend.requests().is_empty());
}

#[test]
fn a_body_that_is_not_json_is_415_over_http2_whether_its_length_is_told_or_not() {
    let world = World::start();
    let auth = format!("Authorization: {}", world.bearer);
    let (list, other) =
        (format!("http://{}{LIST}", world.gateway.address()), format!("http://{}/prod/api/x", world.gateway.address()));
    let ask = |arguments: &[&str]| curl(&[&["--http2-prior-knowledge", "--header", &auth], arguments].concat()).status;
    let text = ["--header", "Content-Type: text/plain", "--data-binary", "hello"];
    let unmeasured = [&text[..], &["--header", "Content-Length:"]].concat();
    for (method, url) in [("GET", &list), ("POST", &list), ("DELETE", &other), ("PUT", &other)] {
        for body in [&text[..], &unmeasured] {
            assert_eq!(ask(&[&["--request", method, url], body].concat()), 415, "{method} {body:?}");
        }
        assert_eq!(ask(&["--request", method, url]), 200, "{method} without a body is no body that is not JSON");
    }
}

#[test]
fn an_upload_over_http2_without_a_length_reaches_the_upstream_once() {
    let world = World::start();
    let auth = ("authorization", world.bearer.as_str());
    let part = "0123456789abcdef".repeat(512);
    for (name, parts) in [
        ("one part", vec![("{}", true)]),
        ("the end by itself", vec![("{}", false), ("", true)]),
        ("several parts", vec![("[\"", false), (&part, false), (&part, false), ("\"]", true)]),
        ("several parts and the end by itself", vec![("[\"", false), (&part, false), ("\"]", false), ("", true)]),
    ] {
        // All at once, and each part only when the one before it has reached the upstream.
        for step_by_step in [false, true] {
            let sent = world.backend.requests().len();
            let (mut client, path) = (Http2::connect(world.gateway.address()), format!("{LIST}?after={sent}"));
            let fields = [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", &path),
                (":authority", "a"),
                auth,
                ("content-type", "application/json"),
            ];
            client.send_head(1, &fields, false);
            let mut whole = String::new();
            for (text, end) in &parts {
                client.send_data(1, text.as_bytes(), *end);
                whole.push_str(text);
                if step_by_step {
                    world.backend.wait(name, |seen| path.ends_with(&seen.head.target[8..]) && seen.body == whole.as_bytes());
                }
            }
            assert_eq!(client.wait(DATA).payload, b"{\"ok\":true}", "{name}");
            // Whatever follows the body would be the beginning of the next request.
            assert_eq!(world.get(LIST).status, 200, "{name}, step by step: {step_by_step}");
            let came = &world.backend.requests()[sent..];
            let methods: Vec<&str> = came.iter().map(|seen| seen.head.method.as_str()).collect();
            assert_eq!(methods, ["POST", "GET"], "{name}, step by step: {step_by_step}");
            assert!(came[0].complete && came[0].body == whole.as_bytes(), "{name}: {:?}", String::from_utf8_lossy(&came[0].body));
        }
    }
}

#[test]
fn the_shipped_client_of_a_plain_listener_needs_no_http2() {
    let world = World::with(|setup| setup.listeners(&format!("{PLAIN}http2 = false\n")));
    let mut client = world.gateway.connect();
    client.send(&request("POST", LIST, &[world.auth(), JSON], b"{}"));
    assert_eq!(client.read_response("POST").status, 200);
    let url = format!("http://{}/ping", world.gateway.address());
    let output =
        std::process::Command::new("curl").args(["--silent", "--max-time", "20", "--http2-prior-knowledge", &url]).output();
    assert!(!output.unwrap().status.success(), "prior knowledge of what is switched off");
    drop(run_tool(std::process::Command::new("curl").args(["--silent", "--fail", "--max-time", "20", &url]), ""));
}
