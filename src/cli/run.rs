//! `run`: serves until a signal ends it.

use super::{
    BAD_USAGE,
    signals::{Asked, Signals},
};
use crate::{
    config::{Gateway, load, render_text},
    proxy::{Clock, Running, Stop, start},
    remote::settle_signing_keys,
};
use std::{path::Path, process::ExitCode};

/// Loads, starts, says where it listens, and waits for its end.
pub fn run(config: &Path) -> ExitCode {
    let clock = Clock::start();
    let gateway = match load(config) {
        Ok(gateway) => gateway,
        Err(problems) => {
            eprint!("{}", render_text(&problems));
            return ExitCode::from(BAD_USAGE);
        }
    };
    match serve(gateway, clock) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stackflow-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(mut gateway: Gateway, clock: Clock) -> anyhow::Result<()> {
    settle_signing_keys(&mut gateway, clock.now())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let signals = Signals::catch()?;
        let running = start(gateway, clock)?;
        announce(&running);
        // Without systemd there is nobody to tell.
        drop(sd_notify::notify(false, &[sd_notify::NotifyState::Ready]));
        wait(signals, running).await;
        Ok(())
    })
}

/// On standard error, so that it can be read while the log goes to standard output.
fn announce(running: &Running) {
    for address in &running.addresses {
        eprintln!("listening on {address}");
    }
    eprintln!("admin listening on {}", running.admin_address);
}

async fn wait(mut signals: Signals, running: Running) {
    let asked = loop {
        match signals.next().await {
            Asked::Reopen => {
                running.reopen_log();
                // Whoever sends SIGHUP may have changed the configuration, and would otherwise take it for the one in use.
                log::warn!(target: "gateway", "SIGHUP: only the log was opened again; reloading the configuration is not in this version");
            }
            ended => break ended,
        }
    };
    if asked == Asked::Stop {
        return running.stop(Stop::AtOnce).await;
    }
    drop(sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]));
    tokio::select! {
        () = running.stop(Stop::Gracefully) => {}
        // A second signal of the kind that does not wait.
        () = impatience(&mut signals) => {}
    }
}

async fn impatience(signals: &mut Signals) {
    while signals.next().await != Asked::Stop {}
}
