//! The keys of buckets: 64 bits of keyed SipHash-1-3.
//!
//! Strangers choose subjects and addresses, so the hash must not be predictable: its key is random per process, or per state file. Two users
//! share a bucket by accident with a probability of n² / 2⁶⁵, 3 in 10⁸ for a million live users; nobody can arrange it.
//! Not the names themselves: they cost three times the memory and time, and e-mail-like subjects would lie about.

use siphasher::sip::SipHasher13;
use std::{fmt, hash::Hasher, net::IpAddr};

/// First byte of what is hashed: nothing can collide with another kind by being spelled like it.
const USER: u8 = b'u';
const IPV4: u8 = b'4';
const IPV6: u8 = b'6';
const CLIENT: u8 = b'c';
const PERIOD: u8 = b'p';

/// A secret: the process' own, or that of a state file, whose keys must mean the same after a restart.
pub(super) struct KeyHasher(SipHasher13);

impl KeyHasher {
    /// A fresh secret.
    ///
    /// # Panics
    /// Without random numbers from the operating system, when the process starts: TLS could not work either.
    pub(super) fn random() -> Self {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).expect("the operating system has no random numbers");
        Self::new(secret)
    }

    /// One that was kept.
    pub(super) fn new(secret: [u8; 16]) -> Self {
        Self(SipHasher13::new_with_key(&secret))
    }

    /// To be kept.
    pub(super) fn secret(&self) -> [u8; 16] {
        self.0.key()
    }

    /// (`iss`, `sub`): a subject is unique only within its issuer.
    pub(super) fn user(&self, issuer: &str, subject: &str) -> u64 {
        let mut hasher = self.0;
        hasher.write_u8(USER);
        write_user(&mut hasher, issuer, subject);
        hasher.finish()
    }

    /// A user in one day or month.
    pub(super) fn period(&self, period: u32, issuer: &str, subject: &str) -> u64 {
        let mut hasher = self.0;
        hasher.write_u8(PERIOD);
        hasher.write_u32(period);
        write_user(&mut hasher, issuer, subject);
        hasher.finish()
    }

    /// An IPv4 address, also when a dual-stack socket reports it as `::ffff:a.b.c.d`; of IPv6 the /64, because every host
    /// owns all of its own and could otherwise change buckets with each request.
    pub(super) fn address(&self, address: IpAddr) -> u64 {
        let mut hasher = self.0;
        write_address(&mut hasher, address);
        hasher.finish()
    }

    /// A client name as tried from an address. The name comes last, behind what has a length of its own.
    pub(super) fn client_at(&self, client_id: &str, address: IpAddr) -> u64 {
        let mut hasher = self.0;
        hasher.write_u8(CLIENT);
        write_address(&mut hasher, address);
        hasher.write(client_id.as_bytes());
        hasher.finish()
    }
}

/// The length keeps ("ab", "c") and ("a", "bc") apart; of a width that is the same on every machine that may read a state file.
fn write_user(hasher: &mut SipHasher13, issuer: &str, subject: &str) {
    hasher.write_u64(issuer.len() as u64);
    hasher.write(issuer.as_bytes());
    hasher.write(subject.as_bytes());
}

fn write_address(hasher: &mut SipHasher13, address: IpAddr) {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            hasher.write_u8(IPV4);
            hasher.write(&address.octets());
        }
        IpAddr::V6(address) => {
            hasher.write_u8(IPV6);
            hasher.write_u128(address.to_bits() >> 64);
        }
    }
}

impl fmt::Debug for KeyHasher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests;
