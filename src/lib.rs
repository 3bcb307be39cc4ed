//! A reverse proxy that stands in front of the `StackFlow` REST API and does there what a managed API gateway does in the cloud:
//! it checks bearer tokens, limits rates, answers browsers' preflights, and says on every response what is left of a limit.
//!
//! This is the map. How to run and configure it is in the README; what every key means, in `conf/gateway.toml`.
//!
//! # A request's way
//!
//! In one direction, from left to right:
//!
//! ```text
//! listener ── proxy: request_filter ── pipeline::decide ─┬─ reply ──────────────────────┬─ response_headers ── client
//!             (takes one Arc<InForce>)                   └─ forward ── upstream ────────┘
//!                                                           proxy: direct, talk; tunnel after a 101
//!
//!             proxy: logging ── observe: metrics and access log, once for each request
//! ```
//!
//! [`pipeline::decide`] is one function, read from top to bottom: bounds → path → route → address → preflight or 404 → token →
//! 405 → scopes → the limits together → validation → forward. There are no filters to be composed; the order is the code.
//!
//! # Where things are
//!
//! In reading order.
//!
//! | | |
//! | --- | --- |
//! | [`cli`] | one file a command: `run`, `check`, `demo`, `api-key`, `signing-key`; `schema`, `completions` |
//! | [`config`] | `file` reads what was written, `compile` makes the [`config::Gateway`] of it; all problems at once, each with place and remedy; `schema` is what `file` says of itself |
//! | [`pipeline`] | the order of decisions; what a decision consists of; the leave to forward |
//! | [`request`], [`time`], [`state`] | what a decision may see: the head of the request, the moment, buckets and known tokens |
//! | [`reply`], [`response_headers`] | what a client gets: the table of the gateway's own answers; what every response carries |
//! | [`route`] | one reading of a path; which route it belongs to |
//! | [`cors`] | which origins may read answers; preflights |
//! | [`auth`] | from the `Authorization` header to a verified token: form, claims, key, signature |
//! | [`limit`] | token buckets and quotas by day and month: arithmetic, bounded maps, several policies judged together |
//! | [`validate`] | media type, query parameters, and the records of bulk bodies, counted while they pass |
//! | [`token`] | the token endpoint: service accounts' secrets for short-lived tokens; retired keys until their end |
//! | [`upstream`] | the next server; what a request's header fields become on their way there |
//! | [`observe`] | metrics, access log, request ids |
//! | [`remote`] | what can be slow or gone: fetching key sets, resolving names, changing files |
//! | [`proxy`] | Pingora, sockets, TLS and the clocks: converts, awaits, writes; `guard` reads the heads of HTTP/1 before Pingora does; `reload` takes another configuration up, `upgrade` hands the listeners to another process |
//! | [`admin`] | the admin listener: `/metrics`, `/livez`, `/readyz`, `/status`, `POST /reload` |
//! | [`demo`] | the sample API of `demo` and the lines it prints |
//! | [`secret`], [`json`], [`hex`], `toml_time` | text that is never printed; JSON strings; bytes in digits; dates as TOML has them |
//!
//! The integration tests in `tests/` are named by behaviour and run the binary; unit tests lie beside each file, in a folder of
//! its name. `tests/corpus` holds raw requests, each with its source and what must become of it; `tests/upstream_faults` what a
//! server may send instead of an answer. `benches/forwarding` measures a forwarded request beside a bare pass-through, `benches/auth` what it costs to judge
//! a token, `benches/limits` what a decision of the limiter costs, its longest pauses and its memory. `fuzz/` holds what is fuzzed:
//! by libFuzzer, guided by coverage (`tests/run.sh fuzz`), and its seeds in every run of the tests. `tests/loom` plays the interleavings of two and three threads in the
//! limiter, `tests/mutants` changes it in each small way to see that a test notices.
//!
//! # Invariants
//!
//! Each with the test that holds it.
//!
//! 1. Only [`proxy`] and [`admin`] name Pingora. `only_the_proxy_and_the_admin_listener_name_pingora`
//! 2. Only `proxy/clock.rs` reads a clock, and what decides touches neither network nor disk: decisions are functions of their
//!    input. `one_file_reads_the_clocks`, `only_the_outside_and_the_loader_touch_network_disk_or_process`
//! 3. The stages [`route`], [`cors`], [`auth`], [`limit`] and [`validate`] do not know each other; only [`pipeline`] knows their
//!    order. `no_stage_names_another`
//! 4. There is one cell for the configuration, and a request takes its snapshot once: [`proxy::InForce`], the configuration with
//!    what its indexes are good for. It is gone with its last request. `the_configuration_has_one_cell`,
//!    `a_request_keeps_its_configuration_and_nobody_else_does`, `an_index_counts_under_the_name_it_has_in_its_own_configuration`
//! 5. A path is judged once, and forwarded as it was judged. `a_path_is_forwarded_as_it_was_judged`,
//!    `what_servers_read_differently_is_400`
//! 6. A request is forwarded only for a verified token, or on a route that says `auth = "none"`: nobody else can make a
//!    [`pipeline::Forward`], nor an [`auth::VerifiedToken`]. The compiler holds this, as the examples there show.
//! 7. Over any time T a bucket admits at most `burst + rate × T`, however many threads race.
//!    `one_user_at_a_stopped_clock_gets_the_burst_exactly`, `histories_decide_as_the_plain_limiter_does`,
//!    `three_threads_of_two_users_spend_what_was_admitted`
//! 8. The policies of one request are charged all together or not at all. `what_the_user_policy_refuses_costs_nothing_globally`,
//!    `what_the_global_policy_refuses_costs_the_user_nothing_and_makes_no_entry`, `what_one_policy_refuses_costs_nothing_in_any_other`,
//!    `what_all_four_spent_is_what_was_admitted_however_many_threads_race`
//! 9. Whatever strangers can make grow has a capacity. `many_threads_fill_it_to_the_bound_exactly` (buckets),
//!    `never_more_than_the_capacity_is_kept` (tokens), `strangers_cannot_add_series` (metrics),
//!    `a_flood_of_each_kind_ends_the_connection` (frames of HTTP/2)
//! 10. Every response is decorated, the gateway's own errors included, and recorded once. `every_kind_of_response_is_decorated`,
//!     `each_request_is_counted_once_under_its_outcome`
//! 11. Identity headers are set or removed, never passed through. `identity_headers_cannot_be_sent_by_a_client`
//! 12. No secret is printed. `no_log_line_holds_a_token_a_cookie_or_a_query_value`, `a_token_is_not_printed`
//! 13. A verdict on a token is the same whether the token was verified before or not, whatever happened to keys, revocations and
//!     configuration in between. `every_verdict_is_the_verdict_without_a_cache`, `no_thread_sees_a_verdict_that_no_state_gives`
//! 14. A reload is whole or nothing, and nobody who asks meanwhile notices. `no_request_fails_over_20_reloads_on_kept_connections`,
//!     `a_bad_file_changes_nothing_and_all_that_is_wrong_is_said_as_check_says_it`
//! 15. A bulk body that is refused never arrives whole, and one that is accepted arrives byte for byte, wherever it is cut.
//!     `what_is_refused_later_never_arrives_whole`, `what_is_refused_within_64_kib_never_reaches_the_upstream`,
//!     `where_a_body_is_cut_makes_no_difference`
//!
//! 16. What the framework reads in HTTP/1 has one reading: it gets one request at a time, after the guard has understood its head.
//!     `requests_sent_at_once_are_answered_in_order`, `what_comes_out_is_what_was_understood`, `lengths_that_differ_between_readers_are_refused`
//! 17. An upgrade is whole or nothing, and nobody who asks meanwhile notices. `no_request_fails_over_twenty_reloads_five_upgrades_and_a_stop`,
//!     `a_successor_that_could_not_serve_takes_nothing`
//! 18. The schema of the configuration is what its reader says of itself, and refuses nothing that the reader takes.
//!     `every_key_says_of_what_kind_it_is`, `what_is_shipped_is_valid_and_the_schema_is_one`
//!
//! # Words
//!
//! One word, one meaning: in code, configuration, log and documentation.
//!
//! - **route**: a path pattern of the API with what holds for it.
//! - **upstream**: a named group of servers; **server**: one of them, by its address.
//! - **issuer**: who makes tokens; **key set**: the public keys with which they are verified.
//! - **principal**: who a request has proven to be.
//! - **policy**: a named limit (user, global, address, bulk, route, quota); **quota**: its rate and burst; **bucket**: the state of one
//!   key under one quota. The policy named quota counts a **period**, a day or month, instead; **plan**: other numbers for some users.
//! - **decision**: what becomes of a request; **rejection**: why the gateway answers itself; **reply**: an answer that it writes.
//! - **exchange**: one request and its response, as recorded.
//! - **gateway**: the compiled configuration, immutable; **in force**: taken up, for what comes from then on; **generation**: which
//!   one since the start; **state**: what counts or remembers, beside it.

// The commands, and what the operator wrote.
pub mod cli;
pub mod config;

// The order of decisions.
pub mod pipeline;

// What a decision sees, and what a client gets.
pub mod reply;
pub mod request;
pub mod response_headers;
pub mod state;
pub mod time;

// The stages, in the order in which a request meets them: the blank lines keep it.
pub mod route;

pub mod cors;

pub mod auth;
pub mod limit;
pub mod validate;

// Where tokens come from, and where requests go.
pub mod token;
pub mod upstream;

// What is recorded.
pub mod observe;

// Whatever can be slow, and the framework with its sockets and clocks.
pub mod remote;

pub mod proxy;

pub mod admin;

// To try it.
pub mod demo;

// What everybody uses.
pub mod hex;
pub mod json;
pub mod secret;
mod toml_time;
