//! Signatures that a lax library takes: numbers out of range, other encodings, other paddings. Each token is one that was taken
//! with the signature that its key makes.
use crate::{
    pairs::{AllKinds, Pair, openssl},
    support::{Segments, base64url},
};
use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512};
use jsonwebtoken::Algorithm;

pub type Case = (&'static str, fn(&mut Vec<u8>));

/// For signatures of these algorithms.
pub const TABLES: &[(Algorithm, &[Case])] = &[
    (Algorithm::RS256, ANY),
    (Algorithm::PS256, ANY),
    (Algorithm::ES256, ANY),
    (Algorithm::ES256, ELLIPTIC),
    (Algorithm::ES384, ANY),
    (Algorithm::ES384, ELLIPTIC),
    (Algorithm::EdDSA, ANY),
    (Algorithm::EdDSA, EDWARDS),
];

/// The signature of a good token, changed as each case says.
fn check(algorithm: Algorithm, cases: &[Case]) {
    let pair = Pair::new(algorithm);
    let court = AllKinds::start(std::slice::from_ref(&pair.jwk));
    let kid = format!("{algorithm:?}");
    for (name, change) in cases {
        let good = pair.token(&kid);
        court.trial.accept(name, &good.token());
        let spoiled = good.with_signature(change).token();
        assert_ne!(spoiled, good.token(), "{name}");
        court.trial.refuse(&format!("{algorithm:?}: {name}"), &spoiled, "signature");
    }
}

const ANY: &[Case] = &[
    ("empty", Vec::clear),
    ("one byte", |signature| signature.truncate(1)),
    ("half", |signature| signature.truncate(signature.len() / 2)),
    ("without its first byte", |signature| drop(signature.drain(..1))),
    ("without its last byte", |signature| signature.truncate(signature.len() - 1)),
    ("a zero before", |signature| signature.insert(0, 0)),
    ("a zero after", |signature| signature.push(0)),
    ("twice", |signature| signature.extend_from_within(..)),
    ("backwards", |signature| signature.reverse()),
    ("halves exchanged", |signature| exchange(signature)),
    ("zeros", |signature| signature.fill(0)),
    ("ones", |signature| signature.fill(0xff)),
    ("a one in zeros", |signature| one(signature)),
    ("its first bit", |signature| signature[0] ^= 0x80),
    ("a bit in its middle", |signature| signature[31] ^= 1),
    ("its last bit", |signature| *signature.last_mut().expect("a byte") ^= 1),
];

fn one(number: &mut [u8]) {
    number.fill(0);
    *number.last_mut().expect("a byte") = 1;
}

fn exchange(signature: &mut [u8]) {
    let half = signature.len() / 2;
    signature.rotate_left(half);
}

/// CVE-2022-21449: zero, and whatever is zero modulo the order; and DER, which JWS does not use (RFC 7518, section 3.4).
const ELLIPTIC: &[Case] = &[
    ("r is 0", |signature| halves(signature).0.fill(0)),
    ("s is 0", |signature| halves(signature).1.fill(0)),
    ("r is 1", |signature| one(halves(signature).0)),
    ("s is 1", |signature| one(halves(signature).1)),
    ("r and s are 1", |signature| both_one(signature)),
    ("r is the order", |signature| order(halves(signature).0)),
    ("s is the order", |signature| order(halves(signature).1)),
    ("r and s are the order", |signature| both_order(signature)),
    ("r is beyond the order", |signature| halves(signature).0.fill(0xff)),
    ("s is beyond the order", |signature| halves(signature).1.fill(0xff)),
    ("s in place of r", |signature| copy(signature, true)),
    ("r in place of s", |signature| copy(signature, false)),
    ("DER", der),
    ("a zero before each number", widened),
];

fn halves(signature: &mut [u8]) -> (&mut [u8], &mut [u8]) {
    signature.split_at_mut(signature.len() / 2)
}

fn both_one(signature: &mut [u8]) {
    let (r, s) = halves(signature);
    one(r);
    one(s);
}

/// SEC 2, sections 2.4.2 and 2.5.1: the orders of P-256 and P-384.
fn order(number: &mut [u8]) {
    const P256: [u128; 2] = [0xffff_ffff_0000_0000_ffff_ffff_ffff_ffff, 0xbce6_faad_a717_9e84_f3b9_cac2_fc63_2551];
    const P384: [u128; 3] = [u128::MAX, 0xffff_ffff_ffff_ffff_c763_4d81_f437_2ddf, 0x581a_0db2_48b0_a77a_ecec_196a_ccc5_2973];
    let words: &[u128] = if number.len() == 32 { &P256 } else { &P384 };
    number.copy_from_slice(&words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>());
}

fn both_order(signature: &mut [u8]) {
    let (r, s) = halves(signature);
    order(r);
    order(s);
}

fn copy(signature: &mut [u8], second: bool) {
    let (r, s) = halves(signature);
    if second { r.copy_from_slice(s) } else { s.copy_from_slice(r) }
}

/// A sequence of two integers, as other formats write the same signature.
fn der(signature: &mut Vec<u8>) {
    let integer = |number: &[u8]| {
        let zeros = number.iter().take_while(|&&byte| byte == 0).count();
        let number = &number[zeros..];
        let sign: &[u8] = if number[0] > 0x7f { &[0] } else { &[] };
        let length = u8::try_from(sign.len() + number.len()).expect("short");
        [&[2, length], sign, number].concat()
    };
    let (r, s) = signature.split_at(signature.len() / 2);
    let integers = [integer(r), integer(s)].concat();
    *signature = [&[0x30, u8::try_from(integers.len()).expect("short")], &integers[..]].concat();
}

fn widened(signature: &mut Vec<u8>) {
    let (r, s) = signature.split_at(signature.len() / 2);
    *signature = [&[0], r, &[0], s].concat();
}

/// RFC 8032, section 5.1.7: s below the order of the group, in one spelling.
const EDWARDS: &[Case] = &[
    ("s and the order", |signature| add_order(signature)),
    ("s is 0", |signature| signature[32..].fill(0)),
    ("s is beyond the order", |signature| signature[32..].fill(0xff)),
    ("R is 0", |signature| signature[..32].fill(0)),
    ("R is the neutral point", |signature| neutral(signature)),
    ("R is the neutral point, s is 0", |signature| {
        neutral(signature);
        signature[32..].fill(0);
    }),
    ("the sign of R", |signature| signature[31] ^= 0x80),
];

fn neutral(signature: &mut [u8]) {
    signature[..32].fill(0);
    signature[0] = 1;
}

fn add_order(signature: &mut [u8]) {
    // 2^252 + 27742317777372353535851937790883648493, little-endian.
    let mut order = [0; 32];
    order[..16].copy_from_slice(&27_742_317_777_372_353_535_851_937_790_883_648_493_u128.to_le_bytes());
    order[31] = 0x10;
    let mut carry = 0;
    for (byte, addend) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(addend) + carry;
        [*byte, _] = sum.to_le_bytes();
        carry = sum >> 8;
    }
}

#[test]
fn rsa_signatures_hold_to_the_bit() {
    check(Algorithm::RS256, ANY);
    check(Algorithm::PS256, ANY);
}

#[test]
fn elliptic_signatures_hold_to_the_bit() {
    for algorithm in [Algorithm::ES256, Algorithm::ES384] {
        check(algorithm, ANY);
        check(algorithm, ELLIPTIC);
    }
}

#[test]
fn edwards_signatures_hold_to_the_bit() {
    check(Algorithm::EdDSA, ANY);
    check(Algorithm::EdDSA, EDWARDS);
}

/// A signature of the message with the private key.
type Sign<'a> = &'a dyn Fn(&[u8], &str) -> Vec<u8>;

/// Tokens of one key whose signatures openssl makes, good ones before each of the others.
fn check_made(algorithm: Algorithm, good: Sign<'_>, cases: &[(&str, Sign<'_>)]) {
    let pair = Pair::new(algorithm);
    let court = AllKinds::start(std::slice::from_ref(&pair.jwk));
    let kid = format!("{algorithm:?}");
    for (name, sign) in cases {
        let draft = pair.draft(&kid);
        let signed = format!("{}.{}", draft.header, draft.claims);
        let token =
            |sign: Sign<'_>| Segments { signature: base64url(sign(signed.as_bytes(), &pair.pem)), ..draft.clone() }.token();
        court.trial.accept(&format!("before {name}"), &token(good));
        court.trial.refuse(name, &token(sign), "signature");
    }
}

/// RFC 7518, section 3.5: the salt is as long as the hash.
#[test]
fn pss_has_one_length_of_salt_and_one_hash() {
    let pss = |hash: &'static str, options: &'static [&'static str]| {
        move |message: &[u8], key: &str| {
            let arguments = ["dgst", hash, "-sign", "key.pem", "-out", "output", "-sigopt", "rsa_padding_mode:pss"];
            let options = options.iter().flat_map(|option| ["-sigopt", option]);
            let arguments: Vec<&str> = arguments.into_iter().chain(options).chain(["input"]).collect();
            openssl(&arguments, key, message)
        }
    };
    check_made(
        Algorithm::PS256,
        &pss("-sha256", &["rsa_pss_saltlen:32"]),
        &[
            ("no salt", &pss("-sha256", &["rsa_pss_saltlen:0"])),
            ("a salt of 20 bytes", &pss("-sha256", &["rsa_pss_saltlen:20"])),
            ("a salt of 33 bytes", &pss("-sha256", &["rsa_pss_saltlen:33"])),
            ("the longest salt", &pss("-sha256", &["rsa_pss_saltlen:max"])),
            ("another hash in the mask", &pss("-sha256", &["rsa_pss_saltlen:32", "rsa_mgf1_md:sha1"])),
            ("another hash", &pss("-sha512", &["rsa_pss_saltlen:32"])),
        ],
    );
}

/// RFC 8017, section 9.2: what is signed has one form, compared byte for byte (Bleichenbacher's forgery of 2006).
#[test]
fn pkcs1_padding_has_one_form() {
    const SHA256_INFO: &[u8] = &[0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];
    const NO_NULL: &[u8] = &[0x30, 0x2f, 0x30, 0x0b, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 4, 0x20];
    const LONG_LENGTH: &[u8] = &[0x30, 0x81, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];
    const SHA1_INFO: &[u8] = &[0x30, 0x21, 0x30, 9, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0, 4, 0x14];
    const SHA512_INFO: &[u8] = &[0x30, 0x51, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3, 5, 0, 4, 0x40];
    let block = |info: &'static [u8], hash: &'static digest::Algorithm, spoil: fn(&mut Vec<u8>)| {
        move |message: &[u8], key: &str| {
            let content = [info, digest::digest(hash, message).as_ref()].concat();
            let mut block = [&[0, 1][..], &vec![0xff; 253 - content.len()], &[0], &content].concat();
            spoil(&mut block);
            // To sign without padding is to decrypt without padding; as a signature openssl takes nothing longer than a hash.
            let arguments = ["pkeyutl", "-decrypt", "-inkey", "key.pem", "-in", "input", "-out", "output"];
            openssl(&[&arguments[..], &["-pkeyopt", "rsa_padding_mode:none"]].concat(), key, &block)
        }
    };
    let spoiled = |spoil| block(SHA256_INFO, &SHA256, spoil);
    check_made(
        Algorithm::RS256,
        &block(SHA256_INFO, &SHA256, |_| ()),
        &[
            ("the hash's parameters left out", &block(NO_NULL, &SHA256, |_| ())),
            ("a length in two bytes", &block(LONG_LENGTH, &SHA256, |_| ())),
            ("the hash alone", &block(&[], &SHA256, |_| ())),
            ("SHA-1", &block(SHA1_INFO, &SHA1_FOR_LEGACY_USE_ONLY, |_| ())),
            ("SHA-512", &block(SHA512_INFO, &SHA512, |_| ())),
            ("SHA-512 by name, SHA-256 in truth", &block(SHA512_INFO, &SHA256, |_| ())),
            ("bytes after the hash", &spoiled(|block| block[2..].rotate_left(8))),
            ("less padding, and zeros after the hash", &spoiled(move_forward)),
            ("a block of type 2", &spoiled(|block| block[1] = 2)),
            ("a block of type 0", &spoiled(|block| block[1] = 0)),
            ("a padding byte that is not 0xff", &spoiled(|block| block[10] = 0xfe)),
            ("no zero after the padding", &spoiled(|block| block[204] = 0xff)),
        ],
    );
}

/// Eight bytes of padding give way to eight bytes after the hash, where a parser that looks from the front never looks.
fn move_forward(block: &mut Vec<u8>) {
    block.drain(2..10);
    block.extend([0; 8]);
}
