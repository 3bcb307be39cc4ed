//! Bulk imports: what is accepted as one, and how far it has come.
//!
//! A job is a function of the time since it was accepted; nothing works in the background, and the records themselves are
//! counted and not kept. At most [`MAX_JOBS`] are remembered.

#[cfg(test)]
mod tests;

use super::{answer::Refusal, collection::Collection, fields::Timestamp, page::parse_digits};
use crate::time::Now;
use serde::{Deserialize, Serialize};

/// Most records in one import.
pub(super) const MAX_RECORDS: usize = 100;
/// Most jobs remembered.
const MAX_JOBS: usize = 1000;
const QUEUED_NS: u64 = 500_000_000;
const COMPLETE_NS: u64 = 2_000_000_000;

/// The imports accepted.
pub(super) struct Jobs(Collection<Job>);

pub(super) struct Job {
    id: String,
    kind: &'static str,
    records: usize,
    submitted_by: String,
    submitted: Now,
}

/// A job as `/jobs/{id}` shows it.
#[derive(Debug, Serialize)]
pub(super) struct JobStatus {
    pub job_id: String,
    kind: &'static str,
    state: &'static str,
    total: usize,
    processed: usize,
    submitted_by: String,
    submitted_at: Timestamp,
}

impl Jobs {
    pub(super) fn new() -> Self {
        Self(Collection::new(Vec::new(), MAX_JOBS))
    }

    pub(super) fn submit(&mut self, kind: &'static str, records: usize, submitted_by: String, now: Now) -> JobStatus {
        let job = |place| Job { id: id(place), kind, records, submitted_by, submitted: now };
        self.0.add(job).status(now)
    }

    pub(super) fn status(&self, id: &str, now: Now) -> Option<JobStatus> {
        Some(self.0.find(place(id)?)?.status(now))
    }
}

impl Job {
    fn status(&self, now: Now) -> JobStatus {
        let elapsed_ns = now.monotonic_ns.saturating_sub(self.submitted.monotonic_ns);
        let (state, processed) = match elapsed_ns {
            0..QUEUED_NS => ("queued", 0),
            QUEUED_NS..COMPLETE_NS => ("running", processed(self.records, elapsed_ns)),
            COMPLETE_NS.. => ("complete", self.records),
        };
        JobStatus {
            job_id: self.id.clone(),
            kind: self.kind,
            state,
            total: self.records,
            processed,
            submitted_by: self.submitted_by.clone(),
            submitted_at: Timestamp(self.submitted.unix_s()),
        }
    }
}

/// The share of the records that a running job has behind it.
fn processed(records: usize, elapsed_ns: u64) -> usize {
    let whole_ms = |ns: u64| usize::try_from(ns / 1_000_000).unwrap_or(usize::MAX);
    records.saturating_mul(whole_ms(elapsed_ns - QUEUED_NS)) / whole_ms(COMPLETE_NS - QUEUED_NS)
}

fn id(place: usize) -> String {
    format!("JOB{:07}", place.saturating_add(1))
}

fn place(id_given: &str) -> Option<usize> {
    let place = parse_digits::<usize>(id_given.strip_prefix("JOB")?)?.checked_sub(1)?;
    (id(place) == id_given).then_some(place)
}

/// One record of an import: any object. It takes no room, so that 10 MiB of body stay 10 MiB.
#[derive(Deserialize)]
struct Record {}

/// An import that is not a bare array.
#[derive(Deserialize)]
struct Wrapped {
    records: Option<Vec<Record>>,
    items: Option<Vec<Record>>,
    data: Option<Vec<Record>>,
}

/// How many records the body of an import has.
///
/// # Errors
/// Not JSON, neither an array nor an object with one of `records`, `items` and `data`, no record or too many.
pub(super) fn count_records(body: &[u8]) -> Result<usize, Refusal> {
    let invalid = |detail: &str| Refusal::InvalidBody(detail.into());
    let records = match body.trim_ascii_start().first() {
        Some(b'[') => serde_json::from_slice(body).map_err(|error| invalid(&error.to_string()))?,
        Some(b'{') => {
            let wrapped: Wrapped = serde_json::from_slice(body).map_err(|error| invalid(&error.to_string()))?;
            match (wrapped.records, wrapped.items, wrapped.data) {
                (Some(records), None, None) | (None, Some(records), None) | (None, None, Some(records)) => records,
                _ => return Err(invalid("exactly one of records, items and data is expected")),
            }
        }
        _ => return Err(invalid("a JSON array or object is expected")),
    };
    let records: Vec<Record> = records;
    match records.len() {
        0 => Err(invalid("an import has at least one record")),
        count @ 1..=MAX_RECORDS => Ok(count),
        _ => Err(invalid("an import has at most 100 records")),
    }
}
