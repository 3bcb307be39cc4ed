//! Our verdict on a signature beside that of `jsonwebtoken`, which prepares the key for each token and is otherwise the same aws-lc:
//! what is called directly must not judge otherwise than what is called the usual way.
use super::*;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, jwk::Jwk};
use proptest::{collection::vec, prop_assert_eq, proptest};

const CASES: [(&str, &LazyLock<TestKey>); 9] = [
    ("RS256", &RSA),
    ("RS384", &RSA),
    ("RS512", &RSA),
    ("PS256", &RSA),
    ("PS384", &RSA),
    ("PS512", &RSA),
    ("ES256", &P256),
    ("ES384", &P384),
    ("EdDSA", &ED25519),
];

const MESSAGE: &str = "header.payload";

/// Whether both accept this signature of [`MESSAGE`]; they must not differ.
fn both(algorithm: &str, key: &TestKey, signature: &[u8]) -> bool {
    let set = KeySet::parse(json!({"keys": [key.jwk()]}).to_string().as_bytes()).expect("a set").0;
    let header = Header::read(&members(&json!({ "alg": algorithm }))).expect("a header");
    let ours = set.verify(&header, MESSAGE, signature) == KeyVerdict::Holds;
    let jwk: Jwk = serde_json::from_value(key.jwk()).expect("a JWK");
    let (key, library) = (DecodingKey::from_jwk(&jwk).expect("a key"), algorithm.parse().expect("an algorithm"));
    let theirs = jsonwebtoken::crypto::verify(&base64url(signature), MESSAGE.as_bytes(), &key, library);
    assert_eq!(ours, theirs.is_ok_and(|holds| holds), "{algorithm} {}", URL_SAFE_NO_PAD.encode(signature));
    ours
}

/// What a signature can be turned into, as the Wycheproof vectors do it.
fn malformed(signature: &[u8]) -> Vec<Vec<u8>> {
    let (half, length) = (signature.len() / 2, signature.len());
    let zeros = |count| vec![0; count];
    let mut all = vec![
        Vec::new(),
        zeros(1),
        zeros(length),
        vec![0xff; length],
        signature[..length - 1].to_vec(),
        signature[1..].to_vec(),
        signature[..half].to_vec(),
        [signature, &[0]].concat(),
        [&[0], signature].concat(),
        [signature, signature].concat(),
        [&signature[half..], &signature[..half]].concat(),
        [&zeros(half)[..], &signature[half..]].concat(),
        [&signature[..half], &zeros(length - half)].concat(),
        signature.iter().rev().copied().collect(),
        signature.iter().map(|byte| !byte).collect(),
    ];
    for place in [0, 1, half - 1, half, length - 1] {
        for bit in [1, 0x80] {
            let mut flipped = signature.to_vec();
            flipped[place] ^= bit;
            all.push(flipped);
        }
    }
    all
}

#[test]
fn the_library_judges_signatures_alike() {
    for (algorithm, key) in CASES {
        let signature = key.sign(algorithm, MESSAGE.as_bytes());
        assert!(both(algorithm, key, &signature), "{algorithm}");
        for changed in malformed(&signature) {
            assert!(!both(algorithm, key, &changed), "{algorithm} {changed:?}");
        }
    }
}

#[test]
fn the_library_judges_signatures_of_other_algorithms_alike() {
    for (signed_as, key) in CASES {
        let signature = key.sign(signed_as, MESSAGE.as_bytes());
        let of_same_key = CASES.iter().filter(|(_, other)| std::ptr::eq(*other, key));
        for (algorithm, _) in of_same_key {
            assert_eq!(both(algorithm, key, &signature), *algorithm == signed_as, "{algorithm} {signed_as}");
        }
    }
}

proptest! {
    #[test]
    fn the_library_judges_any_bytes_alike(case in 0_usize..9, place in 0_usize..256, bytes in vec(0_u8.., 0..4)) {
        let (algorithm, key) = CASES[case];
        let good = key.sign(algorithm, MESSAGE.as_bytes());
        let start = place % good.len();
        let mut changed = good.clone();
        changed.splice(start..(start + bytes.len()).min(good.len()), bytes);
        let unchanged = changed == good;
        prop_assert_eq!(both(algorithm, key, &changed), unchanged);
    }
}
