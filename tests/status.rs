//! `GET /status` of the admin listener: what is in force, who is refused, and what came of the last reload, in one object.
mod support;

use serde_json::{Value, json};
use support::{Issuer, LIST, NOBODY, Setup, World, epoch_seconds};

fn status(world: &World) -> Value {
    let response = world.gateway.admin_get("/status");
    assert_eq!((response.status, response.only("content-type")), (200, "application/json"), "{response:?}");
    response.json()
}

#[test]
fn it_says_what_is_in_force() {
    let limits = "[limits]\nper_user = { rate = 7, burst = 9 }";
    let world =
        World::with(|setup| setup.with(limits).route("path = \"/slow\"\nlimit = { rate = 2, burst = 3 }\nscopes = [\"a/b\"]"));
    let status = status(&world);
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&status["ready"], &status["draining"]), (&json!(true), &json!(false)));
    assert_eq!(status["configuration"], json!({ "generation": 1, "last_reload": null }));
    assert_eq!(status["limits"]["per_user"], json!({ "rate": 7, "burst": 9 }));
    let routes = status["routes"].as_array().cloned().unwrap_or_default();
    let route = |path: &str| routes.iter().find(|route| route["path"] == path).cloned().unwrap_or_default();
    assert_eq!(route("/incidents/bulk")["limit"], "exempt");
    assert_eq!(route("/slow")["limit"], json!({ "rate": 2, "burst": 3 }));
    assert_eq!(route("/slow")["scopes"], json!(["a/b"]));
    let server = world.backend.address().to_string();
    assert_eq!(
        status["upstreams"],
        json!([{ "name": "api", "servers": [{ "server": format!("http://{server}"), "addresses": [server] }] }])
    );
    assert_eq!((&status["issuers"][0]["issuer"], &status["issuers"][0]["keys"]), (&json!(world.issuer.name), &json!(1)));
}

#[test]
fn it_names_the_users_that_are_refused_most_as_the_log_does() {
    for (form, shown) in [("plain", json!("ada")), ("off", json!(null))] {
        let limits = format!("[limits]\nper_user = {{ rate = 1, burst = 1 }}\n[log]\nsubject = \"{form}\"");
        let world = World::with(|setup| setup.with(&limits));
        let mut client = world.gateway.connect();
        let statuses = [200, 429, 429].map(|_| world.ask_on(&mut client, "GET", LIST, &[], b"").status);
        assert_eq!(statuses, [200, 429, 429]);
        // The answer is out before it is recorded.
        let users = world.gateway.poll("two refusals", || {
            let users = status(&world)["limited_users"].clone();
            (users[0]["refusals"] == 2).then_some(users)
        });
        assert_eq!(users, json!([{ "issuer": world.issuer.name, "subject": shown, "refusals": 2 }]));
    }
}

#[test]
fn it_says_how_the_last_reload_ended() {
    let world = World::start();
    let before = epoch_seconds();
    world.gateway.rewrite("nonsense");
    assert!(!world.gateway.reload());
    let configuration = status(&world)["configuration"].clone();
    let last = &configuration["last_reload"];
    assert_eq!((&configuration["generation"], &last["result"]), (&json!(1), &json!("wrong")));
    assert_eq!(last["problems"][0]["line"], 1, "{last}");
    assert!(last["unix_seconds"].as_u64().is_some_and(|then| (before..=epoch_seconds()).contains(&then)), "{last}");
    world.take_up(|setup| setup);
    let configuration = status(&world)["configuration"].clone();
    assert_eq!((&configuration["generation"], &configuration["last_reload"]["result"]), (&json!(2), &json!("reloaded")));
}

#[test]
fn an_issuer_without_keys_is_there_with_the_reason() {
    let issuer = Issuer::new("https://pool.test/one");
    let gateway = Setup::bare(NOBODY)
        .issuer(&format!("issuer = \"{}\"\njwks_url = \"http://{NOBODY}/jwks\"\nclient_ids = \"any\"", issuer.name))
        .start_unready();
    let issuer = gateway.poll("the failure", || {
        let issuer = gateway.admin_get("/status").json()["issuers"][0].clone();
        (!issuer["last_error"].is_null()).then_some(issuer)
    });
    assert_eq!((&issuer["keys"], &issuer["fetched_seconds_ago"]), (&json!(0), &json!(null)), "{issuer}");
}
