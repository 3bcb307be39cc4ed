//! One reading of every path: what several servers could read differently is refused, and no spelling escapes a route's rules.
mod support;

use support::{JSON, World};

fn world(api: &str) -> World {
    World::with(|setup| setup.with(&format!("[api]\n{api}")).route("path = \"/open\"\nauth = \"none\""))
}

/// `ada` asks for this: the status, and what reaches the upstream for it.
fn check(world: &World, target: &str, status: u16, forwarded: Option<&str>) {
    let before = world.backend.requests().len();
    let seen_status = world.get(target).status;
    let seen = world.backend.requests().get(before).map(|seen| seen.head.target.clone());
    assert_eq!((seen_status, seen.as_deref()), (status, forwarded), "{target}");
}

#[test]
fn what_servers_read_differently_is_400() {
    let world = world("");
    for rest in [
        "..",
        ".",
        "a/..",
        "a/../incidents",
        "a/./incidents",
        "%2e%2e/incidents",
        "%2E./incidents",
        ".%2e/incidents",
        "a/..;x=1/incidents",
        "a/.;/incidents",
        "a/%2e%2e;x/b",
        "a%2fb",
        "a%2Fb",
        "a\\b",
        "a%5cb",
        "a%00b",
        "a%0ab",
        "a//b",
        "/incidents",
        "incidents//",
        "a%",
        "a%2",
        "a%zz",
        "a%u002e",
        "a%ff",
        "a%c0%ae",
        "a%c3",
    ] {
        check(&world, &format!("/prod/api/{rest}"), 400, None);
    }
}

#[test]
fn a_path_is_forwarded_as_it_was_judged() {
    let world = world("");
    for (rest, forwarded) in [
        ("incidents", "/api/v1/incidents"),
        ("%69ncidents", "/api/v1/incidents"),
        ("v1/incidents", "/api/v1/incidents"),
        ("incidents/INC%200001", "/api/v1/incidents/INC%200001"),
        ("incidents/%41%2d%7e", "/api/v1/incidents/A-~"),
        ("incidents/caf%C3%A9", "/api/v1/incidents/caf%C3%A9"),
        ("incidents/a;b", "/api/v1/incidents/a;b"),
        ("reports/2026/11", "/api/v1/reports/2026/11"),
        ("reports/..a", "/api/v1/reports/..a"),
        ("incidents?limit=1&cursor=a%2Fb", "/api/v1/incidents?limit=1&cursor=a%2Fb"),
        ("incidents?q=/../%2e%2e//&&=", "/api/v1/incidents?q=/../%2e%2e//&&="),
        ("incidents?", "/api/v1/incidents?"),
    ] {
        check(&world, &format!("/prod/api/{rest}"), 200, Some(forwarded));
    }
}

#[test]
fn lookalikes_of_a_route_are_404_even_with_a_token() {
    let world = world("");
    for rest in [
        "incidents/",
        "Incidents",
        "INCIDENTS",
        "incidents;x",
        "incidents;x=1",
        "%49ncidents",
        "incidents/bulk/",
        "incidents/b%2575lk",
        "incidents/bulk%3Bx",
        "open/",
        "OPEN",
    ] {
        check(&world, &format!("/prod/api/{rest}"), 404, None);
        let anonymous = world.gateway.connect().get(&format!("/prod/api/{rest}"), &[]);
        assert_eq!(anonymous.status, 401, "{rest}: whether it exists is for those who have authenticated");
    }
}

/// The spellings that some server or chain of servers takes for the route itself.
const SPELLINGS: [&str; 22] = [
    "{}/",
    "{};",
    "{};x=1",
    "{}/;x",
    ";x/{}",
    "{}%3Bx",
    "{}%253bx",
    "{}%3fx",
    "{}%23x",
    "{}%2f",
    "{}%252F",
    "{}%5c",
    "{}%00",
    "{}//",
    "/{}",
    "./{}",
    "x/../{}",
    "x/..;/{}",
    "x/%2e%2e/{}",
    "x/%252e%252e/{}",
    "..%2f{}",
    "%c0%ae%c0%ae/{}",
];

/// A name in upper case, and with its first letter escaped twice and thrice.
fn names(name: &str) -> [String; 3] {
    let (first, rest) = (name.as_bytes()[0], &name[1..]);
    [name.to_uppercase(), format!("%25{first:02x}{rest}"), format!("%2525{first:02x}{rest}")]
}

fn spellings(name: &str) -> Vec<String> {
    let all = SPELLINGS.iter().map(|spelling| spelling.replace("{}", name));
    all.chain(names(name)).chain(names(name).iter().map(|name| format!("{name}/"))).collect()
}

#[test]
fn no_spelling_of_a_protected_route_goes_through_an_open_one() {
    let world = World::with(|setup| {
        setup
            .route("path = \"/public/{name}\"\nauth = \"none\"")
            .route("path = \"/public/{name}/{*more}\"\nauth = \"none\"")
            .route("path = \"/public/admin\"\nscopes = [\"admin\"]")
    });
    let ask =
        |rest: &str, headers: &[(&str, &str)]| world.gateway.connect().get(&format!("/prod/api/public/{rest}"), headers).status;
    for rest in spellings("admin") {
        assert!(matches!(ask(&rest, &[]), 400 | 401), "{rest}, by anybody");
        assert!(matches!(ask(&rest, &[world.auth()]), 400 | 404), "{rest}, by a user");
    }
    // One that is no other spelling, but the same once it is judged.
    for rest in ["admin", "%61dmin", "adm%69n"] {
        assert_eq!((ask(rest, &[]), ask(rest, &[world.auth()])), (401, 403), "{rest}");
    }
    assert!(world.backend.requests().is_empty(), "{:?}", world.backend.requests());
    for open in ["administrator", "a", "adm%2569", "x/admin"] {
        assert_eq!(ask(open, &[]), 200, "{open}");
    }
}

#[test]
fn no_spelling_but_the_routes_own_is_exempt() {
    let world = World::with(|setup| setup.with("[limits]\nper_user = { rate = 1, burst = 1000 }"));
    let post = |rest: &str| world.ask("POST", &format!("/prod/api/{rest}"), &[JSON], b"[]");
    for rest in spellings("bulk") {
        let response = post(&format!("incidents/{rest}"));
        assert!(matches!(response.status, 400 | 404), "{rest}: {response:?}");
    }
    assert!(world.backend.requests().is_empty(), "{:?}", world.backend.requests());
    let remaining = |rest: &str| post(rest).number("X-RateLimit-Remaining");
    let before = remaining("incidents/bulk");
    // Time only adds.
    assert!(remaining("incidents/%62ulk") >= before && remaining("v1/incidents/bulk") >= before, "the same route");
    for other in ["bulk", "incidents/bulk/x", "x/incidents/bulk", "incidents"] {
        let (first, second) = (remaining(other), remaining(other));
        assert!(second < first || first < before, "{other} is charged: {first}, {second} of {before}");
    }
}

#[test]
fn outside_the_base_paths_there_is_nothing() {
    let world = world("");
    for target in [
        "/",
        "/prod",
        "/prod/",
        "/prod/apix",
        "/prod/apix/incidents",
        "/PROD/api/incidents",
        "/api/v1/incidents",
        "/incidents",
        "/metrics",
        "/readyz",
    ] {
        check(&world, target, 404, None);
        assert_eq!(world.gateway.connect().get(target, &[]).status, 404, "{target}, without a token");
    }
}

#[test]
fn unknown_paths_are_forwarded_once_authenticated() {
    let world = world("");
    check(&world, "/prod/api/anything/else", 200, Some("/api/v1/anything/else"));
    let general = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    for method in general {
        assert_eq!(world.ask(method, "/prod/api/anything", &[], b"").status, 200, "{method}");
    }
    for (method, headers, status) in [
        ("OPTIONS", vec![], 401),
        ("OPTIONS", vec![world.auth()], 405),
        ("PROPFIND", vec![], 401),
        ("PROPFIND", vec![world.auth()], 405),
    ] {
        let response = world.gateway.connect().exchange(method, "/prod/api/anything", &headers, b"");
        assert_eq!(response.status, status, "{method}: {response:?}");
        assert_eq!(response.header("Allow").map(str::to_owned), (status == 405).then(|| general.join(", ")), "{response:?}");
    }
    assert_eq!(world.gateway.connect().get("/prod/api/anything/else", &[]).status, 401);
}

#[test]
fn unknown_paths_can_be_404_once_authenticated() {
    let world = world("unknown_paths = \"reject\"");
    check(&world, "/prod/api/anything/else", 404, None);
    check(&world, "/prod/api/incidents", 200, Some("/api/v1/incidents"));
    assert_eq!(world.gateway.connect().get("/prod/api/anything/else", &[]).status, 401);
}

#[test]
fn the_most_specific_route_wins_before_the_method() {
    let world = world("");
    check(&world, "/prod/api/incidents/bulk", 405, None);
    check(&world, "/prod/api/incidents/bulky", 200, Some("/api/v1/incidents/bulky"));
    assert_eq!(world.gateway.connect().get("/prod/api/open", &[]).status, 200);
}

#[test]
fn base_paths_and_what_replaces_them_are_configured() {
    let root = world("base_paths = [\"/\"]\nupstream_base_path = \"/v2\"\nping_path = \"/alive\"");
    check(&root, "/incidents?x=1", 200, Some("/v2/incidents?x=1"));
    check(&root, "/alive", 200, None);
    let plain = world("base_paths = [\"/one\", \"/one/two\"]\nupstream_base_path = \"/\"");
    check(&plain, "/one/incidents", 200, Some("/incidents"));
    check(&plain, "/one/two/incidents", 200, Some("/incidents"));
    check(&plain, "/two/incidents", 404, None);
}

#[test]
fn a_preflight_is_told_the_routes_methods() {
    let world = World::with(|setup| {
        setup.with("[cors]\nallowed_origins = [\"https://**.stackflow-tech.com\"]\nallow_credentials = true\nmax_age = \"10m\"")
    });
    let ask = |target: &str, origin: &str| {
        let headers =
            [("Origin", origin), ("Access-Control-Request-Method", "PATCH"), ("Access-Control-Request-Headers", "authorization")];
        world.gateway.connect().exchange("OPTIONS", target, &headers, b"")
    };
    let origin = "https://a.b.stackflow-tech.com";
    for (rest, methods) in [
        ("incidents", "GET, HEAD, POST"),
        ("incidents/INC1", "GET, HEAD, PATCH"),
        ("incidents/bulk", "POST"),
        ("nowhere", "GET, HEAD, POST, PUT, PATCH, DELETE"),
    ] {
        let response = ask(&format!("/prod/api/{rest}"), origin);
        assert_eq!((response.status, response.only("Access-Control-Allow-Methods")), (204, methods), "{rest}: {response:?}");
        assert_eq!(response.only("Access-Control-Allow-Origin"), origin);
        assert_eq!(response.only("Access-Control-Allow-Credentials"), "true");
        assert_eq!(response.only("Access-Control-Max-Age"), "600");
        assert!(response.list("Access-Control-Allow-Headers").iter().any(|header| header.eq_ignore_ascii_case("authorization")));
    }
    for foreign in [
        "https://stackflow-tech.com",
        "http://a.stackflow-tech.com",
        "https://a.stackflow-tech.com:8443",
        "https://A.stackflow-tech.com",
        "https://astackflow-tech.com",
        "null",
    ] {
        let response = ask("/prod/api/incidents", foreign);
        assert_eq!((response.status, response.header("Access-Control-Allow-Origin")), (403, None), "{foreign}");
    }
    assert!(world.backend.requests().is_empty(), "no preflight reaches the upstream");
}
