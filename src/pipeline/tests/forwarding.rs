//! What goes to an upstream, and as what.

use super::{check, check_with, text};
use crate::{
    pipeline::{
        Action, Forward,
        test_gateway::{Ask, World},
    },
    upstream::UpstreamIndex,
};
use std::time::Duration;

fn forwarded(more: &str, ask: &Ask) -> Forward {
    let decision = World::new(more).ask(ask);
    let Action::Forward(forward) = decision.action else { panic!("not forwarded: {decision:?}") };
    forward
}

/// The target at the upstream of a signed-in GET.
fn target(sent: &str, expected: &str) {
    assert_eq!(text(forwarded("", &Ask::new(&format!("GET {sent}")).signed_in()).target()), expected);
}

#[test]
fn the_query_goes_on_byte_for_byte() {
    target("/prod/api/v1/incidents?", "/api/v1/incidents?");
    target("/prod/api/v1/incidents?limit=5&cursor=a%2Fb+c==", "/api/v1/incidents?limit=5&cursor=a%2Fb+c==");
    target("/prod/api/v1/unheard?%zz&&;..//\\?x", "/api/v1/unheard?%zz&&;..//\\?x");
    target("/prod/api/v1/unheard?a=%41", "/api/v1/unheard?a=%41");
}

#[test]
fn the_path_goes_on_as_it_was_judged() {
    target("/prod/api/v1/incidents/%41b", "/api/v1/incidents/Ab");
    target("/prod/api/v1/incid%65nts", "/api/v1/incidents");
    target("/prod/%61pi/v1/incidents", "/api/v1/incidents");
    target("/prod/api/v1/a%20b", "/api/v1/a%20b");
    target("/prod/api/v1", "/api/v1/");
    target("/prod/api/v1/", "/api/v1/");
    target("http://other.test/prod/api/v1/incidents?a", "/api/v1/incidents?a");
}

#[test]
fn the_root_towards_the_upstream_stands_before_the_path() {
    let root = "[api]\nupstream_base_path = \"/\"\n";
    check_with(root, &Ask::new("GET /prod/api/v1/incidents").signed_in(), "forward /incidents");
    check_with(root, &Ask::new("GET /prod/api/v1").signed_in(), "forward /");
}

#[test]
fn what_several_servers_read_differently_is_not_forwarded() {
    for path in ["/prod/api/v1/../x", "/prod/api/v1/%2e%2e/x", "/prod/api/v1/a%2fb", "/prod/api/v1/a\\b", "/prod/api/v1/%zz"] {
        check(&Ask::new(&format!("GET {path}")).signed_in(), "400 invalid_request");
    }
}

#[test]
fn unknown_paths_are_forwarded_or_not_as_configured() {
    let reject = "[api]\nunknown_paths = \"reject\"\n";
    check(&Ask::new("GET /prod/api/v1/jobs/7"), "401 missing_token");
    check_with(reject, &Ask::new("GET /prod/api/v1/jobs/7"), "401 missing_token");
    check_with(reject, &Ask::new("GET /prod/api/v1/jobs/7").signed_in(), "404 not_found");
    check_with(reject, &Ask::new("BREW /prod/api/v1/jobs/7").signed_in(), "404 not_found");
    check_with(reject, &Ask::new("GET /prod/api/v1/incidents").signed_in(), "forward /api/v1/incidents");
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
        check(&Ask::new(&format!("{method} /prod/api/v1/jobs/7")).signed_in(), "forward /api/v1/jobs/7");
    }
    check(&Ask::new("OPTIONS /prod/api/v1/jobs/7").signed_in(), "405 method_not_allowed");
}

#[test]
fn head_goes_where_get_goes() {
    check(&Ask::new("HEAD /prod/api/v1/incidents").signed_in(), "forward /api/v1/incidents");
    check(&Ask::new("HEAD /prod/api/v1/incidents/bulk").signed_in(), "405 method_not_allowed");
    check(&Ask::new("HEAD /prod/api/v1/open"), "forward /api/v1/open");
}

#[test]
fn a_body_must_be_json_and_an_absent_one_need_not() {
    let post = || Ask::new("POST /prod/api/v1/incidents").signed_in();
    check(&post().with("content-length", "2"), "415 unsupported_media_type");
    check(&post().with("transfer-encoding", "chunked"), "415 unsupported_media_type");
    check(&post().with("content-length", "2").with("content-type", "application/json"), "forward /api/v1/incidents");
    check(&post().with("content-length", "2").with("content-type", "application/merge-patch+json"), "forward /api/v1/incidents");
    check(&post().with("content-length", "0"), "forward /api/v1/incidents");
    check(&post(), "forward /api/v1/incidents");
    let any = "[api]\nrequire_json = false\n";
    check_with(any, &post().with("content-length", "2").with("content-type", "text/plain"), "forward /api/v1/incidents");
}

#[test]
fn a_body_whose_records_are_counted_must_be_there_and_readable() {
    let bulk = "[[routes]]\npath = \"/bulk\"\nmax_records = 2\n";
    let json = |method: &str| {
        let ask = Ask::new(&format!("{method} /prod/api/v1/bulk")).signed_in();
        ask.with("content-length", "2").with("content-type", "application/json")
    };
    let refused = |ask: &Ask, expected: &str| check_with(bulk, ask, expected);
    for method in ["POST", "PUT", "PATCH"] {
        refused(&Ask::new(&format!("{method} /prod/api/v1/bulk")).signed_in(), "400 invalid_request");
        refused(&json(method).without("content-length").with("content-length", "0"), "400 invalid_request");
    }
    refused(&json("POST").without("content-type"), "415 unsupported_media_type");
    refused(&json("POST").with("content-encoding", "gzip"), "415 unsupported_media_type");
    refused(&json("POST").with("content-encoding", ""), "415 unsupported_media_type");
    refused(&json("POST").with("content-encoding", "identity").with("content-encoding", "br"), "415 unsupported_media_type");
    let utf_16 = json("POST").without("content-type").with("content-type", "application/json;charset=utf-16");
    refused(&utf_16, "415 unsupported_media_type");
    // Whatever the type is then, what is not UTF-8 cannot be read.
    check_with(&format!("[api]\nrequire_json = false\n{bulk}"), &utf_16, "415 unsupported_media_type");
    check_with(bulk, &json("POST").with("content-encoding", "IDENTITY"), "forward /api/v1/bulk");
    for method in ["GET", "HEAD", "DELETE"] {
        check_with(bulk, &Ask::new(&format!("{method} /prod/api/v1/bulk")).signed_in(), "forward /api/v1/bulk");
    }
    check(&Ask::new("POST /prod/api/v1/incidents").signed_in().with("content-encoding", "gzip"), "forward /api/v1/incidents");
}

#[test]
fn a_route_has_its_own_upstream_bound_and_time() {
    let more = "[[routes]]\npath = \"/slow\"\nupstream = \"other\"\nbody = \"1KiB\"\nresponse_timeout = \"5s\"\n\
        [upstreams.other]\nservers = [\"http://127.0.0.1:3001\"]\n[api]\nupstream = \"api\"\n";
    let own = forwarded(more, &Ask::new("GET /prod/api/v1/slow").signed_in());
    assert_eq!((own.body_bound(), own.response_timeout()), (1024, Some(Duration::from_secs(5))));
    let general = forwarded(more, &Ask::new("GET /prod/api/unheard").signed_in());
    assert_eq!((general.body_bound(), general.response_timeout()), (10 << 20, None));
    assert_ne!(own.upstream(), general.upstream());
    assert!([UpstreamIndex(0), UpstreamIndex(1)].contains(&general.upstream()));
    assert_eq!((own.prefix(), general.prefix()), (0, 1));
}

#[test]
fn a_proven_request_names_its_user_and_an_open_one_nobody() {
    let proven = forwarded("", &Ask::new("GET /prod/api/v1/incidents").signed_in());
    assert_eq!(proven.principal().map(|principal| principal.subject()), Some("user-1"));
    let open = forwarded("", &Ask::new("GET /prod/api/v1/open").signed_in());
    assert!(open.principal().is_none());
}

const SOCKETS: &str = "[[routes]]\npath = \"/chat\"\nupgrade = true\n[[routes]]\npath = \"/hall\"\nupgrade = true\nauth = \"none\"\n\
     [cors]\nallowed_origins = [\"https://app.test\"]\n";

/// The opening of RFC 6455, section 1.2.
fn opening(path: &str) -> Ask {
    let ask = Ask::new(&format!("GET /prod/api/v1{path}")).with("upgrade", "websocket").with("connection", "Upgrade");
    ask.with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==").with("sec-websocket-version", "13").signed_in()
}

#[test]
fn a_websocket_from_a_foreign_origin_is_refused_and_costs_nothing() {
    let world = World::new(SOCKETS);
    for path in ["/chat", "/hall"] {
        let ask = opening(path).with("origin", "https://evil.test");
        assert_eq!(super::words(&world.ask(&ask)), "403 origin_not_allowed");
        assert_eq!((world.spent(&ask).user, world.spent(&ask).global), (0, 0), "{path}");
    }
    check_with(SOCKETS, &opening("/chat").without("authorization").with("origin", "https://evil.test"), "401 missing_token");
}

#[test]
fn a_websocket_is_one_only_where_it_is_allowed() {
    let opens = |ask: Ask| forwarded(SOCKETS, &ask).websocket();
    assert!(!opens(opening("/incidents")), "another route");
    assert!(!opens(opening("/unheard")), "no route");
    assert!(!opens(opening("/chat").without("upgrade")), "a request like any other");
    assert!(!opens(opening("/chat").with("content-length", "2").with("content-type", "application/json")), "a body");
    assert!(!opens(opening("/incidents").with("origin", "https://evil.test")), "a foreign origin's request, as it always was");
    assert!(opens(opening("/chat")));
    assert!(opens(opening("/chat").with("origin", "https://app.test")));
    assert!(opens(opening("/hall").without("authorization")));
}
