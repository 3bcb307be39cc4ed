//! Plans for some callers and limits of routes, through the real binary: who gets which numbers, who shares what, and reloads.
mod support;

use serde_json::json;
use std::{thread, time::Duration};
use support::{Backend, Client, Issuer, Response, Setup, World};

const LIST: &str = "/prod/api/incidents";
const LIMITS: &str = "[limits]\nper_user = { rate = 1, burst = 5 }\n";
const PLANS: &str = r#"
[[limits.plans]]
name = "gold"
groups = ["partners"]
per_user = { rate = 10, burst = 20 }
[[limits.plans]]
name = "iron"
groups = ["interns", "partners-of-partners"]
per_user = { rate = 1, burst = 40 }
"#;
const SLOW: &str = "path = \"/slow\"\nlimit = { rate = 1, burst = 6 }";

fn limits(more: &str) -> impl FnOnce(Setup) -> Setup {
    move |setup| setup.with(&format!("{LIMITS}{more}"))
}

/// A token of this user in these groups.
fn member(world: &World, subject: &str, groups: &[&str]) -> String {
    world.issuer.token(|claims| {
        claims["sub"] = json!(subject);
        claims["cognito:groups"] = json!(groups);
    })
}

/// Capacity and what is left, as the headers show them.
fn shown(response: &Response) -> (u64, u64) {
    (response.number("X-RateLimit-Limit"), response.number("X-RateLimit-Remaining"))
}

/// Asks until a refusal.
fn drain(client: &mut Client, token: &str, target: &str) -> Response {
    let mut all = (0..1_000).map(|_| client.get_as(token, target));
    all.find(|response| response.status != 200).expect("something is refused")
}

#[test]
fn a_plan_is_for_its_groups_and_the_first_wins() {
    let world = World::with(limits(PLANS));
    let mut client = world.gateway.connect();
    let mut limit = |subject: &str, groups: &[&str]| shown(&client.get_as(&member(&world, subject, groups), LIST));
    assert_eq!(limit("ada", &[]), (5, 4));
    assert_eq!(limit("bob", &["partners"]), (20, 19));
    assert_eq!(limit("cat", &["interns"]), (40, 39));
    assert_eq!(limit("dan", &["interns", "partners"]), (20, 19));
    assert_eq!(limit("eve", &["partner", "Partners"]), (5, 4));
    let refused = drain(&mut client, &member(&world, "cat", &["interns"]), LIST);
    let body = refused.json();
    assert_eq!((refused.status, shown(&refused), &body["policy"]), (429, (40, 0), &json!("user")));
    assert_eq!(body["detail"], "per-user limit of 1 request per second exceeded");
    // The bucket is the user's: without the plan's group it is the same one, and as empty.
    let refused = client.get_as(&member(&world, "cat", &[]), LIST);
    assert_eq!((refused.status, shown(&refused)), (429, (5, 0)));
}

#[test]
fn a_plan_is_for_its_clients_whoever_the_user_is() {
    let (backend, issuer) = (Backend::start(), Issuer::new("https://pool.test/one"));
    let plan = "[[limits.plans]]\nname = \"p\"\nclient_ids = [\"partner-1\"]\nper_user = { rate = 1, burst = 9 }";
    let gateway = Setup::bare(&backend.address().to_string())
        .issuer("issuer = \"https://pool.test/one\"\njwks_file = \"jwks.json\"\nclient_ids = \"any\"")
        .file("jwks.json", &issuer.jwks_json())
        .with(&format!("{LIMITS}{plan}"))
        .start();
    let mut client = gateway.connect();
    let mut limit = |subject: &str, client_id: &str| {
        let token = issuer.token(|claims| {
            claims["sub"] = json!(subject);
            claims["client_id"] = json!(client_id);
        });
        shown(&client.get_as(&token, LIST))
    };
    assert_eq!([limit("ada", "partner-1"), limit("bob", "partner-1"), limit("cat", "partner-2")], [(9, 8), (9, 8), (5, 4)]);
}

#[test]
fn plans_follow_a_reload_and_the_debt_stays() {
    let world = World::with(|setup| setup.with("[limits]\nper_user = { rate = 1, burst = 60 }"));
    let (token, mut client) = (member(&world, "ada", &["partners"]), world.gateway.connect());
    let refused = drain(&mut client, &token, LIST);
    assert_eq!((refused.status, shown(&refused)), (429, (60, 0)));
    // A minute of debt, where the plan's bucket holds two seconds.
    world.take_up(|setup| setup.with("[limits]\nper_user = { rate = 1, burst = 60 }").with(PLANS));
    let refused = client.get_as(&token, LIST);
    assert_eq!((refused.status, shown(&refused)), (429, (20, 0)));
    assert_eq!(shown(&client.get_as(&world.issuer.user("bob"), LIST)), (60, 59), "the plan is for its group");
}

#[test]
fn a_routes_limit_is_one_bucket_of_all_its_callers() {
    let world = World::with(|setup| setup.with(LIMITS).route(SLOW));
    let mut client = world.gateway.connect();
    let (ada, bob) = (world.issuer.user("ada"), world.issuer.user("bob"));
    for target in ["/prod/api/slow", "/prod/api/v1/slow", "/prod/api/slow?x=1"] {
        assert_eq!((client.get_as(&ada, target).status, client.get_as(&bob, target).status), (200, 200), "{target}");
    }
    let cat = world.issuer.user("cat");
    let refused = drain(&mut client, &cat, "/prod/api/slow");
    let body = refused.json();
    assert_eq!((refused.status, shown(&refused), &body["policy"]), (429, (6, 0), &json!("route")));
    assert_eq!(body["detail"], "route limit of 1 request per second exceeded");
    let before = client.get_as(&cat, LIST).number("X-RateLimit-Remaining");
    assert!(before >= 2, "what the route refuses costs the user nothing: {before}");
    world.gateway.wait_metric("stackflow_gateway_limit_decisions_total{policy=\"route\",decision=\"refused\"}", 1.0);
    thread::sleep(Duration::from_secs(refused.number("Retry-After")));
    assert_eq!(client.get_as(&cat, "/prod/api/slow").status, 200, "who waits as told is admitted");
}

#[test]
fn an_open_route_can_have_a_limit_and_a_reload_keeps_its_bucket() {
    let open = "path = \"/open\"\nauth = \"none\"\nlimit = { rate = 1, burst = 30 }";
    let world = World::with(|setup| setup.with(LIMITS).route(open));
    let mut client = world.gateway.connect();
    let refusal = |client: &mut Client| {
        let mut all = (0..100).map(|_| client.get("/prod/api/open", &[]));
        all.find(|response| response.status != 200).expect("something is refused").json()["policy"].clone()
    };
    assert_eq!(refusal(&mut client), "route");
    world.take_up(|setup| setup.with(LIMITS).with("[cors]\nmax_age = \"1h\"").route("path = \"/other\"").route(open));
    let admitted = (0..100).take_while(|_| client.get("/prod/api/open", &[]).status == 200).count();
    assert!(admitted < 30, "{admitted}: the bucket is not full again");
}
