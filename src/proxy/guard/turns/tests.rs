//! That few of a flood come between two turns of an established one, and that everybody gets a turn.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime;

/// As a worker's.
fn run<T: Send + 'static>(what: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = runtime::Builder::new_current_thread().event_interval(8).build().expect("a runtime");
    runtime.block_on(async { tokio::spawn(what).await.expect("no panic") })
}

#[test]
fn one_after_another_all_get_theirs() {
    let done = run(async {
        for _ in 0..AT_A_TIME * 10 {
            turn().await;
        }
        true
    });
    assert!(done);
}

#[test]
fn after_a_pause_there_are_turns_again() {
    run(async {
        for _ in 0..3 {
            for _ in 0..=AT_A_TIME {
                turn().await;
            }
            for _ in 0..4 {
                yield_now().await;
            }
            assert_eq!((TURNS.with(|turns| turns.available_permits()), GIVEN_ANEW.get()), (AT_A_TIME, false));
        }
    });
}

/// Without turns a thousand of them would be between two of its own.
#[test]
fn an_established_one_comes_after_a_few_of_a_flood() {
    let done = Arc::new(AtomicUsize::new(0));
    let most = run(async move {
        for _ in 0..1000 {
            let done = Arc::clone(&done);
            drop(tokio::spawn(async move {
                for _ in 0..1000 {
                    turn().await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        // All of them have come by then.
        while done.load(Ordering::Relaxed) < 2000 {
            yield_now().await;
        }
        let mut most = 0;
        for _ in 0..100 {
            let before = done.load(Ordering::Relaxed);
            yield_now().await;
            most = most.max(done.load(Ordering::Relaxed) - before);
        }
        most
    });
    assert!((1..=2 * AT_A_TIME).contains(&most), "{most}");
}
