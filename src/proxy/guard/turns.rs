//! When strangers are looked after: a few at a time, whoever is established before them.
//!
//! A request needs a turn when nothing good has come on its connection yet, or the last one was refused. Between two looks at its
//! sockets a worker gives [`AT_A_TIME`] turns, in the order in which they were asked for. So its queue never holds more than those few
//! of a flood, however many connections that has: whoever is established and has something to say comes after them, not after all.
//!
//! That costs nobody anything but the order. A worker that has nothing better to do looks again at once, and answers a flood about as
//! fast as it can.

use std::{cell::Cell, sync::Arc};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    task::yield_now,
};

/// A refusal takes 15 to 25 µs: so many of them are not noticed.
const AT_A_TIME: usize = 4;

thread_local! {
    /// This worker's: none waits for another.
    static TURNS: Arc<Semaphore> = Arc::new(Semaphore::new(AT_A_TIME));
    /// Whether there is a task that gives new ones.
    static GIVEN_ANEW: Cell<bool> = const { Cell::new(false) };
}

/// Waits for a turn. Must be called inside a runtime of one thread.
pub async fn turn() {
    // None is left over while somebody waits: who takes one at once passes nobody.
    if TURNS.with(|turns| turns.try_acquire().map(SemaphorePermit::forget).is_ok()) {
        return;
    }
    let turns = TURNS.with(Arc::clone);
    if !GIVEN_ANEW.replace(true) {
        drop(tokio::spawn(give_anew(Arc::clone(&turns))));
    }
    // Never closed.
    if let Ok(turn) = turns.acquire().await {
        turn.forget();
    }
}

/// New turns after each look at the sockets, as long as anybody takes them.
async fn give_anew(turns: Arc<Semaphore>) {
    loop {
        // Goes on after the worker has looked at its sockets, and behind whoever had something to say there.
        yield_now().await;
        let taken = AT_A_TIME.saturating_sub(turns.available_permits());
        if taken == 0 {
            break GIVEN_ANEW.set(false);
        }
        turns.add_permits(taken);
    }
}

#[cfg(test)]
mod tests;
