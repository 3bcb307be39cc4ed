//! What the threads share: the standard library's, or in `tests/loom` that of loom, which plays every interleaving.

#[cfg(not(loom))]
pub(super) use arc_swap::ArcSwap as Published;
#[cfg(not(loom))]
pub(super) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

#[cfg(loom)]
pub(super) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};
#[cfg(loom)]
pub(super) use under_loom::Published;

/// What stands for `arc_swap`, whose own word loom believes: each load finds what was stored last.
#[cfg(loom)]
mod under_loom {
    use loom::sync::RwLock;
    use std::sync::{Arc, PoisonError};

    #[derive(Debug)]
    pub(in crate::limit) struct Published<T>(RwLock<Arc<T>>);

    impl<T> Published<T> {
        pub(in crate::limit) fn new(first: Arc<T>) -> Self {
            Self(RwLock::new(first))
        }

        pub(in crate::limit) fn load(&self) -> Arc<T> {
            Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
        }

        pub(in crate::limit) fn store(&self, next: Arc<T>) {
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = next;
        }
    }
}
