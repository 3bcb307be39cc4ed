//! Quotas by day and month through the real binary: used up, told, kept over restarts, and never lost in silence.
mod support;

use serde_json::json;
use std::fs;
use support::{DEADLINE, Gateway, Response, Setup, World, epoch_seconds};

const LIST: &str = "/prod/api/incidents";
const BULK: &str = "/prod/api/incidents/bulk";

/// A quota for everybody in these tests.
fn quota(requests: u32, period: &str) -> impl FnOnce(Setup) -> Setup {
    let plan = format!("quota = {{ requests = {requests}, period = \"{period}\" }}");
    move |setup| {
        let limits = "[limits]\nstate_file = \"quotas\"\n[[limits.plans]]\nname = \"metered\"\nclient_ids = [\"test-client\"]";
        setup.with(&format!("{limits}\n{plan}"))
    }
}

fn policy(response: &Response) -> String {
    assert_eq!(response.status, 429, "{response:?}");
    response.json()["policy"].as_str().unwrap_or_default().to_owned()
}

/// How many of `times` requests of ada are admitted.
fn admitted(world: &World, times: usize) -> usize {
    let mut client = world.gateway.connect();
    (0..times).filter(|_| world.ask_on(&mut client, "GET", LIST, &[], b"").status == 200).count()
}

/// Waits until the file says that its one user has used so many; what it holds then.
fn wait_written(world: &World, used: u64) -> Vec<u8> {
    world.gateway.poll("the state file", || {
        let file = fs::read(world.gateway.path("quotas")).ok()?;
        // The number stands in the last counter before how long it is kept; a sum follows.
        let number = file.get(file.len().checked_sub(20)?..file.len() - 12)?;
        (u64::from_le_bytes(number.try_into().ok()?) == used).then_some(file)
    })
}

#[test]
fn a_quota_is_used_up_and_says_until_when() {
    let world = World::with(quota(3, "day"));
    assert_eq!(admitted(&world, 5), 3);
    let before = epoch_seconds();
    let refused = world.get(LIST);
    assert_eq!(policy(&refused), "quota");
    assert_eq!(refused.json()["detail"], "per-user quota of 3 requests per day exceeded");
    assert_eq!((refused.number("X-RateLimit-Limit"), refused.number("X-RateLimit-Remaining")), (3, 0));
    let midnight = (before / 86_400 + 1) * 86_400;
    assert_eq!(refused.number("X-RateLimit-Reset"), midnight);
    let wait = refused.number("Retry-After");
    assert!((midnight - epoch_seconds()..=midnight - before).contains(&wait), "{wait} seconds before {midnight}");
    // It is the user's: others have their own, and exempt routes do not ask for it.
    assert_eq!(world.gateway.connect().get_as(&world.issuer.user("bob"), LIST).status, 200);
    assert_eq!(world.post(BULK, b"{\"records\":[]}").status, 200);
    assert_eq!(world.backend.requests().len(), 5);
    world.gateway.wait_metric("stackflow_gateway_limit_decisions_total{policy=\"quota\",decision=\"refused\"}", 3.0);
    world.gateway.wait_metric("stackflow_gateway_limit_decisions_total{policy=\"quota\",decision=\"admitted\"}", 4.0);
    world.gateway.wait_metric("stackflow_gateway_limit_quotas", 2.0);
}

#[test]
fn a_restart_reopens_no_quota() {
    let mut world = World::with(quota(5, "month"));
    assert_eq!(admitted(&world, 3), 3);
    world.gateway.restart();
    assert_eq!(admitted(&world, 4), 2);
    world.gateway.restart();
    assert_eq!(admitted(&world, 1), 0);
}

#[test]
fn a_kill_loses_no_more_than_the_last_second() {
    let mut world = World::with(quota(5, "month"));
    assert_eq!(admitted(&world, 3), 3);
    wait_written(&world, 3);
    world.gateway.restart_killed();
    assert_eq!(admitted(&world, 1), 1);
    wait_written(&world, 4);
    world.gateway.restart_killed();
    assert_eq!(admitted(&world, 4), 1, "four of five were used before");
}

#[test]
fn a_second_gateway_with_the_same_file_does_not_start_and_the_first_goes_on() {
    let world = World::with(quota(5, "month"));
    let output = world.gateway.run_beside(&["run", "--config", "gateway.toml"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("quotas is in use by another gateway that runs"), "{said}");
    assert_eq!((output.status.code(), admitted(&world, 6)), (Some(1), 5));
    // Who only looks at the configuration takes nothing from anybody, and who reloads has it already.
    assert!(world.gateway.run_beside(&["check", "--config", "gateway.toml"]).status.success() && world.gateway.reload());
}

#[test]
fn a_damaged_file_is_said_to_be_and_put_aside() {
    let mut world = World::with(quota(5, "month"));
    assert_eq!(admitted(&world, 5), 5);
    let mut bytes = wait_written(&world, 5);
    assert!(world.gateway.stop_gracefully().success());
    bytes.truncate(bytes.len() - 1);
    fs::write(world.gateway.path("quotas"), &bytes).unwrap();
    world.gateway.start_again();
    let entry = world.gateway.stdout.wait("what was found", DEADLINE, |line| line.contains("damaged").then(|| line.to_owned()));
    assert!(entry.contains("\"error\"") && entry.contains("quotas.damaged"), "{entry}");
    assert_eq!(fs::read(world.gateway.path("quotas.damaged")).unwrap(), bytes);
    assert_eq!(admitted(&world, 1), 1, "all begin again");
}

#[test]
fn a_file_that_cannot_be_written_is_said_once_and_counted_and_nobody_waits_for_it() {
    let world = World::with(quota(1_000, "month"));
    // A folder in its place: not even root replaces that by a file.
    fs::create_dir(world.gateway.path("quotas")).unwrap();
    fs::write(world.gateway.path("quotas/x"), "").unwrap();
    assert_eq!(admitted(&world, 1), 1);
    world
        .gateway
        .poll("two failures", || (world.gateway.metric("stackflow_gateway_limit_state_failures_total") > 1.5).then_some(()));
    let said = world.gateway.stdout.all().into_iter().filter(|line| line.contains("quotas are not kept")).count();
    assert_eq!(said, 1);
    fs::remove_dir_all(world.gateway.path("quotas")).unwrap();
    wait_written(&world, 1);
    world.gateway.stdout.wait("the end of it", DEADLINE, |line| line.contains("is written again").then_some(()));
}

#[test]
fn a_quota_follows_a_reload_and_what_was_used_stays() {
    let world = World::with(quota(3, "month"));
    assert_eq!(admitted(&world, 5), 3);
    world.take_up(quota(5, "month"));
    assert_eq!(admitted(&world, 5), 2);
    world.take_up(quota(4, "month"));
    assert_eq!(policy(&world.get(LIST)), "quota");
}

#[test]
fn a_quota_without_a_file_to_keep_it_in_does_not_start() {
    let plan = "[[limits.plans]]\nname = \"a\"\ngroups = [\"g\"]\nquota = { requests = 1, period = \"day\" }";
    let issuer = support::Issuer::new("https://pool.test/one");
    let setup = Setup::new(([127, 0, 0, 1], 9).into(), &issuer).with(plan);
    let files = [("jwks.json".to_owned(), issuer.jwks_json())];
    let output = Gateway::output(&["check", "--config", "gateway.toml"], &setup.toml(), &files);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!((output.status.code(), text.contains("limits.state_file: is missing")), (Some(2), true), "{text}");
}

#[test]
fn the_file_holds_no_names() {
    let world = World::with(quota(3, "day"));
    let token = world.issuer.token(|claims| claims["sub"] = json!("ada.lovelace@example.com"));
    assert_eq!(world.gateway.connect().get_as(&token, LIST).status, 200);
    let file = wait_written(&world, 1);
    assert!(!String::from_utf8_lossy(&file).contains("lovelace"));
}
