//! A configuration: whatever is written, each problem has a place in it and says something, and the same text says the same again.
use stackflow_gateway::config::{Problems, compile, render_json, render_text};
use std::path::Path;

/// The text of a configuration file, of a folder that is not there.
pub fn config(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let compiled = || compile(Path::new("/nowhere/gateway.toml"), text).map(drop);
    let verdict = compiled();
    if let Err(problems) = &verdict {
        assert_placed(problems, text);
    }
    // Twice the time: for one of eight.
    if text.len() % 8 != 0 {
        return;
    }
    if let Err(problems) = &verdict {
        let again = compiled().expect_err("what is refused is refused again");
        assert_eq!(render_text(problems), render_text(&again));
        let listed: serde_json::Value = serde_json::from_str(&render_json(problems)).expect("JSON");
        assert!(listed.to_string().len() > 2);
    } else {
        assert!(compiled().is_ok(), "what is accepted is accepted again");
    }
}

fn assert_placed(problems: &Problems, text: &str) {
    assert!(!problems.0.is_empty(), "a refusal says why");
    let lines = text.split('\n').count();
    for problem in &problems.0 {
        assert!((1..=lines).contains(&problem.line), "line {} of {lines}", problem.line);
        assert!(problem.column >= 1 && !problem.what.is_empty(), "{problem:?}");
    }
}
