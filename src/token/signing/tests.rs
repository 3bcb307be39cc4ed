//! Keys made, read, published.
use super::*;
use std::sync::LazyLock;

static RSA: LazyLock<(SigningKey, String)> = LazyLock::new(|| SigningKey::generate(SigningAlgorithm::Rs256).expect("a key"));
static P256: LazyLock<(SigningKey, String)> = LazyLock::new(|| SigningKey::generate(SigningAlgorithm::Es256).expect("a key"));

fn refused(pem: &str, algorithm: SigningAlgorithm, expected: &SigningKeyError) {
    assert_eq!(SigningKey::from_pem(pem, algorithm).err().as_ref(), Some(expected), "{pem}");
}

#[test]
fn what_is_not_a_pkcs8_key_is_refused() {
    let good = &RSA.1;
    for text in [
        "",
        "key",
        "-----BEGIN PRIVATE KEY-----",
        &good[..good.len() / 2],
        &good.replace("PRIVATE", "PUBLIC"),
        &good.replace("PRIVATE", "RSA PRIVATE"),
    ] {
        refused(text, SigningAlgorithm::Rs256, &SigningKeyError::NotPem);
    }
    let empty = pem(b"");
    refused(&empty, SigningAlgorithm::Rs256, &SigningKeyError::WrongKind(SigningAlgorithm::Rs256));
    refused(&pem(&[0x30; 100]), SigningAlgorithm::Es256, &SigningKeyError::WrongKind(SigningAlgorithm::Es256));
}

#[test]
fn a_key_of_another_kind_is_refused() {
    refused(&P256.1, SigningAlgorithm::Rs256, &SigningKeyError::WrongKind(SigningAlgorithm::Rs256));
    refused(&RSA.1, SigningAlgorithm::Es256, &SigningKeyError::WrongKind(SigningAlgorithm::Es256));
    let p384 = EcdsaKeyPair::generate(&aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key");
    let p384 = pem(p384.to_pkcs8v1().expect("PKCS #8").as_ref());
    refused(&p384, SigningAlgorithm::Es256, &SigningKeyError::WrongKind(SigningAlgorithm::Es256));
}

#[test]
fn an_unsound_rsa_key_is_refused() {
    let der = PrivatePkcs8KeyDer::from_pem_slice(RSA.1.as_bytes()).expect("a key");
    let mut damaged = der.secret_pkcs8_der().to_vec();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    refused(&pem(&damaged), SigningAlgorithm::Rs256, &SigningKeyError::TooShort);
    refused(SHORT, SigningAlgorithm::Rs256, &SigningKeyError::TooShort);
}

#[test]
fn what_was_made_can_be_read_again() {
    for (made, algorithm) in [(&*RSA, SigningAlgorithm::Rs256), (&*P256, SigningAlgorithm::Es256)] {
        let read = SigningKey::from_pem(&made.1, algorithm).expect("the same key");
        assert_eq!(read.public(), made.0.public());
        assert!(made.1.lines().all(|line| line.len() <= 64) && made.1.ends_with("-----END PRIVATE KEY-----\n"));
    }
}

#[test]
fn a_key_of_either_kind_is_read_by_itself() {
    assert_eq!(SigningKey::from_any_pem("").err(), Some(SigningKeyError::NotPem));
    for made in [&*RSA, &*P256] {
        let read = SigningKey::from_any_pem(&made.1).expect("the same key");
        assert_eq!(read.public(), made.0.public());
    }
}

#[test]
fn two_keys_have_two_names() {
    let other = SigningKey::generate(SigningAlgorithm::Es256).expect("a key").0;
    assert_ne!(other.header, P256.0.header);
}

#[test]
fn a_key_is_not_printed() {
    assert_eq!(format!("{:?}", RSA.0), "[redacted]");
}

/// RSA with 1024 bits.
const SHORT: &str = "-----BEGIN PRIVATE KEY-----\n\
MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBAJkJ+PwqsHbXrrl1\n\
syORfq1suyC1BEoOMFw7L82vNIfgUdEf7v0KhD2vVf/pREMwV1fVt3LnQQ6O8VT3\n\
52KBuWXzvlcLmzkiDVwtwn69w+dFQw3iz/ZdRyJHODLU4/i+PkeBOr6RRJQQGZK+\n\
egxAX8p71nSAFz4jQ7r9PetwE6Z/AgMBAAECgYBL+WZxEWRPa12jVmobU0SXJe50\n\
G0lI1mhtsThXHQ6wEc2sSvUjC9CAqwW/qPcpf9sskL2kvmdOqenm67cj8RCvZt4G\n\
U3mZRUG6ODx5GSDRgVm/QvaWVSo7mzBW0ZdeikflGBAHxmPCax+1Bfkos9CkIs3P\n\
a2C6pE4Tr93vrB3O0QJBAMYmKOD6g8ZYpGd1NuvN1wmUSENl20p+yuLZw6T5iAzU\n\
u1KzzgO54l14MJExDB/iOAWsKtcjr9CrXVBYCn3zjkkCQQDFuD4kthbJWEyXREbC\n\
1LA2jvBz9U3dvKaRpvk3T4ZvsQuUhFgnSX1jpVsdER0LLhfiJPN/vDuT59BPrvPi\n\
fq6HAkA3RaO3hgnGBSnu9gJY6nUmZed2bW4rLI0ZlFb/qN9rfNe37RH1dh+PpRwf\n\
FAhmyGqKIolcs8ayNWr1I2nh0lOJAkBaA0LnW66MA5L62q6MTF/ctr5pTCgi5pu+\n\
e5HByIafmq528rlfSWm4T7NnTD84s8dTwRbJ9Fv7PfHsFO4bEylJAkEAggLb3aXB\n\
1z7Q3ZVPHc8dzXCm77aY50+BGPSFj/wyXNvqQA+Cjjj+WFfDzK3YeeYa/TXm+R7I\n\
KWw50L/5KdxhXw==\n\
-----END PRIVATE KEY-----\n";
