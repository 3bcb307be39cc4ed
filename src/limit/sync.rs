//! What the threads share: the standard library's, or in `tests/loom` that of loom, which plays every interleaving.

#[cfg(not(loom))]
pub(super) use std::sync::{
    Mutex, MutexGuard, RwLock, RwLockWriteGuard,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

#[cfg(loom)]
pub(super) use loom::sync::{
    Mutex, MutexGuard, RwLock, RwLockWriteGuard,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};
