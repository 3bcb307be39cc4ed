//! The thread that makes room ahead, as the gateway has it.

use stackflow_gateway::limit::LimitState;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Ends with this.
pub struct Tending {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tending {
    /// Begins; from then on the map asks for it.
    pub fn of(state: &Arc<LimitState>) -> Self {
        let (done, state) = (Arc::new(AtomicBool::new(false)), Arc::clone(state));
        let (begun, wait) = mpsc::channel();
        let tend = {
            let done = Arc::clone(&done);
            move || {
                state.tend();
                begun.send(()).expect("somebody waits");
                while !done.load(Relaxed) {
                    thread::sleep(Duration::from_millis(1));
                    thread::park();
                    state.tend();
                }
            }
        };
        let thread = thread::spawn(tend);
        wait.recv().expect("it begins");
        Self { done, thread: Some(thread) }
    }
}

impl Drop for Tending {
    fn drop(&mut self) {
        self.done.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            thread.join().expect("the tending thread");
        }
    }
}
