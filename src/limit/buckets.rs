//! Buckets by key.
