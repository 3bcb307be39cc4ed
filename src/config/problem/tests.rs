//! The two forms of problems.

use super::{Problem, Problems, render_json, render_text};

fn problems() -> Problems {
    let problem = |line, key: &str| Problem {
        file: "gateway.toml".into(),
        line,
        column: 7,
        key: key.to_owned(),
        what: "is \"wrong\"".to_owned(),
        remedy: "write it right".to_owned(),
    };
    Problems(vec![problem(3, "api.upstream"), problem(12, "log.level")])
}

#[test]
fn a_problem_is_one_line_that_editors_can_jump_to() {
    let expected = "gateway.toml:3:7: api.upstream: is \"wrong\"; write it right\n\
                    gateway.toml:12:7: log.level: is \"wrong\"; write it right\n";
    assert_eq!(render_text(&problems()), expected);
}

#[test]
fn tools_get_every_part_of_its_own() {
    let read: serde_json::Value = serde_json::from_str(&render_json(&problems())).unwrap_or_default();
    let expected = serde_json::json!({
        "file": "gateway.toml", "line": 12, "column": 7, "key": "log.level", "what": "is \"wrong\"", "remedy": "write it right"
    });
    assert_eq!(read[1], expected);
}

#[test]
fn no_problem_is_nothing_and_an_empty_list() {
    assert_eq!(render_text(&Problems::default()), "");
    assert_eq!(render_json(&Problems::default()), "[]\n");
}
