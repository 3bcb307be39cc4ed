//! One key of a set (RFC 7517, section 4; RFC 7518, section 6; RFC 8037): whether it may and can verify.
//!
//! Left out, each with its reason: keys not meant for verifying (`use`, `key_ops`), symmetric keys, unknown kinds and curves,
//! RSA below 2048 bits (RFC 7518, section 3.3) or with an exponent that makes signatures trivial to forge (1, or even), points
//! that are not on their curve, and a key that says it is for an algorithm its kind cannot do. Other members are not read.
//!
//! A key is prepared once, when its set is read. `jsonwebtoken` 11 cannot do that: its `DecodingKey` holds the numbers, and both
//! `decode` and `crypto::verify` build aws-lc's key anew for each token. Measured for RS256: 15.7 µs for the check with a prepared
//! key, 18.4 µs for all that is done here with a token, 22.1 µs for `decode` (`ES256` and `EdDSA`: 5 and 1 % less). So aws-lc is
//! called directly. What `jsonwebtoken` checked around it is checked here or before: that the algorithm fits the key (here), the
//! base64url of the signature (`jws`). That both still judge alike is held by `the_library_judges_signatures_alike`.
use super::{Algorithm, jws::KID_LENGTH};
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use member::Member;

mod member;

pub(super) use member::Jwk;

/// A key that can verify.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) facts: Facts,
    /// The same key, once for each algorithm that it may be used with.
    prepared: Vec<(Algorithm, ParsedPublicKey)>,
}

/// What tells one key from another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Facts {
    pub(super) kid: Option<String>,
    algorithm: Option<Algorithm>,
    material: Material,
}

/// The public numbers: big-endian bytes without leading zeros, or a point in its usual encoding.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.facts == other.facts
    }
}

impl Eq for Key {}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.facts.fmt(formatter)
    }
}

impl Key {
    /// The key for that algorithm, if it is of the algorithm's kind and curve, and not reserved for another one.
    pub(super) fn prepared_for(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        self.prepared.iter().find(|(own, _)| *own == algorithm).map(|(_, prepared)| prepared)
    }
}

/// What an RSA key can be used with: one key, prepared for each.
static RSA: [(Algorithm, &RsaParameters); 6] = [
    (Algorithm::Rs256, &signature::RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::Rs384, &signature::RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::Rs512, &signature::RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::Ps256, &signature::RSA_PSS_2048_8192_SHA256),
    (Algorithm::Ps384, &signature::RSA_PSS_2048_8192_SHA384),
    (Algorithm::Ps512, &signature::RSA_PSS_2048_8192_SHA512),
];

impl Material {
    /// The key as aws-lc takes it, on its curve and in its range: for the algorithm that it is reserved for, or else for each of its
    /// kind. This alone says which algorithm fits which key (RFC 8725, section 3.1).
    fn prepare(&self, reserved: Option<Algorithm>) -> Result<Vec<(Algorithm, ParsedPublicKey)>, &'static str> {
        let meant = |algorithm: Algorithm| reserved.is_none_or(|reserved| reserved == algorithm);
        let point = |algorithm, curve: &'static dyn VerificationAlgorithm, point: &[u8]| {
            let key = ParsedPublicKey::new(curve, point).map_err(|_| "the point is not on the curve")?;
            Ok(if meant(algorithm) { vec![(algorithm, key)] } else { Vec::new() })
        };
        let prepared: Vec<_> = match self {
            Self::Rsa { modulus: n, exponent: e } => {
                let key =
                    |parameters| RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters).map_err(|_| "not an RSA key");
                let meant = RSA.iter().filter(|(algorithm, _)| meant(*algorithm));
                meant.map(|(algorithm, parameters)| Ok((*algorithm, key(parameters)?))).collect::<Result<_, &str>>()
            }
            Self::P256(bytes) => point(Algorithm::Es256, &signature::ECDSA_P256_SHA256_FIXED, bytes),
            Self::P384(bytes) => point(Algorithm::Es384, &signature::ECDSA_P384_SHA384_FIXED, bytes),
            Self::Ed25519(bytes) => point(Algorithm::EdDsa, &signature::ED25519, bytes),
        }?;
        if prepared.is_empty() { Err("alg is not of this kind of key") } else { Ok(prepared) }
    }
}

/// Reads one member of `keys`.
pub(super) fn read_key(jwk: &Jwk) -> Result<Key, &'static str> {
    for_verifying(jwk)?;
    let kid = match jwk.get("kid") {
        None => None,
        Some(Member::Text(kid)) if !kid.is_empty() && kid.len() <= KID_LENGTH => Some(kid.clone()),
        Some(_) => return Err("kid is not a short text"),
    };
    let material = match jwk.text("kty") {
        Some("RSA") => rsa(jwk)?,
        Some("EC") => elliptic(jwk)?,
        Some("OKP") => edwards(jwk)?,
        Some("oct") => return Err("a symmetric key, which whoever reads the set could sign with"),
        Some(_) => return Err("kty is not RSA, EC or OKP"),
        None => return Err("no kty"),
    };
    let algorithm = match jwk.get("alg") {
        None => None,
        Some(_) => Some(jwk.text("alg").and_then(Algorithm::named).ok_or("alg is not a supported signature algorithm")?),
    };
    let prepared = material.prepare(algorithm)?;
    Ok(Key { facts: Facts { kid, algorithm, material }, prepared })
}

/// RFC 7517, sections 4.2 and 4.3: an encryption key must not verify.
fn for_verifying(jwk: &Jwk) -> Result<(), &'static str> {
    if jwk.get("use").is_some() && jwk.text("use") != Some("sig") {
        return Err("use is not sig");
    }
    match jwk.get("key_ops") {
        None | Some(Member::List { has_verify: true }) => Ok(()),
        Some(_) => Err("key_ops has no verify"),
    }
}

fn rsa(jwk: &Jwk) -> Result<Material, &'static str> {
    let (modulus, exponent) = (number(jwk, "n")?, number(jwk, "e")?);
    let bits = modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
    if bits < 2048 {
        return Err("RSA below 2048 bits");
    }
    // What aws-lc verifies with; also a bound on the time of one check.
    if bits > 8192 || exponent.len() > 4 {
        return Err("RSA above 8192 bits, or with an exponent above 32 bits");
    }
    let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    if !odd(&modulus) || !odd(&exponent) || exponent == [1] {
        return Err("RSA with an even modulus or an exponent that is even or 1");
    }
    Ok(Material::Rsa { modulus, exponent })
}

fn elliptic(jwk: &Jwk) -> Result<Material, &'static str> {
    let (width, material): (_, fn(Vec<u8>) -> Material) = match jwk.text("crv") {
        Some("P-256") => (32, Material::P256),
        Some("P-384") => (48, Material::P384),
        _ => return Err("crv is not P-256 or P-384"),
    };
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    // Full width, leading zeros kept (RFC 7518, section 6.2.1.2).
    if x.len() != width || y.len() != width {
        return Err("a coordinate has the wrong length");
    }
    Ok(material([&[4], &x[..], &y[..]].concat()))
}

fn edwards(jwk: &Jwk) -> Result<Material, &'static str> {
    if jwk.text("crv") != Some("Ed25519") {
        return Err("crv is not Ed25519");
    }
    let point = bytes(jwk, "x")?;
    let coordinate = <[u8; 32]>::try_from(&point[..]).map_err(|_| "a coordinate has the wrong length")?;
    if is_of_small_order(coordinate) {
        return Err("a point of small order, for which anybody can sign");
    }
    Ok(Material::Ed25519(point))
}

/// Whether a point's multiples are at most eight: one fixed signature then holds for every message, as with an RSA exponent of
/// 1, and the library verifies with such keys. Also true of a coordinate that is not below the field's order (RFC 8032, section
/// 5.1.3), which the library reads modulo it.
fn is_of_small_order(mut coordinate: [u8; 32]) -> bool {
    /// The y of the points of order 8, little-endian; the others of small order have 0, 1 and p - 1.
    const OF_ORDER_8: [[u8; 32]; 2] = [
        *b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
        *b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
    ];
    // The sign of x: points come in pairs.
    coordinate[31] &= 0x7f;
    let [first, middle @ .., last] = coordinate;
    let all = |value: u8| middle.iter().all(|byte| *byte == value);
    let zero_or_one = first <= 1 && all(0) && last == 0;
    // p = 2^255 - 19 ends with 0xed.
    let from_one_below_the_order = first >= 0xec && all(0xff) && last == 0x7f;
    zero_or_one || from_one_below_the_order || OF_ORDER_8.contains(&coordinate)
}

/// A number without leading zeros, which some issuers write though RFC 7518, section 2, says not to.
fn number(jwk: &Jwk, name: &str) -> Result<Vec<u8>, &'static str> {
    let bytes = bytes(jwk, name)?;
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    Ok(bytes[zeros..].to_vec())
}

fn bytes(jwk: &Jwk, name: &str) -> Result<Vec<u8>, &'static str> {
    let text = jwk.text(name).ok_or("a part of the key is missing")?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| "a part of the key is not base64url")
}

#[cfg(test)]
mod tests;
