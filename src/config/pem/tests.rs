//! What is found in a file, and what is not taken for it.

use super::{PemError, authorities, certificates, private_key};
use crate::config::compile::tests::Folder;
use rcgen::{CertifiedKey, generate_simple_self_signed};

/// A certificate and its key, PEM.
pub(in crate::config) fn made() -> (String, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["a.example".to_owned()]).expect("a certificate");
    (cert.pem(), signing_key.serialize_pem())
}

/// How many certificates, or why none.
fn check(text: &str, expected: Result<usize, &str>) {
    let folder = Folder::with(&[("file.pem", text)]);
    let found = certificates(&folder.path("file.pem")).map(|all| all.len()).map_err(|error| error.to_string());
    assert_eq!(found, expected.map_err(str::to_owned), "{text}");
}

#[test]
fn what_is_not_there_cannot_be_read() {
    let folder = Folder::with(&[]);
    assert!(matches!(certificates(&folder.path("file.pem")), Err(PemError::Unreadable(_))));
    assert!(matches!(private_key(&folder.path("file.pem")), Err(PemError::Unreadable(_))));
}

#[test]
fn without_a_whole_certificate_there_is_none() {
    let (certificate, key) = made();
    for text in ["", "hello", &key, &certificate.replace("CERTIFICATE", "X509 CRL"), &certificate[..certificate.len() / 2]] {
        check(text, Err("no certificate in it"));
    }
}

#[test]
fn one_damaged_certificate_spoils_the_chain() {
    let (certificate, _) = made();
    check(&format!("{certificate}{}", certificate.replace("\nMI", "\n!!")), Err("no certificate in it"));
}

#[test]
fn certificates_are_found_beside_other_things() {
    let (certificate, key) = made();
    check(&certificate, Ok(1));
    check(&format!("a comment\n{certificate}{key}{certificate}"), Ok(2));
}

#[test]
fn a_key_is_found_beside_other_things() {
    let (certificate, key) = made();
    let folder = Folder::with(&[("both.pem", &format!("{certificate}{key}")), ("none.pem", &certificate)]);
    assert!(private_key(&folder.path("both.pem")).is_ok());
    assert!(matches!(private_key(&folder.path("none.pem")), Err(PemError::NoPrivateKey)));
}

#[test]
fn trust_begins_at_real_certificates() {
    let not_one = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let folder = Folder::with(&[("good.pem", &made().0), ("bad.pem", not_one)]);
    assert_eq!(authorities(&folder.path("good.pem")).map(|roots| roots.len()).ok(), Some(1));
    assert!(matches!(authorities(&folder.path("bad.pem")), Err(PemError::Untrusted(_))));
}
