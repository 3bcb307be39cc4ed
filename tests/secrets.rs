//! No secret in any log, at any level: a gateway that logs all it can is led through everything that holds a secret, and nothing
//! that it wrote shares sixteen bytes in a row with one. What is no secret is found by the same search.
mod support;

#[path = "secrets/search.rs"]
mod search;

use search::Secrets;
use serde_json::json;
use std::fs;
use support::{
    Authority, Backend, Certificate, Gateway, Issuer, JwksServer, KeyServing, LIST, NOBODY, Segments, Setup, account, curl,
    request,
};

/// Where log lines are said to go.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Output {
    Stdout,
    File,
}

/// In every request that has headers of its own, and in every entry of a log in JSON.
const AGENT: &str = "an-agent-that-is-no-secret/1.0";
const DEAD_ISSUER: &str = "https://pool.test/dead";

/// A gateway that logs at trace level, and the secrets of all around it.
struct Tour {
    gateway: Gateway,
    issuer: Issuer,
    ca_file: String,
    secrets: Secrets,
    client_secret: String,
    _keys: JwksServer,
    _backend: Backend,
}

impl Tour {
    fn start(format: &str, output: Output) -> Self {
        let mut secrets = Secrets::default();
        let issuer = Issuer::new("https://pool.test/one");
        let keys = JwksServer::start(KeyServing::Good(issuer.jwks_json()));
        let authority = Authority::new("tests");
        let Certificate { pem, key_pem } = authority.certificate("127.0.0.1");
        secrets.add_pem("the listener's private key", &key_pem);
        let cookie = secrets.fresh("a cookie that the upstream sets");
        let backend = Backend::scripted(move |call| {
            call.read_body();
            call.answer(200, &format!("Set-Cookie: session={cookie}\r\n"), "{}");
        });
        let client_secret = secrets.fresh("the client's secret");
        let target = if output == Output::File { "gateway.log" } else { "stdout" };
        let gateway = Setup::bare(&backend.address().to_string())
            .issuer(&format!("issuer = \"{}\"\njwks_url = \"{}\"\nclient_ids = \"any\"", issuer.name, keys.url()))
            .issuer(&format!("issuer = \"{DEAD_ISSUER}\"\njwks_url = \"http://{NOBODY}/keys\"\nclient_ids = \"any\""))
            .listeners("[[listeners]]\naddress = \"127.0.0.1:0\"\n[[listeners]]\naddress = \"127.0.0.1:0\"\ntls = { certificate = \"tls.pem\", private_key = \"tls-key.pem\" }\n")
            .with(&format!("[log]\nlevel = \"trace\"\nformat = \"{format}\"\noutput = \"{target}\""))
            .with("[auth.token_endpoint]\nissuer = \"https://gateway.test\"\naudience = \"api\"\n[limits]\nper_user = { rate = 1, burst = 40 }")
            .with(&format!("[upstreams.dead]\nservers = [\"http://{NOBODY}\"]\n[api]\nupstream = \"api\""))
            .route("path = \"/dead\"\nupstream = \"dead\"")
            .file("tls.pem", &pem)
            .file("tls-key.pem", &key_pem)
            .file("ca.pem", &authority.pem())
            .file("api-keys.toml", &account("reporting", &client_secret, &["read"]))
            .environment("RUST_LOG", "trace")
            .environment("RUST_BACKTRACE", "full")
            .start();
        let ca_file = gateway.path("ca.pem").display().to_string();
        let signing_key = fs::read_to_string(gateway.path("signing-key.pem")).expect("it was made at the start");
        secrets.add_pem("the signing key", &signing_key);
        Self { gateway, issuer, ca_file, secrets, client_secret, _keys: keys, _backend: backend }
    }

    /// A GET with these headers on a connection of its own.
    fn get(&self, target: &str, headers: &[(&str, &str)], status: u16) {
        let response = self.gateway.connect().get(target, &[&[("User-Agent", AGENT)], headers].concat());
        assert_eq!(response.status, status, "{target}: {response:?}");
        self.secrets.check_absent("an answer", &response.text());
    }

    fn get_as(&self, target: &str, token: &str, status: u16) {
        self.get(target, &[("Authorization", &format!("Bearer {token}"))], status);
    }

    /// Tokens that are taken, and with them all that a request brings along.
    fn good_tokens(&mut self) {
        let token = self.secrets.add("a token", self.issuer.user("ada"));
        self.get_as(LIST, &token, 200);
        self.get_as(LIST, &token, 200);
        let bearer = format!("Bearer {token}");
        let cookie = format!("session={}; theme=dark", self.secrets.fresh("a cookie"));
        let target = format!("{LIST}?cursor={}&limit=5", self.secrets.fresh("a query value"));
        let referer = format!("https://app.test/?code={}", self.secrets.fresh("a code in the referrer"));
        self.get(&target, &[("Authorization", &bearer), ("Cookie", &cookie), ("Referer", &referer)], 200);
        self.get_as(&target.replace("/incidents", "/dead"), &token, 502);
        self.get_as(&target.replace("/prod/api", ""), &token, 404);
        self.get_as(&target.replace("/incidents", "/a/../b"), &token, 400);
        let body = json!({"password": self.secrets.fresh("a value in a body")}).to_string();
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        self.gateway.connect().exchange("POST", LIST, &headers, body.as_bytes());
        self.gateway.connect().exchange("DELETE", LIST, &headers, body.as_bytes());
        // A client that leaves in the middle.
        let all = request("POST", LIST, &headers, body.as_bytes());
        self.gateway.connect().send(&all[..all.len() - 5]);
        for _ in 0..60 {
            self.gateway.connect().get_as(&token, LIST);
        }
    }

    /// Tokens that are not, each for another reason, and where no token should be.
    fn bad_tokens(&mut self) {
        let issuer = &self.issuer;
        let good = Segments::of(&issuer.user("bob"));
        let with = |name: &str, value: serde_json::Value| issuer.token(|claims| claims[name] = value);
        let tokens = [
            ("a changed signature", good.with_signature(|signature| signature[9] ^= 1).token()),
            ("a changed subject", good.with_claims(|claims| claims["sub"] = json!("eve")).token()),
            ("an unknown key", good.with_header(|header| header["kid"] = json!("other")).token()),
            ("no algorithm", good.with_header(|header| header["alg"] = json!("none")).token()),
            ("critical", good.with_header(|header| header["crit"] = json!(["exp"])).token()),
            ("expired", with("exp", json!(1_000_000_000))),
            ("not yet good", with("nbf", json!(9_999_999_999_u64))),
            ("no claims", with("exp", json!("never"))),
            ("another use", with("token_use", json!("refresh"))),
            ("another issuer", with("iss", json!("https://pool.test/none"))),
            ("too long", with("filling", json!("x".repeat(8192)))),
            ("four segments", format!("{}.{}", good.token(), good.signature)),
        ];
        for (name, token) in tokens {
            self.secrets.add(name, token.clone());
            self.get_as(LIST, &token, 401);
        }
        let dead = self.secrets.add("a token without keys", with_issuer(&self.issuer, DEAD_ISSUER));
        self.get_as(LIST, &dead, 503);
        let token = self.secrets.add("a token in the wrong place", self.issuer.user("cyd"));
        self.get(&format!("{LIST}?access_token={token}"), &[], 401);
        self.get(LIST, &[("Cookie", &format!("token={token}"))], 401);
        self.get(LIST, &[("Authorization", &token)], 401);
        self.get(LIST, &[("Authorization", &format!("Basic {token}"))], 401);
        self.get(LIST, &[("Authorization", &format!("Bearer {token}")), ("Authorization", &format!("Bearer {token}"))], 400);
        for head in [
            format!("GET {LIST} HTTP/1.1\r\nHost: api.test\r\nBad Header: {token}\r\n\r\n"),
            format!("GET {LIST} HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer\r\n {token}\r\n\r\n"),
            format!("GET {LIST} HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer {token}\0\r\n\r\n"),
            format!("GET {LIST} HTTP/9.9\r\nAuthorization: Bearer {token}\r\n\r\n"),
            format!("GET {LIST} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n"),
            format!(
                "POST {LIST} HTTP/1.1\r\nHost: api.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\nAuthorization: Bearer {token}\r\n\r\n"
            ),
            format!("{token}\r\n\r\n"),
        ] {
            let mut client = self.gateway.connect();
            client.send(head.as_bytes());
            // Whatever it answers, it has read this.
            client.read_byte();
        }
    }

    /// Secrets for tokens: the right one and wrong ones, in both places where they may stand.
    fn token_endpoint(&mut self) {
        let right = self.client_secret.clone();
        let wrong = self.secrets.fresh("a wrong secret");
        let other = self.secrets.fresh("the secret of nobody's client");
        for (id, secret, status) in [("reporting", &right, 200), ("reporting", &wrong, 401), ("nobody", &other, 401)] {
            self.secrets.add_credentials(id, secret);
            let posted = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
            self.ask_for_token(&posted, None, status);
            self.ask_for_token("grant_type=client_credentials", Some((id, secret)), status);
            self.ask_for_token(&posted, Some((id, secret)), 400);
            self.ask_for_token(&format!("{posted}&client_secret={secret}"), None, 400);
            self.ask_for_token(&posted.replace("client_credentials", secret), None, 400);
            self.get(&format!("/oauth2/token?{posted}"), &[], 405);
        }
        // What it publishes is a part of the signing key, so this answer is not searched.
        assert_eq!(self.gateway.connect().get("/.well-known/jwks.json", &[]).status, 200);
    }

    fn ask_for_token(&mut self, form: &str, basic: Option<(&str, &str)>, status: u16) {
        let basic = basic.map(|(id, secret)| format!("Basic {}", search::base64(&format!("{id}:{secret}"))));
        let mut headers = vec![("Content-Type", "application/x-www-form-urlencoded"), ("User-Agent", AGENT)];
        headers.extend(basic.as_deref().map(|value| ("Authorization", value)));
        let response = self.gateway.connect().exchange("POST", "/oauth2/token", &headers, form.as_bytes());
        assert_eq!(response.status, status, "{response:?}");
        if status == 200 {
            self.use_token(response.json()["access_token"].as_str().expect("a token"));
        } else {
            self.secrets.check_absent("a refusal of the token endpoint", &response.text());
        }
    }

    fn use_token(&mut self, token: &str) {
        let token = self.secrets.add("a token of the gateway's own", token.to_owned());
        self.get_as(LIST, &token, 200);
        let spoiled = Segments::of(&token).with_signature(|signature| signature[0] ^= 1).token();
        let spoiled = self.secrets.add("a changed token of the gateway's own", spoiled);
        self.get_as(LIST, &spoiled, 401);
    }

    /// The same over TLS and HTTP/2, and what is no TLS.
    fn over_tls(&mut self) {
        let url = format!("https://{}", self.gateway.listeners[1]);
        let token = self.secrets.add("a token over TLS", self.issuer.user("dan"));
        let spoiled = Segments::of(&token).with_signature(|signature| signature[0] ^= 1).token();
        let spoiled = self.secrets.add("a changed token over TLS", spoiled);
        let query = self.secrets.fresh("a query value over TLS");
        for version in ["--http1.1", "--http2"] {
            for (token, status) in [(&token, 200), (&spoiled, 401)] {
                let (auth, target) = (format!("Authorization: Bearer {token}"), format!("{url}{LIST}?cursor={query}"));
                let response = curl(&[version, "--cacert", &self.ca_file, "--user-agent", AGENT, "--header", &auth, &target]);
                assert_eq!(response.status, status, "{response:?}");
            }
        }
        let mut client = support::Client::connect(self.gateway.listeners[1]);
        client.send(format!("GET {LIST} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n").as_bytes());
        client.read_byte();
    }

    /// Everything that was written, once the process has ended and can write no more.
    fn written(mut self, output: Output) -> (Vec<(&'static str, String)>, Secrets) {
        let scrape = self.gateway.metrics();
        let ready = self.gateway.admin_get("/readyz").text();
        self.gateway.connect().get("/ping", &[("User-Agent", AGENT), ("X-Request-Id", "the-last-request-of-all")]);
        self.gateway.signal("HUP");
        self.gateway.stop_gracefully();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let log = match output {
            Output::Stdout => text(self.gateway.stdout.to_end()),
            Output::File => fs::read_to_string(self.gateway.path("gateway.log")).expect("a log"),
        };
        let stderr = text(self.gateway.stderr.to_end());
        let written = vec![("the log", log), ("standard error", stderr), ("the scrape", scrape), ("readiness", ready)];
        (written, self.secrets)
    }
}

fn with_issuer(issuer: &Issuer, name: &str) -> String {
    issuer.token(|claims| claims["iss"] = json!(name))
}

fn check(format: &str, output: Output) {
    let mut tour = Tour::start(format, output);
    tour.good_tokens();
    tour.bad_tokens();
    tour.token_endpoint();
    tour.over_tls();
    let (written, secrets) = tour.written(output);
    assert!(secrets.len() > 30, "{}", secrets.len());
    for (place, text) in &written {
        secrets.check_absent(&format!("{place}, {format}, {output:?}"), text);
    }
    // The search finds what is there: in each text something of the same length that is no secret.
    let log = &written[0].1;
    assert!(log.lines().count() > 80, "the log was written: {log}");
    let agent = if format == "json" { AGENT } else { "/prod/api/incidents" };
    let series = "stackflow_gateway_requests_total";
    for (index, marker) in [(0, agent), (0, "the-last-request-of-all"), (1, "listening on http"), (2, series), (3, DEAD_ISSUER)] {
        let mut planted = Secrets::default();
        planted.add("planted", marker.to_owned());
        let (place, text) = &written[index];
        assert!(planted.found(text).is_some(), "{marker} is found in {place}");
    }
}

#[test]
fn no_secret_is_in_a_json_log() {
    check("json", Output::Stdout);
}

#[test]
fn no_secret_is_in_a_text_log() {
    check("text", Output::Stdout);
}

#[test]
fn no_secret_is_in_a_log_file() {
    check("json", Output::File);
    check("text", Output::File);
}

/// What a file holds in the wrong place is not shown by those who complain of it.
#[test]
fn no_secret_is_in_a_complaint_about_a_file() {
    let mut secrets = Secrets::default();
    let mut secret = |name: &str| secrets.fresh(name);
    let files = [
        (
            "api-keys.toml".to_owned(),
            format!(
                "[[service_accounts]]\nname = \"a\"\nclient_id = \"a\"\nclient_secret = \"{}\"\n",
                secret("a secret where its hash belongs")
            ),
        ),
        ("signing-key.pem".to_owned(), format!("-----BEGIN SECRET-----\n{}\n", secret("a key that is no key"))),
        ("tls-key.pem".to_owned(), secret("another key that is no key")),
        ("tls.pem".to_owned(), secret("a certificate that is none")),
        ("jwks.json".to_owned(), format!("{{\"keys\": [{{\"kty\": \"oct\", \"k\": \"{}\"", secret("a symmetric key"))),
    ];
    let config = format!(
        "[admin]\naddress = \"127.0.0.1:0\"\n[[listeners]]\naddress = \"127.0.0.1:0\"\ntls = {{ certificate = \"tls.pem\", private_key = \"tls-key.pem\" }}\n\
         [[auth.issuers]]\nissuer = \"https://pool.test/one\"\njwks_file = \"jwks.json\"\nclient_ids = \"any\"\n[auth.token_endpoint]\n\
         [upstreams.api]\nservers = [\"http://{NOBODY}\"]\n"
    );
    for command in ["check", "run"] {
        let output = Gateway::output(&[command, "--config", "gateway.toml"], &config, &files);
        let written = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
        assert_eq!(output.status.code(), Some(2), "{command}: {written}");
        for (name, _) in &files {
            assert!(written.contains(name), "{command} complains of {name}: {written}");
        }
        secrets.check_absent(command, &written);
    }
}

/// A search that never finds anything would agree with everything above.
#[test]
fn the_search_finds_a_part_of_a_secret_wherever_it_stands() {
    let mut secrets = Secrets::default();
    let secret = secrets.fresh("a secret");
    for text in [secret.clone(), format!("before {secret} after"), secret[4..24].to_owned(), format!("x\n{}", &secret[..16])] {
        assert_eq!(secrets.found(&text), Some("a secret"), "{text}");
    }
    assert_eq!(secrets.found(&search::base64(&secret)), Some("a secret"), "in base64 too");
    for text in [&secret[..15], "", "a secret"] {
        assert_eq!(secrets.found(text), None, "{text}");
    }
}
