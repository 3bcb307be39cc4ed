//! What `limits.state_file` holds, as bytes: the counters of all quotas, and the secret under which users became their keys.
//!
//! 24 bytes a counter: a million users are 24 MB, which is written in a moment. No names: a key is a hash that only this file can
//! explain, and who has the file can ask it about a name, but not read one out of it. What was written in part, or has changed
//! since, is found by a sum over the whole and refused as a whole: of a quota it matters that none of it is missing.

use siphasher::sip::SipHasher13;
use std::{fmt, hash::Hasher};

/// Says whose file it is, and in which form.
const TITLE: &[u8; 27] = b"stackflow-gateway limits 1\n";
const SECRET: usize = 16;
const COUNT: usize = 8;
const COUNTER: usize = 24;
const SUM: usize = 8;

/// What is kept over a restart.
#[derive(Clone, PartialEq, Eq)]
pub struct Kept {
    pub(super) secret: [u8; SECRET],
    pub(super) counters: Vec<KeptCounter>,
}

/// One user's requests in one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeptCounter {
    pub(super) key: u64,
    pub(super) period: u32,
    pub(super) requests: u64,
    /// Seconds for which it was to be kept on.
    pub(super) keep_s: u32,
}

/// Why a file cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// It begins otherwise.
    NotAStateFile,
    /// Bytes are missing, or there are too many.
    Length,
    /// It has changed since it was written.
    Sum,
}

/// The file that holds this secret and the counters that `each` hands over, about `expected` of them: they are written as they come,
/// and are not in memory twice.
pub(super) fn encode(secret: &[u8; SECRET], expected: usize, each: impl FnOnce(&mut dyn FnMut(KeptCounter))) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(TITLE.len() + SECRET + COUNT + expected * COUNTER + SUM);
    bytes.extend_from_slice(TITLE);
    bytes.extend_from_slice(secret);
    bytes.extend_from_slice(&[0; COUNT]);
    let (mut count, begin) = (0_u64, bytes.len());
    each(&mut |KeptCounter { key, period, requests, keep_s }| {
        count += 1;
        bytes.extend_from_slice(&key.to_le_bytes());
        bytes.extend_from_slice(&period.to_le_bytes());
        bytes.extend_from_slice(&requests.to_le_bytes());
        bytes.extend_from_slice(&keep_s.to_le_bytes());
    });
    bytes[begin - COUNT..begin].copy_from_slice(&count.to_le_bytes());
    let sum = sum(secret, &bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

impl Kept {
    /// What a file holds.
    ///
    /// # Errors
    /// It is not as it was written.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let rest = bytes.strip_prefix(TITLE).ok_or(Damage::NotAStateFile)?;
        let (secret, rest) = rest.split_first_chunk::<SECRET>().ok_or(Damage::Length)?;
        let (count, rest) = rest.split_first_chunk::<COUNT>().ok_or(Damage::Length)?;
        let (counters, written) = rest.split_last_chunk::<SUM>().ok_or(Damage::Length)?;
        let whole = usize::try_from(u64::from_le_bytes(*count)).ok().and_then(|count| count.checked_mul(COUNTER));
        if whole != Some(counters.len()) {
            return Err(Damage::Length);
        }
        if u64::from_le_bytes(*written) != sum(secret, &bytes[..bytes.len() - SUM]) {
            return Err(Damage::Sum);
        }
        let counters = counters.chunks_exact(COUNTER).filter_map(KeptCounter::decode).collect();
        Ok(Self { secret: *secret, counters })
    }

    /// How many counters it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counters.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counters.is_empty()
    }
}

impl KeptCounter {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (key, rest) = bytes.split_first_chunk()?;
        let (period, rest) = rest.split_first_chunk()?;
        let (requests, keep_s) = rest.split_first_chunk()?;
        Some(Self {
            key: u64::from_le_bytes(*key),
            period: u32::from_le_bytes(*period),
            requests: u64::from_le_bytes(*requests),
            keep_s: u32::from_le_bytes(keep_s.try_into().ok()?),
        })
    }
}

/// Against damage, not against forgery: who can write the file can give quotas away.
fn sum(secret: &[u8; SECRET], bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(secret);
    hasher.write(bytes);
    hasher.finish()
}

impl fmt::Debug for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} counters", self.counters.len())
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotAStateFile => "it is not a file of the gateway's limits",
            Self::Length => "it is not as long as it says",
            Self::Sum => "it has changed since it was written",
        })
    }
}

impl std::error::Error for Damage {}

#[cfg(test)]
mod tests;
