//! What `[log]` may say, and what is made of it.

use crate::config::file::tests::{accepted, check};
use crate::config::{LogFormat, LogOutput, LogSubject};
use log::LevelFilter;

#[test]
fn a_level_is_a_known_one() {
    check(
        r#"[log]
level = "verbose""#,
        r#"2:9: log.level: `verbose` is not known; write one of "error", "warn", "info", "debug", "trace""#,
    );
}

#[test]
fn a_share_is_between_nothing_and_all() {
    check(
        r"[log]
sample_ok = 1.5",
        "2:13: log.sample_ok: is not a share; write a number from 0.0 to 1.0",
    );
}

#[test]
fn a_share_is_a_number() {
    check(
        r#"[log]
sample_ok = "all""#,
        "2:13: log.sample_ok: is a text; write a number from 0.0 to 1.0",
    );
}

#[test]
fn nan_is_not_a_share() {
    check(
        r"[log]
sample_ok = nan",
        "2:13: log.sample_ok: is not a share; write a number from 0.0 to 1.0",
    );
}

#[test]
fn a_log_file_has_a_path() {
    check(
        r#"[log]
output = """#,
        "2:10: log.output: is not the path of a file; write a path; a relative one starts from this file's folder",
    );
}

#[test]
fn the_log_goes_to_standard_output_unless_a_file_is_written() {
    let log = accepted("").log;
    assert_eq!((log.output, log.format, log.level), (LogOutput::Stdout, LogFormat::Json, LevelFilter::Info));
    assert_eq!((log.access, log.subject), (true, LogSubject::Plain));
    let log = accepted("[log]\noutput = \"gateway.log\"\nsample_ok = 0").log;
    assert_eq!(log.output, LogOutput::File("/etc/gateway/gateway.log".into()));
    assert!(log.sample_ok.abs() < f64::EPSILON);
}
