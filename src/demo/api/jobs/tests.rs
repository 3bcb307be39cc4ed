//! How the sample API counts an import and how its job goes on.

use super::*;

fn at(ms: u64) -> Now {
    Now { monotonic_ns: ms * 1_000_000, unix_ns: 1_767_600_000_000_000_000 + ms * 1_000_000 }
}

fn array(records: usize) -> String {
    format!("[{}]", vec!["{\"a\":1}"; records].join(","))
}

#[test]
fn what_is_no_import_is_refused() {
    for body in
        ["", "7", "nonsense", "[", "{}", "[1]", "{\"records\":{}}", "{\"rows\":[{}]}", "{\"records\":[{}],\"items\":[{}]}"]
    {
        assert!(count_records(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn no_record_and_more_than_100_are_refused() {
    assert!(count_records(array(0).as_bytes()).is_err());
    assert!(count_records(array(101).as_bytes()).is_err());
    assert!(count_records(format!("{{\"data\":{}}}", array(101)).as_bytes()).is_err());
}

#[test]
fn an_array_and_each_wrapping_are_counted() {
    assert_eq!(count_records(array(100).as_bytes()).ok(), Some(100));
    for key in ["records", "items", "data"] {
        let body = format!(" {{\"source\":{{}},\"{key}\":{}}}", array(3));
        assert_eq!(count_records(body.as_bytes()).ok(), Some(3), "{key}");
    }
}

fn check_progress(ms: u64, state: &str, processed: usize) {
    let mut jobs = Jobs::new();
    let id = jobs.submit("incidents", 60, "ada".into(), at(7)).job_id;
    let status = jobs.status(&id, at(7 + ms)).expect("a job");
    assert_eq!((status.state, status.processed), (state, processed), "after {ms} ms");
}

#[test]
fn a_job_is_queued_then_runs_then_is_complete() {
    check_progress(0, "queued", 0);
    check_progress(499, "queued", 0);
    check_progress(500, "running", 0);
    check_progress(1250, "running", 30);
    check_progress(1999, "running", 59);
    check_progress(2000, "complete", 60);
    check_progress(1_000_000, "complete", 60);
}

#[test]
fn an_id_that_was_never_given_is_no_job() {
    let mut jobs = Jobs::new();
    jobs.submit("incidents", 1, "ada".into(), at(0));
    for id in ["", "JOB", "JOB0000000", "JOB0000002", "JOB1", "job0000001", "JOB+000001"] {
        assert!(jobs.status(id, at(0)).is_none(), "{id}");
    }
}

#[test]
fn the_oldest_job_is_forgotten() {
    let mut jobs = Jobs::new();
    for _ in 0..=MAX_JOBS {
        jobs.submit("incidents", 1, "ada".into(), at(0));
    }
    assert!(jobs.status("JOB0000001", at(0)).is_none());
    assert!(jobs.status("JOB0000002", at(0)).is_some());
    assert!(jobs.status("JOB0001001", at(0)).is_some());
}
