//! What was written is read, and nothing else is.

use super::*;

fn kept(counters: u64) -> Kept {
    let counter = |number: u64| {
        let small = u32::try_from(number).unwrap_or(0);
        KeptCounter { key: !number, period: u32::MAX - small, requests: number << 40, keep_s: small << 8 }
    };
    Kept { secret: *b"0123456789abcdef", counters: (0..counters).map(counter).collect() }
}

fn encoded(kept: &Kept) -> Vec<u8> {
    encode(&kept.secret, kept.counters.len(), |add| kept.counters.iter().copied().for_each(add))
}

fn refuse(bytes: &[u8], damage: Damage) {
    assert_eq!(Kept::decode(bytes), Err(damage), "{} bytes", bytes.len());
}

#[test]
fn another_file_is_refused() {
    refuse(b"", Damage::NotAStateFile);
    refuse(b"{\"quotas\": []}", Damage::NotAStateFile);
    refuse(b"stackflow-gateway limits 2\n0123456789abcdef", Damage::NotAStateFile);
}

#[test]
fn a_file_that_was_cut_anywhere_is_refused() {
    let whole = encoded(&kept(3));
    for length in 0..whole.len() {
        let damage = if length < TITLE.len() { Damage::NotAStateFile } else { Damage::Length };
        refuse(&whole[..length], damage);
    }
    refuse(&[&whole[..], b"\n"].concat(), Damage::Length);
}

#[test]
fn a_file_in_which_any_bit_flipped_is_refused() {
    let whole = encoded(&kept(3));
    for (byte, bit) in (0..whole.len()).flat_map(|byte| (0..8).map(move |bit| (byte, bit))) {
        let mut flipped = whole.clone();
        flipped[byte] ^= 1 << bit;
        assert!(Kept::decode(&flipped).is_err(), "bit {bit} of byte {byte}");
    }
}

#[test]
fn a_count_that_no_memory_holds_is_refused_before_any_is_taken() {
    let mut bytes = encoded(&kept(0));
    let count = TITLE.len() + SECRET;
    bytes[count..count + COUNT].copy_from_slice(&u64::MAX.to_le_bytes());
    refuse(&bytes, Damage::Length);
}

#[test]
fn what_was_written_is_read() {
    for counters in [0, 1, 1_000] {
        assert_eq!(Kept::decode(&encoded(&kept(counters))), Ok(kept(counters)));
    }
}

#[test]
fn a_million_counters_are_twenty_four_megabytes() {
    assert_eq!(encoded(&kept(0)).len(), 59);
    assert_eq!(encoded(&kept(1_000)).len(), 59 + 24_000);
}

#[test]
fn neither_the_secret_nor_a_counter_is_printed() {
    assert_eq!(format!("{:?}", kept(3)), "3 counters");
}

#[test]
fn how_many_counters_there_are_is_said() {
    assert_eq!([kept(0), kept(3)].map(|kept| (kept.len(), kept.is_empty())), [(0, true), (3, false)]);
}

#[test]
fn each_damage_has_a_sentence() {
    let said = [Damage::NotAStateFile, Damage::Length, Damage::Sum].map(|damage| damage.to_string());
    assert!(said.iter().all(|sentence| sentence.starts_with("it ")) && said[0] != said[1] && said[1] != said[2], "{said:?}");
}
