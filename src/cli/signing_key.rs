//! `signing-key rotate`: a new signing key beside the public half of the old one.

use super::{Failure, Format, TAKE_UP, note, print, unprinted};
use crate::{
    config::{TokenFiles, retired_keys_file, token_files},
    proxy::Clock,
    remote::{RotateError, Rotation, rotate_signing_key},
    token::PublicKey,
};
use serde_json::json;
use std::{io, path::Path, process::ExitCode};

/// Rotates, and says what the running gateways do with it.
pub fn rotate(config: &Path, forget_old: bool, format: Format) -> ExitCode {
    let rotated = rotated(config, forget_old).and_then(|(files, rotation)| {
        show(&rotation, forget_old, format).map_err(|error| unprinted(&error, "the key is rotated all the same"))?;
        say_what_comes(&files, &rotation, forget_old);
        Ok(())
    });
    rotated.map_or_else(|failure| failure.report(), |()| ExitCode::SUCCESS)
}

fn rotated(config: &Path, forget_old: bool) -> Result<(TokenFiles, Rotation), Failure> {
    let files = token_files(config)?;
    let rotation = rotate_signing_key(&files, forget_old, Clock::start().now()).map_err(|error| match error {
        RotateError::BadFile(what) => Failure::Usage(what),
        RotateError::Io(error) => Failure::system(&error, "the key stays"),
    })?;
    Ok((files, rotation))
}

fn show(rotation: &Rotation, forget_old: bool, format: Format) -> io::Result<()> {
    let (new, old) = (rotation.new.kid(), rotation.old.as_ref().map(PublicKey::kid));
    print(&match format {
        Format::Json => format!("{:#}\n", json!({"kid": new, "old_kid": old, "old_is_kept": !forget_old})),
        Format::Text => format!("new key  {new}\nold key  {}\n", old.unwrap_or("none")),
    })
}

fn say_what_comes(files: &TokenFiles, rotation: &Rotation, forget_old: bool) {
    note(&format!("{} holds the new key. A gateway that runs signs with it {TAKE_UP}.", files.signing_key.display()));
    if rotation.old.is_none() {
        return;
    }
    note("Reload all gateways that share the key at once: until it is reloaded, each refuses (401) what a reloaded one signs.");
    if forget_old {
        note(
            "Once reloaded, each refuses what was signed before. Others that verify these tokens by the published key set do so",
        );
        note("once they fetch it again: a minute later, unless they keep it for longer.");
    } else {
        let lifetime = files.token_lifetime.as_secs();
        let both = lifetime * 2;
        note(&format!(
            "From the first reload on tokens of the old key are accepted for two token lifetimes ({both} s): one ({lifetime} s)"
        ));
        note("for gateways that still sign with it, one for the last of those tokens.");
        note(&format!("The old key is kept in {}.", retired_keys_file(&files.signing_key).display()));
    }
}
