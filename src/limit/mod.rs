//! Whether the request fits the limits.
mod buckets;
mod decision;
mod gcra;

pub use decision::{AddressCharge, Admission, BulkSlot, LimitState, Limits, Policy, Refusal, Standing};
pub use gcra::{Quota, QuotaError};
