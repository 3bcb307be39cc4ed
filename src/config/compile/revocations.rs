//! `auth.revocations`: the file of `[[revoked]]`.
//!
//! Read as strictly as the configuration itself, with the places of that file: an entry that is not understood would leave a token
//! good that somebody wanted refused. For the same reason a file that is not there is a problem, and so is an issuer that the
//! configuration does not have, which is more likely a slip than an issuer of the past.

use super::attached;
use crate::{
    auth::{Revocations, Revoked, Target},
    config::{
        file::WrittenAuth,
        report::{Fault, Placed, Report},
        table::{Table, read_document},
        value::{excerpt, non_empty, one_of},
    },
};
use toml::de::DeTable;

/// Reads the file, if one is named; its problems are reported with their places in it.
pub(super) fn read(report: &Report<'_>, auth: &WrittenAuth) -> Revocations {
    let Some(Placed { at, value: path }) = &auth.revocations else { return Revocations::none() };
    let text = match attached::text(path) {
        Ok(text) => text,
        Err(Fault { what, remedy }) => {
            let remedy = format!("{remedy}; an empty one revokes nothing");
            report.add(*at, "auth.revocations", Fault::new(what, remedy));
            return Revocations::none();
        }
    };
    if let Err(fault) = attached::guarded(path) {
        report.add(*at, "auth.revocations", fault);
        return Revocations::none();
    }
    let listed = auth.issuers.iter().map(|settings| settings.issuer.as_str());
    let issuers: Vec<&str> = listed.chain(auth.token_endpoint.as_ref().map(|own| own.issuer.value.as_str())).collect();
    let (document, syntax) = DeTable::parse_recoverable(&text);
    let own = Report::new(path, &text, &syntax);
    let entries = read_document(&own, document.get_ref(), |root| root.tables("revoked", |table| entry(table, &issuers)));
    for problem in own.into_problems().0 {
        report.add_elsewhere(*at, problem);
    }
    entries.into_iter().flatten().collect()
}

/// One `[[revoked]]`; `None` when it does not say whose tokens.
fn entry(table: &Table<'_>, issuers: &[&str]) -> Option<Revoked> {
    let name = |key| table.text(key, non_empty).map(|placed| placed.value);
    let named = [name("jti").map(Target::Jti), name("subject").map(Target::Subject), name("client_id").map(Target::ClientId)];
    let issuer = table.text("issuer", |text| configured(text, issuers)).map(|placed| placed.value);
    let issued_before = table.moment("issued_before");
    refuse_several(table);
    let names_nobody = ["jti", "subject", "client_id", "issued_before"].iter().all(|key| table.place_of(key).is_none());
    if names_nobody {
        let remedy = "write `jti`, `subject` or `client_id`, or for the tokens of everyone `issued_before`";
        let what = if issuer.is_some() { "would revoke every token of its issuer" } else { "says nothing" };
        table.report().add(table.at(), "revoked", Fault::new(what, remedy));
        return None;
    }
    let target = named.into_iter().flatten().next().unwrap_or(Target::Anyone);
    Some(Revoked { target, issuer, issued_before_ns: issued_before.map(|placed| placed.value) })
}

fn refuse_several(table: &Table<'_>) {
    let mut there = ["jti", "subject", "client_id"].into_iter().filter(|key| table.place_of(key).is_some());
    let Some(first) = there.next() else { return };
    let what = format!("cannot stand beside `{first}`");
    there.for_each(|key| table.refuse(key, &what, "write an entry of its own"));
}

fn configured(text: &str, issuers: &[&str]) -> Result<String, Fault> {
    if issuers.contains(&text) {
        return Ok(text.to_owned());
    }
    let remedy = format!("{}, or remove the entry", one_of(issuers.iter().copied()));
    Err(Fault::new(format!("`{}` is no issuer of this configuration", excerpt(text)), remedy))
}

#[cfg(test)]
mod tests;
