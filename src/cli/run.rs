//! `run`: serves until a signal ends it.

use super::{
    BAD_USAGE, failed, note,
    signals::{Asked, HangUps, Signals},
};
use crate::{
    config::{Gateway, load, render_text},
    proxy::{Clock, ConnectionBounds, Running, Stop, start, take_over},
    remote::settle_signing_keys,
};
use sd_notify::NotifyState;
use std::{convert::Infallible, path::Path, process::ExitCode};

/// Loads, starts or takes over, says where it listens, and waits for its end.
pub fn run(config: &Path, upgrade: bool) -> ExitCode {
    let clock = Clock::start();
    let gateway = match load(config) {
        Ok(gateway) => gateway,
        Err(problems) => {
            note(render_text(&problems).trim_end());
            return ExitCode::from(BAD_USAGE);
        }
    };
    match serve(config, upgrade, gateway, clock) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn serve(config: &Path, upgrade: bool, mut gateway: Gateway, clock: Clock) -> anyhow::Result<()> {
    settle_signing_keys(&mut gateway, clock.now())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let (mut signals, hang_ups) = (Signals::catch()?, HangUps::catch()?);
        let running = if upgrade {
            note(&format!("waiting at {} to take over", gateway.server.upgrade_socket.display()));
            tokio::select! {
                running = take_over(gateway, clock, config.to_owned()) => running?,
                // Nothing was taken yet.
                _asked = signals.next() => return Ok(()),
            }
        } else {
            start(gateway, clock, Some(config.to_owned()))?
        };
        announce(&running);
        // Whoever watches the process that hands over watches this one from now on.
        let taken = upgrade.then(|| NotifyState::MainPid(std::process::id()));
        notify(&taken.into_iter().chain([NotifyState::Ready]).collect::<Vec<_>>());
        wait(signals, hang_ups, running).await;
        Ok(())
    });
    // What still writes, on a disk that hangs, does not keep the process.
    runtime.shutdown_background();
    served
}

/// Without systemd there is nobody to tell.
fn notify(states: &[NotifyState<'_>]) {
    drop(sd_notify::notify(false, states));
}

/// On standard error, so that it can be read while the log goes to standard output.
fn announce(running: &Running) {
    for address in &running.addresses {
        note(&format!("listening on {address}"));
    }
    let ConnectionBounds { all, address } = running.connection_bounds;
    note(&format!("at most {all} connections, {address} of one address"));
    note(&format!("admin listening on {}", running.admin_address));
}

async fn wait(mut signals: Signals, mut hang_ups: HangUps, running: Running) {
    let how = loop {
        // From the first signal that ends the process on nothing is reloaded any more.
        let asked = tokio::select! {
            asked = signals.next() => asked,
            never = reload_when_asked(&mut hang_ups, &running) => match never {},
        };
        match asked {
            Asked::Stop => break Stop::AtOnce,
            Asked::Drain => break Stop::Gracefully,
            Asked::HandOver => {
                if let Some(how) = hand_over(&mut signals, &running).await {
                    break how;
                }
            }
        }
    };
    // Of a process that was taken over systemd watches the successor.
    if how == Stop::Gracefully {
        notify(&[NotifyState::Stopping]);
    }
    tokio::select! {
        () = running.stop(how) => {}
        // A second signal of the kind that does not wait.
        () = impatience(&mut signals) => {}
    }
}

/// How the process ends now; none when nobody has taken over.
async fn hand_over(signals: &mut Signals, running: &Running) -> Option<Stop> {
    let handed_over = running.hand_over();
    tokio::pin!(handed_over);
    loop {
        tokio::select! {
            handed_over = &mut handed_over => {
                return match handed_over {
                    Ok(()) => Some(Stop::HandedOver),
                    Err(error) => {
                        log::error!(target: "upgrade", "not handed over, still serving: {error}");
                        None
                    }
                };
            }
            asked = signals.next() => match asked {
                Asked::HandOver => {}
                Asked::Drain => return Some(Stop::Gracefully),
                Asked::Stop => return Some(Stop::AtOnce),
            },
        }
    }
}

/// One reload at a time; whatever asks for one meanwhile gets one more.
async fn reload_when_asked(hang_ups: &mut HangUps, running: &Running) -> Infallible {
    loop {
        let waiting = tokio::select! {
            () = hang_ups.next() => {
                running.reopen_log();
                None
            }
            waiting = running.reload_asked() => Some(waiting),
        };
        // `Type=notify-reload` holds whoever asked systemd until READY=1, also when the reload failed: the gateway serves.
        if let Ok(since) = NotifyState::monotonic_usec_now() {
            notify(&[NotifyState::Reloading, since]);
        }
        let reloaded = running.reload().await;
        notify(&[NotifyState::Ready]);
        if let Some(waiting) = waiting {
            waiting.answer(&reloaded);
        }
    }
}

async fn impatience(signals: &mut Signals) {
    while signals.next().await != Asked::Stop {}
}
