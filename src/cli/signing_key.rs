//! `signing-key rotate`: a new signing key beside the public half of the old one.

use super::{Failure, Format, TAKE_UP};
use crate::{
    config::{TokenFiles, render_text, token_files},
    proxy::Clock,
    remote::{RotateError, Rotation, rotate_signing_key},
    token::PublicKey,
};
use serde_json::json;
use std::{path::Path, process::ExitCode};

/// Rotates, and says what the running gateways do with it.
pub fn rotate(config: &Path, forget_old: bool, format: Format) -> ExitCode {
    let rotated = token_files(config).map_err(|problems| Failure::Usage(render_text(&problems))).and_then(|files| {
        let rotation = rotate_signing_key(&files, forget_old, Clock::start().now()).map_err(|error| match error {
            RotateError::BadFile(what) => Failure::Usage(format!("stackflow-gateway: {what}")),
            RotateError::Io(error) => Failure::System(error.to_string()),
        })?;
        Ok((files, rotation))
    });
    match rotated {
        Ok((files, rotation)) => {
            say(&files, &rotation, forget_old, format);
            ExitCode::SUCCESS
        }
        Err(failure) => failure.report(),
    }
}

fn say(files: &TokenFiles, rotation: &Rotation, forget_old: bool, format: Format) {
    let old = rotation.old.as_ref().map(PublicKey::kid);
    match format {
        Format::Json => println!("{:#}", json!({"kid": rotation.new.kid(), "old_kid": old, "old_is_kept": !forget_old})),
        Format::Text => {
            println!("new key  {}", rotation.new.kid());
            println!("old key  {}", old.unwrap_or("none"));
        }
    }
    eprintln!("{} holds the new key. A gateway that runs signs with it {TAKE_UP}.", rotation.signing_key.display());
    if old.is_none() {
        return;
    }
    if forget_old {
        eprintln!("From then on it refuses what was signed before. Reload every gateway that shares the key.");
    } else {
        let lifetime = files.token_lifetime.as_secs();
        eprintln!("From the first such reload on the old key stays published for two token lifetimes ({} s).", lifetime * 2);
        eprintln!(
            "Reload every gateway that shares the key within one ({lifetime} s). It is kept in {}.",
            rotation.retired.display()
        );
    }
}
