//! Whether the request fits the limits.
//!
//! Every rate is a token bucket kept as one number, the time at which it is full again (`gcra`); a quota is a counter for each UTC
//! day or month (`quotas`). `decision` judges the policies of a request together and charges all of them or none.
//!
//! Invariants, each held by a test:
//! - over any window of length T a bucket admits at most `burst + rate × T`, however many threads race;
//! - a request that one policy refuses costs nothing in any other, and creates no entry anywhere;
//! - forgetting idle buckets changes no decision;
//! - a day or month never gives out more than its quota, whatever the wall clock does;
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
mod limits;
mod live;
mod period;
mod plans;
mod policy;
mod quotas;
#[cfg(test)]
mod random;
mod shown;
mod state_file;
mod sync;

pub use address::AddressCharge;
pub use bulk::BulkSlot;
pub use decision::{Admission, LimitState};
pub use failures::{Attempts, FailuresRefusal};
pub use gcra::{Quota, QuotaError, Standing};
pub use limits::{Caller, Charge, Limits, RouteQuota};
pub use period::{Period, PeriodQuota};
pub use plans::{Plan, Plans, Terms};
pub use policy::{Policy, Refusal};
pub use shown::{Numbers, Shown};
pub use state_file::{Damage, Kept};
