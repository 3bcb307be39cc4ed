//! The atomic bucket: exact under threads, read-only when it refuses.

use super::{super::gcra::tests::quota, *};
use std::{sync::Barrier, thread};

#[test]
fn a_refusal_writes_nothing() {
    let (bucket, quota) = (GlobalBucket::default(), quota(1, 2));
    assert!(bucket.charge(quota, 0).is_ok() && bucket.charge(quota, 0).is_ok());
    let before = bucket.tat.load(Relaxed);
    assert!(bucket.charge(quota, 0).is_err() && bucket.peek(quota, 0).is_err());
    assert_eq!(bucket.tat.load(Relaxed), before);
}

#[test]
fn a_look_takes_no_token() {
    let (bucket, quota) = (GlobalBucket::default(), quota(1, 2));
    assert!(bucket.peek(quota, 5).is_ok());
    assert_eq!((bucket.tat.load(Relaxed), bucket.standing(quota, 5).remaining), (0, 2));
}

/// Long enough that threads overlap: a lost race must be met, not only possible.
#[test]
fn at_a_stopped_clock_threads_take_the_burst_exactly() {
    let (bucket, quota, start) = (GlobalBucket::default(), quota(5_000, 300_000), Barrier::new(4));
    let take = || {
        start.wait();
        (0..100_000).filter(|_| bucket.charge(quota, 7).is_ok()).count()
    };
    let admitted: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
        threads.into_iter().map(|thread| thread.join().expect("BUG: a taking thread panicked")).sum()
    });
    assert_eq!((admitted, bucket.standing(quota, 7).remaining), (300_000, 0));
}

/// A race that is lost is run again, not given up.
#[test]
fn no_thread_is_refused_while_there_is_a_token() {
    let (bucket, quota, start) = (GlobalBucket::default(), quota(5_000, 400_000), Barrier::new(4));
    let refused = || {
        start.wait();
        (0..100_000).filter(|_| bucket.charge(quota, 7).is_err()).count()
    };
    let refused: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(refused)).collect();
        threads.into_iter().map(|thread| thread.join().expect("BUG: a taking thread panicked")).sum()
    });
    assert_eq!((refused, bucket.standing(quota, 7).remaining), (0, 0));
}

#[test]
fn a_sweep_lets_go_of_what_a_larger_quota_left() {
    let bucket = GlobalBucket::default();
    let (large, small) = (quota(1, 100), quota(1, 10));
    assert!((0..100).all(|_| bucket.charge(large, 0).is_ok()));
    bucket.sweep(small, 0);
    assert_eq!(bucket.standing(small, 0).full_in_ns, 10_000_000_000);
}

#[test]
fn a_sweep_of_a_live_or_a_full_bucket_writes_nothing() {
    let (bucket, quota) = (GlobalBucket::default(), quota(1, 10));
    assert!(bucket.charge(quota, 0).is_ok());
    for now in [0, 1_000_000_000, 1_000_000_000_000] {
        bucket.sweep(quota, now);
        assert_eq!(bucket.tat.load(Relaxed), 1_000_000_000);
    }
}

#[test]
fn it_has_a_line_of_its_own() {
    assert_eq!((align_of::<GlobalBucket>(), size_of::<GlobalBucket>()), (128, 128));
}
