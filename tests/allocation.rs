//! How often a decision allocates. Nothing else of a request is measured: what the framework takes for reading and writing
//! it is its own.
//!
//! Each number is exact and has its reason; whoever lowers one writes the lower number here. Measured once everything is
//! warm: a user's first request makes its bucket, a token's first makes its entry in the cache.

use http::{HeaderName, HeaderValue, Method, Uri, header, request::Parts};
use stackflow_gateway::{
    config::{Gateway, compile},
    limit::Attempts,
    pipeline::{Action, Attempt, Decision, decide},
    request::Request,
    response_headers::ResponseHeaders,
    state::State,
    time::Now,
    token::TokenRequest,
    validate::{RecordCounter, RecordRules},
};
use std::{
    fmt::Write,
    fs,
    path::Path,
    sync::{Arc, LazyLock},
};

const CONFIGURATION: &str = r#"
[[listeners]]
address = "127.0.0.1:8080"
[auth.token_endpoint]
algorithm = "ES256"
api_keys = "allocation-keys.toml"
[upstreams.api]
servers = ["http://127.0.0.1:3000"]
[[routes]]
path = "/incidents"
methods = ["GET", "POST"]
query = { limit = { type = "integer", min = 1, max = 200 } }
[[routes]]
path = "/incidents/{id}"
methods = ["GET"]
[[routes]]
path = "/incidents/bulk"
methods = ["POST"]
limit = "exempt"
[[routes]]
path = "/open"
auth = "none"
[[routes]]
path = "/admin"
scopes = ["admin"]
[limits]
per_user = { rate = 1000000, burst = 1000000 }
"#;

const NOW: Now = Now { monotonic_ns: 0, unix_ns: 1_800_000_000_000_000_000 };

/// Where the file of accounts is, written once for all tests.
static FOLDER: LazyLock<&Path> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut hash = String::new();
    for byte in aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"secret").as_ref() {
        write!(hash, "{byte:02x}").expect("a string takes everything");
    }
    let account = "[[service_accounts]]\nname = \"ci\"\nclient_id = \"ci\"\nscopes = [\"read\"]\n";
    fs::write(folder.join("allocation-keys.toml"), format!("{account}secret_sha256 = \"{hash}\"\n")).expect("it is writable");
    folder
});

struct World {
    gateway: Gateway,
    state: State,
    authorization: String,
}

impl World {
    /// A gateway whose token endpoint has issued a token.
    fn new() -> Self {
        let gateway = compile(&FOLDER.join("gateway.toml"), CONFIGURATION).unwrap_or_else(|problems| panic!("{problems}"));
        let endpoint = gateway.auth.token_endpoint.as_ref().expect("it is configured");
        let mut headers = http::HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let state = State::new(&gateway);
        let body = b"grant_type=client_credentials&client_id=ci&client_secret=secret";
        let attempts = Attempts { state: &state.limits, limits: &gateway.limits, address: [203, 0, 113, 7].into(), now: NOW };
        let answer =
            endpoint.grant(&TokenRequest { headers: &headers, query: None, body }, &attempts).expect("the first attempt");
        let answer: serde_json::Value = serde_json::from_slice(&answer.body).expect("the endpoint answers in JSON");
        let token = answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}"));
        Self { authorization: format!("Bearer {token}"), state, gateway }
    }

    /// A request head; `signed in` with the token.
    fn head(&self, line: &str, signed_in: bool, fields: &[(&str, &str)]) -> (Parts, String) {
        let (method, target) = line.split_once(' ').expect("a method and a target");
        let mut parts = http::Request::new(()).into_parts().0;
        parts.method = Method::try_from(method).expect("a method");
        parts.uri = Uri::try_from(target).expect("a target");
        parts.headers.insert(header::HOST, HeaderValue::from_static("api.example.com"));
        if signed_in {
            let authorization = HeaderValue::try_from(&self.authorization).expect("a field value");
            parts.headers.insert(header::AUTHORIZATION, authorization);
        }
        for (name, value) in fields {
            let name = HeaderName::try_from(*name).expect("a field name");
            parts.headers.append(name, HeaderValue::try_from(*value).expect("a field value"));
        }
        (parts, target.to_owned())
    }

    fn decide(&self, (parts, target): &(Parts, String)) -> Decision {
        let client = [203, 0, 113, 7].into();
        let request = Request { parts, target, client, https: false, redirect_only: false, has_body: false, fault: None };
        decide(&self.gateway, &self.state, &request, Attempt::First, NOW)
    }

    /// How often the third of three equal requests allocates while it is decided, and while its refusal is written.
    fn check(&self, head: &(Parts, String), status: u16, deciding: u64, answering: u64) {
        drop((self.decide(head), self.decide(head)));
        let mut decision = None;
        let decided = allocation_counter::measure(|| decision = Some(self.decide(head)));
        let action = decision.expect("it was decided").action;
        let id = HeaderValue::from_static("id-1");
        let (parts, target) = head;
        let (found, answered) = match &action {
            Action::Forward(_) => (200, 0),
            Action::Answer(_, reply) => (reply.status.as_u16(), 0),
            Action::Reject(rejection) => {
                let mut reply = None;
                let answered = allocation_counter::measure(|| reply = Some(rejection.reply(&parts.headers, &id)));
                (reply.map_or(0, |reply| reply.status.as_u16()), answered.count_total)
            }
            Action::IssueToken | Action::AwaitKeys { .. } => panic!("{target}: {action:?}"),
        };
        assert_eq!(found, status, "{target}");
        assert_eq!((decided.count_total, answered), (deciding, answering), "{} {target}", parts.method);
    }
}

const OURS: (&str, &str) = ("origin", "https://app.stackflow-tech.com");

#[test]
fn a_remembered_token_on_a_plain_route_costs_the_target_at_the_upstream_and_nothing_else() {
    let world = World::new();
    // The target: base path, path and query in one text, which the request towards the upstream then shares.
    world.check(&world.head("GET /prod/api/v1/incidents/INC0001", true, &[]), 200, 1, 0);
    world.check(&world.head("GET /prod/api/v1/incidents?limit=25&cursor=abc", true, &[]), 200, 1, 0);
    world.check(&world.head("GET /prod/api/v1/unheard", true, &[]), 200, 1, 0);
    world.check(&world.head("GET /prod/api/v1/open", false, &[]), 200, 1, 0);
    // An origin is echoed by sharing its bytes.
    world.check(&world.head("GET /prod/api/v1/incidents", true, &[OURS]), 200, 1, 0);
    // The place among the user's bulk requests is a number in the map of those in flight.
    world.check(&world.head("POST /prod/api/v1/incidents/bulk", true, &[]), 200, 1, 0);
}

#[test]
fn a_path_that_was_escaped_without_need_costs_its_plain_form() {
    let world = World::new();
    // The plain form, made as it is read and grown once; then the target.
    world.check(&world.head("GET /prod/api/v1/incidents/%41", true, &[]), 200, 3, 0);
}

#[test]
fn a_refusal_costs_nothing_until_it_is_known() {
    let world = World::new();
    // To decide: nothing. To answer: the body and its handle, the list of fields, the length.
    world.check(&world.head("GET /elsewhere", false, &[]), 404, 0, 4);
    // A list that began with the challenge grows once.
    world.check(&world.head("GET /prod/api/v1/incidents", false, &[]), 401, 0, 5);
    // A token is decoded into one place; what its header begins and ends with says that it is none.
    world.check(&world.head("GET /prod/api/v1/incidents", false, &[("authorization", "Bearer a.b.c")]), 401, 1, 5);
    world.check(&world.head("GET /prod/api/v1/incidents", false, &[("authorization", "Bearer bm8.bm8.bm8")]), 401, 1, 5);
    // The methods are the route's own value, shared; the sentence that quotes them grows as it is written.
    world.check(&world.head("DELETE /prod/api/v1/incidents", true, &[]), 405, 0, 7);
    // To decide: the route's scopes, copied out of the configuration. To answer: joined twice, for sentence and challenge.
    world.check(&world.head("GET /prod/api/v1/admin", true, &[]), 403, 2, 10);
    // To decide: the parameter's name and its rule in words.
    world.check(&world.head("GET /prod/api/v1/incidents?limit=0", true, &[]), 400, 2, 4);
}

#[test]
fn a_limit_refuses_without_allocating() {
    let mut world = World::new();
    world.gateway.limits.per_user = stackflow_gateway::limit::Quota::new(1, 1).expect("a quota");
    // To answer: as above, with `Retry-After`, and the sentence with the limit.
    world.check(&world.head("GET /prod/api/v1/incidents", true, &[]), 429, 0, 7);
}

#[test]
fn what_the_gateway_answers_itself_costs_its_fields() {
    let world = World::new();
    // The list of fields, its growth by one, the length.
    world.check(&world.head("GET /ping", false, &[]), 200, 3, 0);
    world.check(&world.head("GET /.well-known/jwks.json", false, &[]), 200, 3, 0);
    // The list; every value is made when the configuration is compiled.
    let preflight = [OURS, ("access-control-request-method", "GET")];
    world.check(&world.head("OPTIONS /prod/api/v1/incidents", false, &preflight), 204, 1, 0);
}

#[test]
fn reading_a_body_costs_nothing_whatever_it_holds() {
    let body = format!(
        "{{\"x\":\"{}\",\"Rec\\u006frds\":[{}1.5e3,\"\\ud83d\\ude00é\",null]}}",
        "long ".repeat(10_000),
        "[{\"a\":[]}],".repeat(1000)
    );
    let rules = Arc::new(RecordRules::new(1003, Some("incidents")));
    let mut judged = Ok(());
    let read = allocation_counter::measure(|| {
        let mut counter = RecordCounter::new(Arc::clone(&rules));
        judged = body.as_bytes().chunks(1000).try_for_each(|piece| counter.read(piece)).and_then(|()| counter.finish());
    });
    assert_eq!((judged, read.count_total), (Ok(()), 0));
    assert!(size_of::<RecordCounter>() <= 64, "{} bytes", size_of::<RecordCounter>());
}

#[test]
fn what_every_response_carries_costs_its_three_numbers() {
    let world = World::new();
    let decision = world.decide(&world.head("GET /prod/api/v1/incidents", true, &[OURS]));
    let id = HeaderValue::from_static("id-1");
    let headers = ResponseHeaders::new(decision.shown, decision.origin, id, NOW);
    let mut fields = 0;
    let written = allocation_counter::measure(|| headers.write(&world.gateway, NOW, |_, _| fields += 1));
    assert_eq!((fields, written.count_total), (7, 3));
}
