//! Whether the request fits the limits.
//!
//! Every rate is a token bucket kept as one number, the time at which it is full again (`gcra`); a quota is a counter for each UTC
//! day or month (`quotas`). `decision` judges the policies of a request together and charges all of them or none.
//!
//! Invariants, each held by a test:
//! - over any window of length T a bucket admits at most `burst + rate × T`, however many threads race;
//! - a request that one policy refuses costs nothing in any other, and creates no entry anywhere;
//! - forgetting idle buckets changes no decision, and no decision is made as of a time before what was forgotten;
//! - a day or month never gives out more than its quota, whatever the wall clock does;
//! - nothing here grows beyond `max_users` entries per map;
//! - no lock is held over more than 56 entries, and over none while anything waits;
//! - a refusal takes no lock and writes nothing that threads share.
//!
//! The maps are sharded hash maps of our own (`buckets`, `shard`, `tables`, `table`), not dashmap: a key's bucket stays locked while the other
//! policies of the request are charged, so that all are charged or none; who only reads needs no lock; and a sweep locks one small
//! shard after the other with a pause in between.
//! With a million users dashmap at its own number of shards stalled a request for 3.6 ms while a shard grew and for 1.6 ms in
//! `retain`; with as many shards as these maps have it came to 0.15 and 0.25 ms.
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
mod shard;
mod shown;
mod state_file;
mod sync;
mod table;
mod tables;

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
