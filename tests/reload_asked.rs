//! `POST /reload`: who may, and what is answered.
mod support;

use serde_json::{Value, json};
use std::{fs, thread};
use support::{Gateway, Setup, World};

const LIST: &str = "/prod/api/incidents";

/// A response header that says which configuration made the response.
fn marked(setup: Setup, mark: &str) -> Setup {
    setup.with(&format!("[response_headers]\nset = {{ \"X-Mark\" = \"{mark}\" }}"))
}

#[test]
fn post_reload_answers_with_what_came_of_it() {
    let world = World::with(|setup| marked(setup, "first"));
    let post = |headers: &[(&str, &str)]| world.gateway.admin_ask("POST", "/reload", headers);
    world.gateway.rewrite(&world.changed(|setup| marked(setup, "second")));
    for (headers, status) in [
        (vec![("Origin", "https://evil.example")], 403),
        (vec![("Sec-Fetch-Site", "cross-site")], 403),
        (vec![("Host", "evil.example")], 421),
    ] {
        assert_eq!(post(&headers).status, status, "{headers:?}");
    }
    assert_eq!(world.gateway.admin_get("/reload").status, 405);
    assert_eq!(world.gateway.admin_ask("POST", "/metrics", &[]).status, 405);
    assert_eq!(world.get(LIST).only("X-Mark"), "first", "nobody has reloaded");
    let response = post(&[]);
    assert_eq!((response.status, response.json()), (200, json!({ "result": "reloaded", "generation": 2 })));
    assert_eq!(world.get(LIST).only("X-Mark"), "second");
    world.gateway.rewrite(&world.changed(|setup| setup.with("[api]\npng_path = \"/x\"\n[cors]\nmax_age = 7")));
    let response = post(&[]);
    assert_eq!(
        (response.status, response.json()["result"].as_str(), response.json()["generation"].as_u64()),
        (422, Some("wrong"), Some(2))
    );
    let keys: Vec<Value> =
        response.json()["problems"].as_array().expect("a list").iter().map(|problem| problem["key"].clone()).collect();
    assert_eq!(keys, ["api.png_path", "cors.max_age"]);
    world.gateway.rewrite(&world.changed(|setup| setup.with("[server]\nthreads = 63")));
    let response = post(&[]);
    assert_eq!((response.status, response.json()["problems"][0]["key"].as_str()), (409, Some("server.threads")));
    assert_eq!(world.get(LIST).only("X-Mark"), "second");
}

#[test]
fn many_who_post_at_once_share_few_reloads() {
    let world = World::start();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let post = || world.gateway.admin_ask("POST", "/reload", &[]).status;
        let threads: Vec<_> = (0..12).map(|_| scope.spawn(post)).collect();
        threads.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    });
    assert_eq!(statuses, [200; 12]);
    assert!(world.gateway.metric("stackflow_gateway_config_reload_total") <= 12.0);
}

#[test]
fn with_a_token_only_its_bearer_posts_and_the_token_is_reloaded_too() {
    let world = World::with(|setup| setup.with("token = { file = \"token\" }").file("token", "first-admin-token\n"));
    let post = |token: &str| world.gateway.admin_ask("POST", "/reload", &[("Authorization", &format!("Bearer {token}"))]).status;
    let refused = world.gateway.admin_ask("POST", "/reload", &[]);
    assert_eq!((refused.status, refused.only("WWW-Authenticate")), (401, "Bearer realm=\"admin\""));
    assert_eq!(post("second-admin-token"), 401);
    fs::write(world.gateway.path("token"), "second-admin-token\n").unwrap();
    assert_eq!(post("first-admin-token"), 200);
    assert_eq!((post("first-admin-token"), post("second-admin-token")), (401, 200));
    fs::write(world.gateway.path("token"), "short\n").unwrap();
    assert_eq!((post("second-admin-token"), post("second-admin-token")), (422, 422));
    assert!(!world.gateway.written().contains("admin-token"), "{}", world.gateway.written());
}

#[test]
fn the_demo_has_nothing_to_reload() {
    let demo = Gateway::demo();
    demo.signal("HUP");
    let response = demo.admin_ask("POST", "/reload", &[]);
    assert_eq!((response.status, response.json()), (409, json!({ "result": "unavailable", "generation": 1 })));
    assert_eq!(demo.connect().get("/ping", &[]).status, 200);
}
