//! Where a path lies: precedence, look-alikes, base paths.

use super::{Place, RouteIndex, RouteTable, TableError};
use crate::route::{Pattern, judge};
use proptest::prelude::*;

/// The endpoint table of the API.
const ROUTES: [&str; 9] = [
    "/incidents",
    "/incidents/{id}",
    "/incidents/bulk",
    "/changes",
    "/cmdb/cis",
    "/cmdb/cis/bulk",
    "/knowledge/articles",
    "/files/{*rest}",
    "/",
];

#[derive(Debug, PartialEq)]
enum Found<'t> {
    Outside,
    Lookalike,
    Unknown,
    Route(&'t str),
}
use Found::{Lookalike, Outside, Route, Unknown};

fn table(base_paths: &[&str], patterns: &[&str]) -> Result<RouteTable, Vec<TableError>> {
    let base_paths: Vec<String> = base_paths.iter().map(ToString::to_string).collect();
    let patterns: Vec<Pattern> = patterns.iter().map(|text| Pattern::parse(text).expect(text)).collect();
    RouteTable::new(&base_paths, &patterns)
}

#[track_caller]
fn check_all(base_paths: &[&str], patterns: &[&str], cases: &[(&str, Found<'_>)]) {
    let table = table(base_paths, patterns).expect("a table without conflicts");
    for (path, expected) in cases {
        let found = match table.find(path) {
            Place::Outside => Outside,
            Place::Lookalike => Lookalike,
            Place::Unknown { .. } => Unknown,
            Place::Known { index, .. } => Route(patterns[index.0]),
        };
        assert_eq!(found, *expected, "{path}");
    }
}

/// Paths behind the base path.
#[track_caller]
fn check(patterns: &[&str], cases: &[(&str, Found<'_>)]) {
    check_all(&["/"], patterns, cases);
}

#[test]
fn no_spelling_of_the_bulk_route_reaches_another_route() {
    let spellings = [
        "/incidents/bulk/",
        "/incidents/BULK",
        "/incidents/Bulk",
        "/INCIDENTS/bulk",
        "/Incidents/bulk",
        "/incidents/bulK/",
        "/incidents/bulk;",
        "/incidents/bulk;x",
        "/incidents/bulk;jsessionid=1",
        "/incidents;x/bulk",
        "/incidents;/bulk;",
        "/incidents;a=b/BULK;c/",
        "/incidents/bulk;x/",
        "/incidents/bulk/;x",
        "/incidents/;x/bulk",
        "/;x/incidents/bulk",
        "/;/INCIDENTS/;/bulk/;",
        "/incidents/BULK;X=Y",
    ];
    check(&ROUTES, &spellings.map(|path| (path, Lookalike)));
    for base in ["/prod/api", "/prod/api/v1"] {
        for spelling in spellings {
            check_all(&["/prod/api", "/prod/api/v1"], &ROUTES, &[(&format!("{base}{spelling}"), Lookalike)]);
        }
    }
}

#[test]
fn judged_spellings_of_the_bulk_route_are_refused_or_lookalikes_or_the_route_itself() {
    for raw in ["/incidents/%62ulk", "/incidents/bul%6b", "/%69ncidents/bulk"] {
        check(&ROUTES, &[(&judge(raw).expect(raw), Route("/incidents/bulk"))]);
    }
    for raw in ["/incidents/%42ulk", "/incidents/%62ulk/", "/incidents/bulk;%78", "/incident%53/bulk"] {
        check(&ROUTES, &[(&judge(raw).expect(raw), Lookalike)]);
    }
    for raw in
        ["/incidents//bulk", "/incidents/./bulk", "/x/../incidents/bulk", "/incidents%2fbulk", "/incidents/..;/incidents/bulk"]
    {
        assert!(judge(raw).is_err(), "{raw}");
    }
}

#[test]
fn a_parameter_does_not_swallow_lookalikes_of_its_sibling() {
    check(&["/a/{id}"], &[("/a/BULK", Route("/a/{id}")), ("/a/bulk;x", Route("/a/{id}"))]);
    check(&["/a/{id}", "/a/bulk"], &[("/a/BULK", Lookalike), ("/a/bulk;x", Lookalike), ("/a/bulky", Route("/a/{id}"))]);
    check(&["/{x}/b", "/a/{y}"], &[("/A/b", Lookalike), ("/a/b", Route("/a/{y}")), ("/c/b", Route("/{x}/b"))]);
    check(
        &["/{*rest}", "/a/b"],
        &[("/A/b", Lookalike), ("/a/b/", Lookalike), ("/a/c/", Route("/{*rest}")), ("/a;b", Route("/{*rest}"))],
    );
    check(&["/a/{*rest}", "/a/{id}"], &[("/a/x/", Lookalike), ("/a/x", Route("/a/{id}")), ("/a/x/y/", Route("/a/{*rest}"))]);
}

#[test]
fn a_lookalike_counts_from_either_side() {
    check(&["/Bulk"], &[("/Bulk", Route("/Bulk")), ("/bulk", Lookalike), ("/BULK", Lookalike)]);
    check(&["/{id}", "/Bulk"], &[("/Bulk", Route("/Bulk")), ("/bulk", Lookalike), ("/BULK/", Lookalike)]);
    check(&["/a;v=1"], &[("/a;v=1", Route("/a;v=1")), ("/a", Lookalike), ("/a;v=2", Lookalike)]);
    check(&["/a/;x"], &[("/a/;x", Route("/a/;x")), ("/a", Lookalike), ("/a/", Lookalike), ("/b/;x", Unknown)]);
}

#[test]
fn routes_that_differ_only_in_spelling_are_each_themselves() {
    let both = ["/a/B", "/a/b"];
    check(&both, &[("/a/B", Route("/a/B")), ("/a/b", Route("/a/b")), ("/A/b", Lookalike)]);
    check(&["/a/B/{x}", "/a/b/c"], &[("/a/B/d", Route("/a/B/{x}")), ("/a/b/c", Route("/a/b/c")), ("/a/B/c", Lookalike)]);
}

#[test]
fn a_parameter_may_have_upper_case_and_parameters() {
    let id = Route("/incidents/{id}");
    check(&ROUTES, &[("/incidents/INC0001", id), ("/incidents/inc0001", Route("/incidents/{id}"))]);
    check(&ROUTES, &[("/incidents/INC;v=1", Route("/incidents/{id}")), ("/incidents/INC0001/", Lookalike)]);
    check(&ROUTES, &[("/Incidents/INC0001", Lookalike), ("/incidents;x/INC0001", Lookalike), ("/incidents/;x", Lookalike)]);
    check(&ROUTES, &[("/files/A/B;c/D/", Route("/files/{*rest}")), ("/FILES/a", Lookalike)]);
}

#[test]
fn escapes_are_looked_through_however_often_they_are_nested() {
    check(
        &["/caf%C3%A9", "/{id}"],
        &[
            ("/caf%C3%A9", Route("/caf%C3%A9")),
            ("/caf%C3%A8", Route("/{id}")),
            ("/CAF%C3%A9", Lookalike),
            ("/caf%25C3%25A9", Lookalike),
        ],
    );
    for spelling in [
        "b%2575lk",
        "%2562%2575lk",
        "b%252575lk",
        "B%2555LK",
        "bulk%3B",
        "bulk%3Bx",
        "bulk%253Bx",
        "bulk%3Fx=1",
        "bulk%23",
        "%3Bx/bulk",
    ] {
        check(&ROUTES, &[(&format!("/incidents/{spelling}"), Lookalike)]);
    }
    check(&ROUTES, &[("/incidents/b%2576lk", Route("/incidents/{id}")), ("/incidents/bulk%20", Route("/incidents/{id}"))]);
    check(&ROUTES, &[("/incidents/50%25", Route("/incidents/{id}")), ("/incidents/a%3Bbulk", Route("/incidents/{id}"))]);
}

/// An open door beside a closed one is not the way in.
#[test]
fn no_spelling_of_a_closed_route_goes_through_an_open_one() {
    let patterns = ["/open/{name}", "/open/{name}/{*more}", "/open/admin", "/{*all}"];
    for spelling in [
        "ADMIN",
        "admin/",
        "admin;x",
        "%2561dmin",
        "admin%3Bx",
        "admin%253bx",
        "admin%3F",
        "adm%2569n;x/",
        ";x/admin",
        "%3B/admin",
    ] {
        check(&patterns, &[(&format!("/open/{spelling}"), Lookalike)]);
    }
    check(&patterns, &[("/open/administrator", Route("/open/{name}")), ("/open/admin/x", Route("/open/{name}/{*more}"))]);
}

#[test]
fn what_is_no_route_is_unknown() {
    check(
        &ROUTES,
        &[("/x", Unknown), ("/incident", Unknown), ("/incidentss", Unknown), ("/incidents/a/b", Unknown), ("/cmdb", Unknown)],
    );
    check(
        &ROUTES,
        &[
            ("/X;y/", Unknown),
            ("/files", Unknown),
            ("/files/", Unknown),
            ("/incidents/bulk/x", Unknown),
            ("/cmdb/cis/x", Unknown),
        ],
    );
    check(&[], &[("/", Unknown), ("/a", Unknown)]);
}

#[test]
fn the_most_specific_pattern_wins() {
    check(&ROUTES, &[("/", Route("/")), ("/incidents", Route("/incidents")), ("/incidents/bulk", Route("/incidents/bulk"))]);
    check(
        &ROUTES,
        &[
            ("/incidents/x", Route("/incidents/{id}")),
            ("/files/a", Route("/files/{*rest}")),
            ("/files/a/b/", Route("/files/{*rest}")),
        ],
    );
    let beside = ["/{a}", "/{*a}", "/x", "/x/{b}", "/x/{*b}", "/{a}/y"];
    check(&beside, &[("/x", Route("/x")), ("/q", Route("/{a}")), ("/q/r", Route("/{*a}")), ("/q/y", Route("/{a}/y"))]);
    check(
        &beside,
        &[("/x/q", Route("/x/{b}")), ("/x/q/r", Route("/x/{*b}")), ("/x/y", Route("/x/{b}")), ("/q/y/z", Route("/{*a}"))],
    );
}

#[test]
fn a_branch_that_leads_nowhere_is_left_again() {
    check(&["/a/b/c", "/{x}/b/d"], &[("/a/b/d", Route("/{x}/b/d")), ("/a/b/c", Route("/a/b/c")), ("/a/b/e", Unknown)]);
    check(
        &["/a/{x}/c", "/{*rest}"],
        &[("/a/b/d", Route("/{*rest}")), ("/a/b/c", Route("/a/{x}/c")), ("/a/b", Route("/{*rest}"))],
    );
}

#[test]
fn the_base_path_ends_at_a_segment() {
    let bases = ["/prod/api", "/prod/api/v1"];
    check_all(&bases, &ROUTES, &[("/prod/apix", Outside), ("/prod/apix/incidents", Outside), ("/prod", Outside), ("/", Outside)]);
    check_all(&bases, &ROUTES, &[("/PROD/api/incidents", Outside), ("/prod/api;x/incidents", Outside), ("/incidents", Outside)]);
    check_all(
        &bases,
        &ROUTES,
        &[("/prod/api/v1x", Unknown), ("/prod/api/V1/incidents", Unknown), ("/prod/api/v1;x/incidents", Unknown)],
    );
    check_all(&[], &ROUTES, &[("/", Outside), ("/incidents", Outside)]);
}

#[test]
fn the_longest_base_path_is_taken_and_the_rest_begins_with_a_slash() {
    let table = table(&["/prod/api", "/", "/prod/api/v1"], &["/", "/a"]).expect("a table without conflicts");
    let known = |index, rest, base| Place::Known { index: RouteIndex(index), rest, base };
    assert_eq!(table.find("/prod/api/v1/a"), known(1, "/a", 2));
    assert_eq!(table.find("/prod/api/a"), known(1, "/a", 0));
    assert_eq!(table.find("/a"), known(1, "/a", 1));
    assert_eq!(table.find("/prod/api/v1"), known(0, "/", 2));
    assert_eq!(table.find("/prod/api"), known(0, "/", 0));
    assert_eq!(table.find("/prod/api/"), known(0, "/", 0));
    assert_eq!(table.find("/"), known(0, "/", 1));
    assert_eq!(table.find("/prod/api/b/"), Place::Unknown { rest: "/b/", base: 0 });
    assert_eq!(table.find("/prod"), Place::Unknown { rest: "/prod", base: 1 });
}

#[test]
fn all_conflicts_are_listed() {
    let patterns = ["/a", "/{x}", "/a", "/{y}", "/b/{*r}", "/a", "/b/{*s}", "/b/{r}", "/{x}/c"];
    let errors = table(&["/"], &patterns).expect_err("conflicts");
    let pairs: Vec<_> = errors.iter().map(|error| (error.index.0, error.conflicts_with.0)).collect();
    assert_eq!(pairs, [(2, 0), (3, 1), (5, 0), (6, 4)]);
    assert_eq!(errors[0].to_string(), "route 3 matches the same paths as route 1");
}

#[test]
fn different_names_in_one_place_are_no_conflict() {
    check(&["/a/{x}/b", "/a/{y}/c"], &[("/a/1/b", Route("/a/{x}/b")), ("/a/1/c", Route("/a/{y}/c"))]);
}

#[test]
fn a_pattern_of_many_parameters_is_fine() {
    let pattern = (0..60).fold(String::new(), |text, index| format!("{text}/{{p{index}}}"));
    check(&[&pattern], &[(&"/x".repeat(60), Route(&pattern)), (&"/x".repeat(59), Unknown), (&"/x".repeat(4000), Unknown)]);
}

/// How specific a pattern's segment is; patterns compare as lists of these.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Literal,
    Name,
    Rest,
}

fn segments(text: &str) -> Vec<String> {
    text[1..].split('/').map(str::to_owned).filter(|segment| !segment.is_empty() || text.len() > 1).collect()
}

fn lenient_segments(text: &str) -> Vec<String> {
    let name = |segment: &str| {
        // Of what is nested here a few rounds decode all.
        let decode = |text: String| text.replace("%25", "%").replace("%61", "a").replace("%42", "B").replace("%3B", ";");
        let decoded = (0..4).fold(segment.to_owned(), |text, _| decode(text));
        decoded.split(';').next().unwrap_or_default().to_ascii_lowercase()
    };
    text.split('/').map(name).filter(|segment| !segment.is_empty()).collect()
}

/// Ranks of a pattern that matches.
fn reference_match(pattern: &[String], path: &[String]) -> Option<Vec<Rank>> {
    let mut ranks = Vec::new();
    for (at, segment) in pattern.iter().enumerate() {
        let given = path.get(at)?;
        if segment.starts_with("{*") {
            ranks.push(Rank::Rest);
            return (!path[at..].concat().is_empty()).then_some(ranks);
        }
        let is_name = segment.starts_with('{');
        if given.is_empty() || (!is_name && segment != given) {
            return None;
        }
        ranks.push(if is_name { Rank::Name } else { Rank::Literal });
    }
    (path.len() == pattern.len()).then_some(ranks)
}

fn reference_best(patterns: &[Vec<String>], path: &[String]) -> Vec<usize> {
    let ranks: Vec<_> = patterns.iter().map(|pattern| reference_match(pattern, path)).collect();
    let best = ranks.iter().flatten().min();
    (0..patterns.len()).filter(|&index| best.is_some() && ranks[index].as_ref() == best).collect()
}

fn reference_find(patterns: &[String], path: &str) -> Place<'static> {
    let exact = patterns.iter().map(|text| segments(text)).collect::<Vec<_>>();
    let exact = reference_best(&exact, &segments(path)).first().copied();
    let lenient = patterns.iter().map(|text| lenient_segments(text)).collect::<Vec<_>>();
    let lenient = reference_best(&lenient, &lenient_segments(path));
    match exact {
        Some(index) if lenient.is_empty() || lenient.contains(&index) => {
            Place::Known { index: RouteIndex(index), rest: "", base: 0 }
        }
        None if lenient.is_empty() => Place::Unknown { rest: "", base: 0 },
        _ => Place::Lookalike,
    }
}

fn pattern_text() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["a", "b", "A", "ab", "a;x", "{}", "{}", "{*}"]);
    prop::collection::vec(segment, 0..4).prop_map(|segments| {
        let end = segments.iter().position(|segment| *segment == "{*}").map_or(segments.len(), |at| at + 1);
        format!("/{}", segments[..end].join("/"))
    })
}

fn path_text() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec![
        "a",
        "b",
        "c",
        "A",
        "B",
        "ab",
        "aB",
        "a;x",
        "b;",
        ";x",
        "A;y",
        "%2561",
        "a%2542",
        "a%3Bx",
        "%252561%253By",
    ]);
    let slash = prop::sample::select(vec!["", "", "/"]);
    (prop::collection::vec(segment, 1..5), slash).prop_map(|(segments, slash)| format!("/{}{slash}", segments.join("/")))
}

/// Gives every parameter of a pattern its own name.
fn with_names(text: &str, route: usize) -> String {
    let mut at = 0;
    text.split_inclusive('{').fold(String::new(), |out, piece| {
        at += 1;
        out + &piece.replacen('}', &format!("p{route}_{at}}}"), 1)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn the_table_agrees_with_a_naive_matcher(
        patterns in prop::collection::btree_set(pattern_text(), 0..8),
        paths in prop::collection::vec(path_text(), 1..12),
    ) {
        let texts: Vec<String> = patterns.into_iter().collect();
        let parsed: Result<Vec<Pattern>, _> =
            texts.iter().enumerate().map(|(route, text)| Pattern::parse(&with_names(text, route))).collect();
        let table = RouteTable::new(&["/".to_owned()], &parsed.expect("patterns")).expect("distinct patterns");
        for path in &paths {
            let found = match table.find(path) {
                Place::Known { index, .. } => Place::Known { index, rest: "", base: 0 },
                Place::Unknown { .. } => Place::Unknown { rest: "", base: 0 },
                place => place,
            };
            prop_assert_eq!(found, reference_find(&texts, path), "{} in {:?}", path, &texts);
        }
    }
}
