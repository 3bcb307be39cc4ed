//! Users with subjects like those of a user pool, drawn at random, and a clock that moves as they come.

use stackflow_gateway::{
    limit::{Admission, Caller, Charge, LimitState, Limits, Refusal},
    time::Now,
};
use std::fmt::Write;

const ISSUER: &str = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_WKK1AVJ2m";

/// Time between two requests of one thread: what the global bucket spends comes back.
const GAP_NS: u64 = 4_000;

/// Some users, seen by one thread.
pub struct Users {
    number: u64,
    random: u64,
    now: u64,
    drawn: Vec<String>,
}

impl Users {
    pub fn new(number: u64, thread: u64) -> Self {
        Self { number, random: thread + 1, now: 0, drawn: Vec::new() }
    }

    /// The subjects of the next so many requests, and when they come.
    pub fn draw(&mut self, requests: usize) -> (&[String], u64) {
        self.drawn.resize(requests, String::new());
        for subject in &mut self.drawn {
            // splitmix64.
            self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            write_subject(subject, mix(self.random) % self.number);
        }
        self.now += GAP_NS * requests as u64;
        (&self.drawn, self.now)
    }

    /// Every one of so many users.
    pub fn each(number: u64, mut work: impl FnMut(&str)) {
        let mut subject = String::new();
        for index in 0..number {
            write_subject(&mut subject, index);
            work(&subject);
        }
    }
}

fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// 36 characters.
fn write_subject(subject: &mut String, index: u64) {
    subject.clear();
    write!(subject, "a1b2c3d4-5678-90ab-cdef-{index:012x}").expect("a string takes everything");
}

/// One decision about this user.
pub fn ask(state: &LimitState, limits: &Limits, subject: &str, now: u64) -> Result<Admission, Refusal> {
    state.admit(limits, &Caller { issuer: ISSUER, subject, terms: limits.terms(None, &[]) }, Charge::User, at(now))
}

pub fn at(monotonic_ns: u64) -> Now {
    Now { monotonic_ns, unix_ns: monotonic_ns }
}
