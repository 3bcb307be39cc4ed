//! All tables of spoiled and of unusual tokens together, for whoever else judges them.
//!
//! That the gateway refuses each spoiled token and takes each unusual one is what the tests beside the tables say.
use crate::{
    claims, form,
    good::{Case, Court, Kind, Taken},
    header, keys,
    pairs::{AllKinds, Pair},
    signatures,
};
use jsonwebtoken::Algorithm;
const SPOILED: &[(&str, Kind, &[Case])] = &[
    ("segments", Kind::Access, form::SEGMENTS),
    ("base64url", Kind::Access, form::BASE64URL),
    ("json", Kind::Access, form::JSON),
    ("twice", Kind::Access, form::TWICE),
    ("algorithm", Kind::Access, header::ALGORITHM),
    ("key", Kind::Access, header::KEY),
    ("critical", Kind::Access, header::CRITICAL),
    ("type", Kind::Access, header::TYPE),
    ("issuer", Kind::Access, claims::ISSUER),
    ("time", Kind::Access, claims::TIME),
    ("use", Kind::Access, claims::USE),
    ("subject", Kind::Access, claims::SUBJECT),
    ("audience", Kind::Id, claims::AUDIENCE),
];

const TAKEN: &[(&str, Kind, &[Taken])] = &[
    ("form", Kind::Access, form::TAKEN),
    ("header", Kind::Access, header::TAKEN),
    ("claims", Kind::Access, claims::TAKEN_ACCESS),
    ("claims of an id token", Kind::Id, claims::TAKEN_ID),
];

/// A token of a table.
pub struct Token {
    /// `TABLE: CASE`.
    pub name: String,
    pub kind: Kind,
    pub text: String,
}

/// Tokens that are refused; some name keys by a URL that is nobody's business.
pub fn spoiled(keys_of_stranger: &str) -> Vec<Token> {
    let tokens = SPOILED.iter().flat_map(|(table, kind, cases)| {
        cases.iter().map(move |(case, spoil, _)| token(table, case, *kind, spoil(&Court::good(*kind, keys_of_stranger))))
    });
    tokens.collect()
}

/// Plain tokens and then unusual ones, all of which are taken.
pub fn taken(keys_of_stranger: &str) -> Vec<Token> {
    let plain = [("access token", Kind::Access), ("id token", Kind::Id)];
    let plain = plain.map(|(case, kind)| token("good", case, kind, Court::good(kind, "").token()));
    let unusual = TAKEN.iter().flat_map(|(table, kind, cases)| {
        cases.iter().map(move |(case, write)| token(table, case, *kind, write(&Court::good(*kind, keys_of_stranger))))
    });
    plain.into_iter().chain(unusual).collect()
}

/// A gateway with keys of every kind and their twins in one set, and tokens of theirs.
pub struct Kinds {
    pub court: AllKinds,
    /// A plain one of each key.
    pub taken: Vec<Token>,
    pub spoiled: Vec<Token>,
}

impl Kinds {
    pub fn start() -> Self {
        let pairs = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA].map(Pair::new);
        let of = |algorithm: Algorithm| pairs.iter().find(|pair| pair.algorithm == algorithm).expect("one of them");
        let token = |table: &str, case: &str, text| token(table, case, Kind::Access, text);
        let (mut set, mut spoiled) = (Vec::from(pairs.each_ref().map(|pair| pair.jwk.clone())), Vec::new());
        for (algorithm, cases) in keys::TABLES {
            for (case, change, _) in *cases {
                let name = format!("{algorithm:?}: {case}");
                let twin = of(*algorithm).twin(&name, change);
                // A key without a name is anybody's to Envoy: it would verify what is signed in the name of all others.
                if !twin["kid"].is_string() {
                    continue;
                }
                set.push(twin);
                spoiled.push(token("keys", &name, of(*algorithm).token(&name).token()));
            }
        }
        for bits in keys::SHORT {
            let (twin, text) = keys::short(of(Algorithm::RS256), bits);
            set.push(twin);
            spoiled.push(token("keys", &format!("RS256: of {bits} bits"), text));
        }
        for (algorithm, cases) in signatures::TABLES {
            for (case, change) in *cases {
                let text = of(*algorithm).token(&format!("{algorithm:?}")).with_signature(change).token();
                spoiled.push(token("signatures", &format!("{algorithm:?}: {case}"), text));
            }
        }
        let plain =
            |pair: &Pair| token("good", &format!("{:?}", pair.algorithm), pair.token(&format!("{:?}", pair.algorithm)).token());
        Self { court: AllKinds::start(&set), taken: pairs.iter().map(plain).collect(), spoiled }
    }
}

fn token(table: &str, case: &str, kind: Kind, text: String) -> Token {
    Token { name: format!("{table}: {case}"), kind, text }
}

/// Names of those for which `is` holds.
pub fn names(tokens: &[Token], is: impl Fn(&Token) -> bool) -> Vec<&str> {
    let mut names: Vec<&str> = tokens.iter().filter(|token| is(token)).map(|token| token.name.as_str()).collect();
    names.sort_unstable();
    names
}
