//! Whether the request fits the limits.
//!
//! Every policy is a token bucket kept as one number, the time at which it is full again (`gcra`). `decision` judges the
//! policies of a request together and charges all of them or none.
//!
//! Invariants, each held by a test:
//! - over any window of length T a bucket admits at most `burst + rate × T`, however many threads race;
//! - a request that one policy refuses costs nothing in any other, and creates no entry anywhere;
//! - forgetting idle buckets changes no decision;
//! - nothing here grows beyond `max_users` entries per map.
//!
//! Beside the unit tests: `tests/loom` plays all interleavings of the threads that meet here, and `tests/run.sh mutants` sees that each
//! small change to these files fails a test.
//!
//! What it does not do: read a clock, know routes or tokens, write headers, wait.

mod decision;

mod address;
mod buckets;
mod bulk;
mod failures;
mod gcra;
mod global;
mod key;
mod live;
mod sync;

pub use address::AddressCharge;
pub use bulk::BulkSlot;
pub use decision::{Admission, LimitState, Limits, Policy, Refusal};
pub use failures::{Attempts, FailuresRefusal};
pub use gcra::{Quota, QuotaError, Standing};
