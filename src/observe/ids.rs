//! Names of requests and traces: unique, and not to be guessed from one another.

use http::HeaderValue;
use siphasher::sip::SipHasher13;
use std::{
    hash::Hasher,
    sync::atomic::{AtomicU64, Ordering},
};

/// Longest request id that is taken over from a client.
const LONGEST: usize = 128;

/// Makes ids: SipHash of a counter under a key of this process, so that making one costs no system call.
#[derive(Debug)]
pub struct RequestIds {
    key: [u64; 4],
    counter: AtomicU64,
}

/// The names of one request.
#[derive(Clone, Debug)]
pub struct Ids {
    /// The client's `X-Request-Id` when it matches `[A-Za-z0-9._-]{1,128}`, else 32 hexadecimal digits made here.
    pub request_id: HeaderValue,
    /// A W3C `traceparent` of a new trace, not sampled; its trace id is 32 hexadecimal digits.
    pub traceparent: HeaderValue,
}

impl RequestIds {
    /// Ids under a random key.
    #[must_use]
    pub fn new(key: [u64; 4]) -> Self {
        Self { key, counter: AtomicU64::new(0) }
    }

    /// The names of a request that may have brought its own.
    #[must_use]
    pub fn next(&self, from_client: Option<&HeaderValue>) -> Ids {
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        let (high, low) = (self.hash(0, count), self.hash(1, count));
        let mut text = *b"00-hhhhhhhhhhhhhhhhllllllllllllllll-ssssssssssssssss-00";
        write_hexadecimal(high, &mut text[3..19]);
        write_hexadecimal(low, &mut text[19..35]);
        // A span's id is never zero.
        write_hexadecimal(high ^ low.rotate_left(17) | 1, &mut text[36..52]);
        let own = || HeaderValue::from_bytes(&text[3..35]).unwrap_or(HeaderValue::from_static("-"));
        let request_id = from_client.filter(|id| is_well_formed(id.as_bytes())).cloned().unwrap_or_else(own);
        let traceparent = HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("-"));
        Ids { request_id, traceparent }
    }

    fn hash(&self, half: usize, count: u64) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.key[half * 2], self.key[half * 2 + 1]);
        hasher.write_u64(count);
        hasher.finish()
    }
}

/// Sixteen digits, without the formatting machinery.
fn write_hexadecimal(mut value: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

fn is_well_formed(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests;
