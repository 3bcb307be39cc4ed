//! The same with threads: requests are judged while keys rotate and configurations are replaced.
//!
//! A request has one configuration from its begin to its end, and the keys of some moment in between: its verdict is what that
//! configuration says with the keys of one of the states from the one it began in to the one it ended in, and nothing else.
use super::*;
use std::sync::{
    RwLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

const EVENTS: usize = 60;
const READERS: usize = 3;
/// Verdicts between two events: enough that requests fall into every state.
const BETWEEN: usize = 40;

/// The events, and the states that they lead through.
fn states(seed: u64) -> (Vec<Event>, Vec<Moment>) {
    let mut random = Random(seed);
    let mut in_use = InUse { authenticator: Moment::first().fresh(), moment: Moment::first() };
    let (mut events, mut moments) = (Vec::new(), vec![in_use.moment.clone()]);
    while events.len() < EVENTS {
        let event = Event::any(&mut random, &in_use.moment);
        match event {
            Event::Rotate { issuer, set } => in_use.rotate(issuer, set),
            Event::Reload { settings, revocations } => in_use = in_use.reload(settings, revocations),
            // A request takes the clock once, so that its moment is no matter of interleaving.
            Event::Clock { .. } => continue,
        }
        events.push(event);
        moments.push(in_use.moment.clone());
    }
    (events, moments)
}

struct Shared {
    in_force: RwLock<Arc<InUse>>,
    cache: TokenCache,
    /// Events that have begun, and that are over: a request between sees one of the states from `over` to `begun`.
    begun: AtomicUsize,
    over: AtomicUsize,
    judged: AtomicUsize,
    done: AtomicBool,
}

impl Shared {
    fn in_force(&self) -> Arc<InUse> {
        Arc::clone(&self.in_force.read().expect("no thread panicked"))
    }

    /// Judges tokens until the last event is over; how many were let in.
    fn read(&self, seed: u64, states: &[Moment]) -> usize {
        let (mut random, mut accepted) = (Random(seed), 0);
        while !self.done.load(Ordering::SeqCst) {
            let token = random.below(TOKENS.len() / 4) * 3 % TOKENS.len();
            let first = self.over.load(Ordering::SeqCst);
            let in_force = self.in_force();
            let found = through(&in_force.authenticator, &self.cache, &TOKENS[token], NOW_S);
            let last = self.begun.load(Ordering::SeqCst);
            self.judged.fetch_add(1, Ordering::SeqCst);
            accepted += usize::from(found.is_ok());
            let between = &states[first..=last];
            let moment = &in_force.moment;
            let is_state = |state: &Moment| (state.settings, state.revocations) == (moment.settings, moment.revocations);
            assert!(between.iter().any(is_state), "{moment:?} was in force in none of the states {first} to {last}");
            let gives = |state: &Moment| {
                let then = Moment { sets: state.sets, ..moment.clone() };
                through(&then.fresh(), &TokenCache::new(0), &TOKENS[token], NOW_S) == found
            };
            assert!(between.iter().any(gives), "token {token}: {found:?} in none of the states {first} to {last}, {moment:?}");
        }
        accepted
    }

    fn write(&self, event: Event) {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let old = self.in_force();
        match event {
            Event::Rotate { issuer, set } => {
                let mut new = InUse { authenticator: old.moment.configured(), moment: old.moment.clone() };
                new.authenticator.inherit(&old.authenticator);
                new.rotate(issuer, set);
                *self.in_force.write().expect("no thread panicked") = Arc::new(new);
            }
            Event::Reload { settings, revocations } => {
                let new = old.reload(settings, revocations);
                *self.in_force.write().expect("no thread panicked") = Arc::new(new);
            }
            Event::Clock { .. } => {}
        }
        self.over.fetch_add(1, Ordering::SeqCst);
    }

    fn wait_for(&self, judged: usize) {
        while self.judged.load(Ordering::SeqCst) < judged && !self.done.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
    }
}

/// Ends the readers also when the writer panics.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn no_thread_sees_a_verdict_that_no_state_gives() {
    let (events, states) = states(7);
    let first = InUse { authenticator: Moment::first().fresh(), moment: Moment::first() };
    let shared = Shared {
        in_force: RwLock::new(Arc::new(first)),
        cache: TokenCache::new(64),
        begun: AtomicUsize::new(0),
        over: AtomicUsize::new(0),
        judged: AtomicUsize::new(0),
        done: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS)
            .map(|reader| {
                let (shared, states) = (&shared, &states);
                scope.spawn(move || {
                    let _done = Done(&shared.done);
                    shared.read(reader as u64, states)
                })
            })
            .collect();
        let done = Done(&shared.done);
        for (number, event) in events.into_iter().enumerate() {
            shared.wait_for(number * BETWEEN);
            shared.write(event);
        }
        shared.wait_for(EVENTS * BETWEEN);
        drop(done);
        let accepted: usize = readers.into_iter().map(|reader| reader.join().expect("a reader")).sum();
        assert!(accepted > 100, "{accepted} of {}", shared.judged.load(Ordering::SeqCst));
    });
}
