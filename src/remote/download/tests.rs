//! Where a document may come from, and how much of it is read.
use super::*;
use crate::remote::{
    key_document::printable,
    test_server::{Answer, ScratchFile, Server},
};
use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer};
use std::{
    io::{Read, Write},
    net::TcpListener,
};

fn refused(url: &str, expected: &str) {
    assert_eq!(parse_url(url).err(), Some(expected), "{url}");
}

#[test]
fn urls_that_lead_elsewhere_are_refused() {
    for url in ["ftp://a/", "file:///etc/passwd", "httpss://a", "ws://a/", "HTTPX://a"] {
        assert!(parse_url(url).is_err(), "{url}");
    }
    for url in ["", "/jwks.json", "a b", "https://", "http:///jwks"] {
        assert!(parse_url(url).is_err(), "{url}");
    }
    refused("https://user@a/", "has a user name in it");
    refused("https://user:password@a/", "has a user name in it");
    let elsewhere = "is http to an address that is not of this machine";
    for url in [
        "http://192.0.2.1/",
        "http://10.0.0.1:3000/",
        "http://0.0.0.0/",
        "http://169.254.169.254/latest",
        "http://[::]/",
        "http://[2001:db8::1]/",
        "http://[::ffff:127.0.0.1]/",
    ] {
        refused(url, elsewhere);
    }
}

#[test]
fn https_and_this_machine_are_accepted() {
    for url in [
        "https://a",
        "https://a:8443/b?c",
        "https://192.0.2.1/",
        "http://127.0.0.1:3000/a",
        "http://127.9.9.9/",
        "http://[::1]:3000/a",
        "http://localhost/",
    ] {
        assert!(parse_url(url).is_ok(), "{url}");
    }
}

#[test]
fn http_is_seen_however_it_is_spelt() {
    for url in ["http://localhost/", "HTTP://localhost/", "hTTp://127.0.0.1:1/a"] {
        assert!(is_http(url), "{url}");
    }
    for url in ["https://localhost/", "HTTPS://a", "", "/http://a", "a b"] {
        assert!(!is_http(url), "{url}");
    }
}

async fn error_of(url: &str, limit: usize) -> String {
    Downloader::new(None, limit).get(url).await.expect_err("no document").to_string()
}

#[tokio::test]
async fn a_name_that_is_not_of_this_machine_is_not_connected_to() {
    let url: Uri = "http://localhost:3000/a?b".parse().expect("a URL");
    for target in targets(&url).await.expect("addresses") {
        assert!(literal(target.authority().expect("a host")).expect("an address").is_loopback());
        assert_eq!(target.path_and_query().map(PathAndQuery::as_str), Some("/a?b"));
    }
    let far: Uri = "http://192.0.2.1/".parse().expect("a URL");
    assert_eq!(targets(&far).await.expect("no address").len(), 0);
}

#[tokio::test]
async fn other_answers_than_200_are_refused() {
    let server = Server::start().await;
    server.answer("/target", Answer::ok("moved here"));
    for status in
        ["201 Created", "204 No Content", "206 Partial", "304 Not Modified", "400 Bad", "404 Not Found", "500 Oops", "503 Busy"]
    {
        server.answer("/a", Answer::with_status(status, ""));
        assert_eq!(error_of(&server.url("/a"), 100).await, format!("status {}", &status[..3]));
    }
    for status in ["301", "302", "303", "307", "308"] {
        let moved = format!("HTTP/1.1 {status} Moved\r\nlocation: /target\r\ncontent-length: 0\r\n\r\n");
        server.answer("/a", Answer::Raw(moved.into_bytes()));
        assert_eq!(error_of(&server.url("/a"), 100).await, format!("status {status}"));
    }
    assert!(server.heads().iter().all(|head| head.starts_with("GET /a ")), "no redirect was followed");
}

#[tokio::test]
async fn no_more_than_the_limit_is_read() {
    let server = Server::start().await;
    server.answer("/exact", Answer::ok(&"a".repeat(100)));
    server.answer("/long", Answer::ok(&"a".repeat(101)));
    server.answer(
        "/chunked",
        Answer::Raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n65\r\n".iter().copied().chain([b'a'; 101]).collect()),
    );
    server.answer("/endless", Answer::Raw([&b"HTTP/1.1 200 OK\r\n\r\n"[..], &vec![b'a'; 1 << 20]].concat()));
    assert_eq!(Downloader::new(None, 100).get(&server.url("/exact")).await.expect("a document").len(), 100);
    for path in ["/long", "/chunked", "/endless"] {
        assert_eq!(error_of(&server.url(path), 100).await, "larger than 100 bytes", "{path}");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_not_read_without_end() {
    let server = Server::start().await;
    let interim = |count: usize| b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(count);
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhere".to_vec();
    server.answer("/some", Answer::Raw([interim(100), answer.clone()].concat()));
    assert_eq!(&Downloader::new(None, 100).get(&server.url("/some")).await.expect("a document")[..], b"here");
    server.answer("/many", Answer::Raw([interim(20_000), answer].concat()));
    let error = Downloader::new(None, 100).get(&server.url("/many")).await.expect_err("no document");
    assert!(printable(&error).ends_with(": more bytes than any answer needs"), "{error:?}");
}

#[tokio::test]
async fn broken_answers_are_refused() {
    let server = Server::start().await;
    server.answer("/short", Answer::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_vec()));
    assert_eq!(error_of(&server.url("/short"), 100).await, "the answer broke off");
    server.answer("/said", Answer::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 101\r\n\r\n".to_vec()));
    assert_eq!(error_of(&server.url("/said"), 100).await, "larger than 100 bytes", "what is said is enough");
    for garbage in [&b""[..], b"hello", b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", b"HTTP/9.9 200 OK\r\n\r\n", b"\0\0\0\0"]
    {
        server.answer("/garbage", Answer::Raw(garbage.to_vec()));
        assert_eq!(error_of(&server.url("/garbage"), 100).await, "no answer");
    }
}

#[tokio::test]
async fn a_closed_port_is_no_answer() {
    // A reserved port: one that was free a moment ago may be another test's by now.
    assert_eq!(error_of("http://127.0.0.1:1/", 100).await, "no answer");
}

#[tokio::test]
async fn a_name_of_this_machine_is_asked_by_its_name() {
    let server = Server::start().await;
    server.answer("/a", Answer::ok("here"));
    let port = server.address.port();
    let text = Downloader::new(None, 100).get(&format!("http://localhost:{port}/a")).await.expect("a document");
    assert_eq!(&text[..], b"here");
    assert!(server.heads()[0].to_lowercase().contains(&format!("\r\nhost: localhost:{port}\r\n")), "{:?}", server.heads());
}

/// A TLS server for one name that answers one request with `secure`; the URL and a file with its certificate.
fn tls_server(name: &str) -> (String, ScratchFile) {
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    let file = ScratchFile::containing("ca.pem", &cert.pem());
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let config =
        ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider())).with_safe_default_protocol_versions();
    let config =
        config.expect("versions").with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).expect("a configuration");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).expect("a session"), stream);
        let mut head = [0; 4096];
        if stream.read(&mut head).is_ok() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nsecure");
            let _ = stream.flush();
        }
    });
    (format!("https://localhost:{port}/"), file)
}

#[tokio::test]
async fn a_server_that_is_not_trusted_is_not_believed() {
    let (url, _) = tls_server("localhost");
    assert_eq!(error_of(&url, 100).await, "no answer");
    let (url, ca_file) = tls_server("other.example");
    let wrong_name = Downloader::new(Some(ca_file.path()), 100).get(&url).await;
    assert!(matches!(wrong_name, Err(DownloadError::Exchange(_))), "{wrong_name:?}");
}

#[tokio::test]
async fn a_server_of_the_named_authority_is_believed() {
    let (url, ca_file) = tls_server("localhost");
    assert_eq!(&Downloader::new(Some(ca_file.path()), 100).get(&url).await.expect("a document")[..], b"secure");
}

#[tokio::test]
async fn an_unreadable_authority_fails_every_fetch() {
    for file in [ScratchFile::new("missing.pem"), ScratchFile::containing("empty.pem", "no certificate")] {
        let found = Downloader::new(Some(file.path()), 100).get("https://localhost/").await;
        assert!(matches!(&found, Err(DownloadError::Trust(what)) if what.contains(".pem")), "{found:?}");
    }
}
