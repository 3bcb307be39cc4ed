//! Which tokens an entry concerns.
use super::*;

const ISSUER: &str = "https://issuer.example";

/// A token with all that an entry can name, issued at 100.
const TOKEN: Facts<'_> =
    Facts { issuer: ISSUER, jti: Some("token-1"), subject: "user-1", client_id: Some("client-1"), issued_ns: Some(100) };

fn concerns(target: Target, issuer: Option<&str>, issued_before_ns: Option<u64>, token: Facts<'_>) -> bool {
    let issuer = issuer.map(str::to_owned);
    Revocations::from_iter([Revoked { target, issuer, issued_before_ns }]).concern(token)
}

fn targets() -> [Target; 4] {
    [
        Target::Jti("token-1".to_owned()),
        Target::Subject("user-1".to_owned()),
        Target::ClientId("client-1".to_owned()),
        Target::Anyone,
    ]
}

#[test]
fn an_entry_concerns_what_it_names() {
    for target in targets() {
        assert!(concerns(target.clone(), None, None, TOKEN), "{target:?}");
        assert!(concerns(target.clone(), Some(ISSUER), None, TOKEN), "{target:?}");
    }
}

#[test]
fn names_are_compared_exactly_and_each_only_with_its_own_claim() {
    for name in ["token-2", "Token-1", "token-1 ", "", "user-1", "client-1"] {
        assert!(!concerns(Target::Jti(name.to_owned()), None, None, TOKEN), "{name}");
    }
    for name in ["user-2", "USER-1", "", "token-1", "client-1"] {
        assert!(!concerns(Target::Subject(name.to_owned()), None, None, TOKEN), "{name}");
    }
    for name in ["client-2", "client", "", "user-1", "token-1"] {
        assert!(!concerns(Target::ClientId(name.to_owned()), None, None, TOKEN), "{name}");
    }
}

#[test]
fn a_token_that_names_no_jti_or_client_is_concerned_by_no_such_entry() {
    let bare = Facts { jti: None, client_id: None, ..TOKEN };
    assert!(!concerns(Target::Jti("token-1".to_owned()), None, None, bare));
    assert!(!concerns(Target::ClientId("client-1".to_owned()), None, None, bare));
    assert!(concerns(Target::Subject("user-1".to_owned()), None, None, bare));
}

#[test]
fn the_same_subject_of_another_issuer_is_somebody_else() {
    for target in targets() {
        for issuer in ["https://other.example", "https://issuer.example/", "", "https://ISSUER.example"] {
            assert!(!concerns(target.clone(), Some(issuer), None, TOKEN), "{target:?} {issuer}");
        }
    }
}

#[test]
fn issued_before_spares_what_is_issued_then_or_later() {
    for target in targets() {
        for (before_ns, concerned) in [(0, false), (99, false), (100, false), (101, true), (u64::MAX, true)] {
            assert_eq!(concerns(target.clone(), None, Some(before_ns), TOKEN), concerned, "{target:?} {before_ns}");
        }
        assert!(!concerns(target.clone(), Some("https://other.example"), Some(101), TOKEN), "{target:?}");
    }
}

#[test]
fn a_token_that_does_not_say_when_it_was_issued_cannot_prove_that_it_is_newer() {
    let undated = Facts { issued_ns: None, ..TOKEN };
    for target in targets() {
        assert!(concerns(target.clone(), None, Some(0), undated), "{target:?}");
        assert!(!concerns(target.clone(), Some("https://other.example"), Some(0), undated), "{target:?}");
    }
    assert!(!concerns(Target::Subject("user-2".to_owned()), None, Some(0), undated));
}

#[test]
fn one_of_several_entries_is_enough() {
    let entry = |issuer: Option<&str>, issued_before_ns| Revoked {
        target: Target::Subject("user-1".to_owned()),
        issuer: issuer.map(str::to_owned),
        issued_before_ns,
    };
    let revocations = |entries: &[Revoked]| entries.iter().cloned().collect::<Revocations>();
    let spared = [entry(Some("https://other.example"), None), entry(None, Some(50)), entry(Some(ISSUER), Some(100))];
    assert!(!revocations(&spared).concern(TOKEN));
    for place in 0..=spared.len() {
        let mut entries = spared.to_vec();
        entries.insert(place, entry(Some(ISSUER), Some(101)));
        assert!(revocations(&entries).concern(TOKEN), "{place}");
    }
}

#[test]
fn without_entries_nothing_is_concerned() {
    assert!(Revocations::none().is_empty() && !Revocations::none().concern(TOKEN));
    let four = targets().map(|target| Revoked { target, issuer: None, issued_before_ns: None });
    assert_eq!(four.into_iter().collect::<Revocations>().len(), 4);
}

#[test]
fn the_same_entries_are_the_same_revocations() {
    let one = |subject: &str| {
        let target = Target::Subject(subject.to_owned());
        Revocations::from_iter([Revoked { target, issuer: None, issued_before_ns: Some(1) }])
    };
    assert_eq!(one("a"), one("a"));
    assert_ne!(one("a"), one("b"));
    assert_ne!(one("a"), Revocations::none());
}
