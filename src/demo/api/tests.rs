//! Every endpoint through a real socket.

use super::*;
use bytes::Bytes;
use http::{Method, Request, StatusCode, header::HeaderMap};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::AbortHandle,
};

/// A running API whose clock stands until it is moved, and one connection to it.
struct Sample {
    address: SocketAddr,
    elapsed_ms: Arc<AtomicU64>,
    connection: SendRequest<Full<Bytes>>,
    server: AbortHandle,
}

struct Received {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Sample {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let elapsed_ms = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&elapsed_ms);
        let now = move || {
            let monotonic_ns = clock.load(Ordering::Relaxed) * 1_000_000;
            Now { monotonic_ns, unix_ns: 1_800_000_000_000_000_000 + monotonic_ns }
        };
        let server = tokio::spawn(serve_with(listener, Api::new(now, Duration::from_millis(1)))).abort_handle();
        let stream = TcpStream::connect(address).await.expect("the API listens");
        let (connection, driver) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
        tokio::spawn(driver);
        Self { address, elapsed_ms, connection, server }
    }

    /// One request on the kept connection. `headers`: lines `name: value`.
    async fn ask(&mut self, method: Method, path: &str, headers: &[&str], body: impl Into<Bytes>) -> Received {
        let mut request = Request::builder().method(method).uri(path).header("host", "sample");
        for line in headers {
            let (name, value) = line.split_once(": ").expect("name: value");
            request = request.header(name, value);
        }
        self.connection.ready().await.expect("the connection is kept");
        let request = request.body(Full::new(body.into())).expect("a request");
        let (head, body) = self.connection.send_request(request).await.expect("an answer").into_parts();
        Received { status: head.status, headers: head.headers, body: body.collect().await.expect("a body").to_bytes() }
    }

    async fn get(&mut self, path: &str) -> Received {
        self.ask(Method::GET, &format!("/api/v1{path}"), &[], "").await
    }

    async fn post(&mut self, path: &str, body: &Value) -> Received {
        self.ask(Method::POST, &format!("/api/v1{path}"), &["content-type: application/json"], body.to_string()).await
    }

    /// What arrives on a connection of its own until the server closes it.
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("the API listens");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.expect("closed");
        String::from_utf8(received).expect("text")
    }
}

impl Received {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    fn check_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), self.json()["code"].as_str()), (status, Some(code)));
        assert_eq!(self.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn what_lies_at_no_path_is_not_found() {
    let mut sample = Sample::start().await;
    for path in [
        "/",
        "/api/v1",
        "/api/v1/",
        "/incidents",
        "/api/v1/incidents/",
        "/api/v1/incidents/INC0009999",
        "/api/v1/jobs/JOB0000001",
        "/api/v1/cmdb",
    ] {
        sample.ask(Method::GET, path, &[], "").await.check_problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_refused_with_those_it_has() {
    let mut sample = Sample::start().await;
    for (method, path, allow) in [
        (Method::DELETE, "/incidents", "GET, HEAD, POST"),
        (Method::PUT, "/incidents/INC0001001", "GET, HEAD, PATCH"),
        (Method::GET, "/incidents/bulk", "POST"),
        (Method::GET, "/cmdb/cis/bulk", "POST"),
        (Method::POST, "/cmdb/cis", "GET, HEAD"),
        (Method::POST, "/knowledge/articles", "GET, HEAD"),
        (Method::HEAD, "/ai/query", "POST"),
        (Method::OPTIONS, "/health", "GET, HEAD"),
    ] {
        let received = sample.ask(method, &format!("/api/v1{path}"), &[], "").await;
        assert_eq!((received.status.as_u16(), received.header("allow")), (405, Some(allow)), "{path}");
    }
}

#[tokio::test]
async fn a_wrong_limit_or_cursor_is_refused() {
    let mut sample = Sample::start().await;
    for query in ["limit=0", "limit=201", "limit=x", "cursor=nonsense", "cursor="] {
        sample.get(&format!("/incidents?{query}")).await.check_problem(400, "invalid_parameter");
    }
}

#[tokio::test]
async fn a_wrong_body_is_refused() {
    let mut sample = Sample::start().await;
    for (path, body, status, code) in [
        ("/incidents", "nonsense", 400, "invalid_body"),
        ("/incidents", "[]", 400, "invalid_body"),
        ("/incidents", "{}", 422, "unprocessable"),
        ("/changes", "{\"short_description\":\"\"}", 422, "unprocessable"),
        ("/ai/query", "{}", 422, "unprocessable"),
        ("/incidents/bulk", "{}", 400, "invalid_body"),
    ] {
        sample.ask(Method::POST, &format!("/api/v1{path}"), &[], body).await.check_problem(status, code);
    }
}

#[tokio::test]
async fn an_import_of_more_than_100_records_is_refused() {
    let mut sample = Sample::start().await;
    for path in ["/incidents/bulk", "/cmdb/cis/bulk"] {
        sample.post(path, &json!(vec![json!({}); 101])).await.check_problem(400, "invalid_body");
        assert_eq!(sample.post(path, &json!(vec![json!({}); 100])).await.status, StatusCode::ACCEPTED);
    }
}

#[tokio::test]
async fn a_declared_length_over_the_bound_is_refused_before_it_is_read() {
    let sample = Sample::start().await;
    let length = MAX_BODY + 1;
    let head = format!("POST /api/v1/incidents HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    assert!(sample.raw(&head).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn a_body_that_grows_over_the_bound_is_refused_without_its_end() {
    let sample = Sample::start().await;
    let length = MAX_BODY + 1;
    let head = "POST /api/v1/incidents HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    let received = sample.raw(&format!("{head}{length:x}\r\n{}", " ".repeat(length))).await;
    assert!(received.starts_with("HTTP/1.1 413 "), "{received}");
}

#[tokio::test]
async fn a_body_of_the_longest_length_is_read() {
    let mut sample = Sample::start().await;
    let mut body = "{\"short_description\":\"long\"}".to_owned();
    body.push_str(&" ".repeat(MAX_BODY - body.len()));
    assert_eq!(sample.ask(Method::POST, "/api/v1/incidents", &[], body).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn the_default_page_has_25_incidents_and_says_how_many_there_are() {
    let page = Sample::start().await.get("/incidents").await.json();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(25));
    assert_eq!((page["total"].as_u64(), page["items"][0]["number"].as_str()), (Some(1250), Some("INC0001001")));
}

#[tokio::test]
async fn following_the_cursor_visits_every_incident_once() {
    let mut sample = Sample::start().await;
    let (mut seen, mut path) = (Vec::new(), "/incidents?limit=200".to_owned());
    loop {
        let page = sample.get(&path).await.json();
        let items = page["items"].as_array().expect("items");
        seen.extend(items.iter().map(|item| item["number"].as_str().expect("a number").to_owned()));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/incidents?limit=200&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!((seen.len(), seen.iter().collect::<HashSet<_>>().len()), (1250, 1250));
}

#[tokio::test]
async fn link_leads_to_the_next_page_of_the_public_api() {
    let mut sample = Sample::start().await;
    let first = sample.ask(Method::GET, "/api/v1/cmdb/cis?limit=2", &["x-forwarded-prefix: /prod/api/v1"], "").await;
    let link = first.header("link").and_then(|link| link.strip_suffix(">; rel=\"next\"")).expect("a link").to_owned();
    let public_path = link.strip_prefix("</prod").expect("the public path");
    let second = sample.ask(Method::GET, public_path, &[], "").await.json();
    assert_eq!(second["items"][0]["id"], "CI0000003");
}

#[tokio::test]
async fn the_last_page_has_no_link() {
    let mut sample = Sample::start().await;
    let page = sample.get("/changes?limit=60").await;
    assert_eq!((page.header("link"), &page.json()["next_cursor"]), (None, &Value::Null));
}

#[tokio::test]
async fn every_list_has_its_records() {
    let mut sample = Sample::start().await;
    for (path, total) in [("/incidents", 1250), ("/changes", 60), ("/cmdb/cis", 400), ("/knowledge/articles", 40)] {
        assert_eq!(sample.get(path).await.json()["total"].as_u64(), Some(total), "{path}");
    }
}

#[tokio::test]
async fn head_answers_as_get_without_the_body() {
    let mut sample = Sample::start().await;
    for path in ["/incidents", "/incidents/INC0001001", "/health", "/whoami"] {
        let path = format!("/api/v1{path}");
        let length = sample.ask(Method::GET, &path, &[], "").await.body.len().to_string();
        let head = sample.ask(Method::HEAD, &path, &[], "").await;
        assert_eq!((head.status.as_u16(), head.header("content-length"), head.body.len()), (200, Some(&*length), 0), "{path}");
    }
}

#[tokio::test]
async fn a_known_entity_tag_spares_the_body() {
    let mut sample = Sample::start().await;
    let path = "/api/v1/incidents/INC0001001";
    let etag = sample.ask(Method::GET, path, &[], "").await.header("etag").expect("an entity tag").to_owned();
    for tags in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".into()] {
        let received = sample.ask(Method::GET, path, &[&format!("if-none-match: {tags}")], "").await;
        assert_eq!((received.status.as_u16(), received.header("etag"), received.body.len()), (304, Some(&*etag), 0), "{tags}");
    }
    assert_eq!(sample.ask(Method::GET, path, &["if-none-match: \"other\""], "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_update_needs_the_current_entity_tag_when_it_names_one() {
    let mut sample = Sample::start().await;
    let path = "/api/v1/incidents/INC0001002";
    let etag = sample.ask(Method::GET, path, &[], "").await.header("etag").expect("an entity tag").to_owned();
    let change = "{\"state\":\"resolved\"}";
    sample.ask(Method::PATCH, path, &["if-match: \"other\""], change).await.check_problem(412, "precondition_failed");
    sample.ask(Method::PATCH, path, &[&format!("if-match: W/{etag}")], change).await.check_problem(412, "precondition_failed");
    let updated = sample.ask(Method::PATCH, path, &[&format!("if-match: {etag}")], change).await;
    assert_eq!((updated.status.as_u16(), updated.json()["state"].as_str()), (200, Some("resolved")));
    assert_ne!(updated.header("etag"), Some(&*etag));
    sample.ask(Method::PATCH, path, &[&format!("if-match: {etag}")], change).await.check_problem(412, "precondition_failed");
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_nothing_else() {
    let mut sample = Sample::start().await;
    let before = sample.get("/incidents/INC0001003").await.json();
    sample.ask(Method::PATCH, "/api/v1/incidents/INC0001003", &[], "{\"priority\":1,\"number\":\"INC1\"}").await;
    let after = sample.get("/incidents/INC0001003").await.json();
    assert_eq!((&after["priority"], &after["updated_at"]), (&json!(1), &json!("2027-01-15T08:00:00Z")));
    for field in ["number", "short_description", "state", "assignment_group", "opened_by", "opened_at"] {
        assert_eq!(after[field], before[field], "{field}");
    }
}

#[tokio::test]
async fn a_created_incident_is_found_at_its_location_and_names_the_caller() {
    let mut sample = Sample::start().await;
    let headers = ["x-auth-subject: ada", "x-auth-client-id: robot", "x-forwarded-prefix: /prod/api"];
    let body = "{\"short_description\":\"VPN down\",\"opened_by\":\"eve\"}";
    let created = sample.ask(Method::POST, "/api/v1/incidents", &headers, body).await;
    assert_eq!((created.status.as_u16(), created.header("location")), (201, Some("/prod/api/incidents/INC0002251")));
    let found = sample.get("/incidents/INC0002251").await;
    assert_eq!((found.json(), found.header("etag")), (created.json(), created.header("etag")));
    assert_eq!((&found.json()["opened_by"], &found.json()["opened_at"]), (&json!("ada"), &json!("2027-01-15T08:00:00Z")));
}

#[tokio::test]
async fn a_created_change_is_the_last_of_the_list() {
    let mut sample = Sample::start().await;
    let created = sample.post("/changes", &json!({ "short_description": "Move DNS", "type": "emergency" })).await;
    assert_eq!((created.status.as_u16(), created.header("location")), (201, Some("/api/v1/changes")));
    let list = sample.get("/changes?limit=200").await.json();
    assert_eq!((&list["total"], &list["items"][60]), (&json!(61), &created.json()));
}

#[tokio::test]
async fn created_incidents_are_bounded() {
    let mut sample = Sample::start().await;
    for _ in 0..=10_000 {
        let created = sample.post("/incidents", &json!({ "short_description": "flood" })).await;
        assert_eq!(created.status, StatusCode::CREATED);
    }
    assert_eq!(sample.get("/incidents?limit=1").await.json()["total"], 11_250);
    assert_eq!(sample.get("/incidents/INC0002251").await.status, StatusCode::NOT_FOUND);
    assert_eq!(sample.get("/incidents/INC0012251").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_import_is_a_job_that_completes() {
    let mut sample = Sample::start().await;
    let accepted = sample.post("/incidents/bulk", &json!({ "records": [{}, {}, {}] })).await;
    let location = accepted.header("location").expect("a location").to_owned();
    assert_eq!((accepted.status.as_u16(), location.as_str()), (202, "/api/v1/jobs/JOB0000001"));
    assert_eq!(accepted.json()["job_id"], "JOB0000001");
    for (elapsed_ms, state, processed) in [(0, "queued", 0), (1000, "running", 1), (2000, "complete", 3)] {
        sample.elapsed_ms.store(elapsed_ms, Ordering::Relaxed);
        let job = sample.ask(Method::GET, &location, &[], "").await.json();
        assert_eq!((job["state"].as_str(), job["processed"].as_u64()), (Some(state), Some(processed)));
    }
}

#[tokio::test]
async fn a_question_is_answered_in_one_piece() {
    let answer = Sample::start().await.post("/ai/query", &json!({ "query": "How do I connect to the VPN?" })).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/json")));
    assert!(answer.json()["answer"].as_str().is_some_and(|text| text.contains("VPN")));
}

#[tokio::test]
async fn events_arrive_in_a_chunk_each_and_end_with_done() {
    let sample = Sample::start().await;
    let body = "{\"query\":\"VPN\"}";
    let length = body.len();
    let received = sample
        .raw(&format!(
            "POST /api/v1/ai/query HTTP/1.1\r\nhost: a\r\naccept: application/json;q=0.5, text/event-stream;q=1\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ))
        .await;
    let (head, body) = received.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains("content-type: text/event-stream") && head.contains("transfer-encoding: chunked"), "{head}");
    // Each chunk is its length in hexadecimal, then one event and nothing else.
    let chunks: Vec<&str> = body.split("\r\n").filter(|line| line.starts_with("event: ")).collect();
    assert!((9..=11).contains(&chunks.len()), "{body}");
    assert!(chunks.iter().all(|chunk| chunk.matches("data: ").count() == 1 && chunk.ends_with("\n\n")), "{body}");
    assert!(chunks.last().is_some_and(|last| last.starts_with("event: done\n")) && body.ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn whoami_tells_what_arrived_but_not_the_token() {
    let headers = ["x-auth-subject: ada", "x-auth-scopes: a b", "x-request-id: r-1", "authorization: Bearer secret"];
    let received = Sample::start().await.ask(Method::GET, "/api/v1/whoami", &headers, "").await;
    let body = received.json();
    assert_eq!((&body["subject"], &body["scopes"], &body["request_id"]), (&json!("ada"), &json!("a b"), &json!("r-1")));
    assert_eq!((&body["groups"], &body["has_authorization"]), (&Value::Null, &json!(true)));
    assert!(!String::from_utf8_lossy(&received.body).contains("secret"));
}

#[tokio::test]
async fn health_is_ok() {
    assert_eq!(Sample::start().await.get("/health").await.json(), json!({ "status": "ok" }));
}

#[tokio::test]
async fn the_connections_end_with_the_server() {
    let sample = Sample::start().await;
    let mut idle = TcpStream::connect(sample.address).await.expect("the API listens");
    idle.write_all(b"GET /api/v1/health HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    assert!(idle.read_u8().await.is_ok());
    sample.server.abort();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.expect("closed in order");
    assert!(TcpStream::connect(sample.address).await.is_err());
}
