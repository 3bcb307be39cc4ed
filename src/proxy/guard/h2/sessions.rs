//! How many requests of a connection are being served, to know since when there are none.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// The requests of one connection.
#[derive(Debug, Default)]
pub struct Sessions {
    count: AtomicUsize,
    none: Notify,
}

/// A request being served, for as long as this lives.
#[derive(Debug)]
pub struct Serving(Arc<Sessions>);

impl Sessions {
    /// One more.
    pub fn begin(self: &Arc<Self>) -> Serving {
        self.count.fetch_add(1, Ordering::AcqRel);
        Serving(Arc::clone(self))
    }

    /// Returns once there have been none for so long. Whoever waits must begin anew when a request comes.
    pub async fn idle_for(&self, time: Duration) {
        // One that ends between the look and the wait leaves a permit: nobody is missed.
        while self.count.load(Ordering::Acquire) != 0 {
            self.none.notified().await;
        }
        tokio::time::sleep(time).await;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none.notify_one();
        }
    }
}
