//! `demo`: everything in one process, nothing on disk.

use super::{
    note, print,
    signals::{HangUps, Signals},
};
use crate::{
    demo,
    proxy::{Clock, Stop, start},
};
use std::{net::SocketAddr, process::ExitCode};

/// Starts the demo, prints what to try, and serves until Ctrl-C.
pub fn demo(address: SocketAddr, admin: SocketAddr) -> ExitCode {
    match serve(address, admin) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("stackflow-gateway: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn serve(address: SocketAddr, admin: SocketAddr) -> anyhow::Result<()> {
    let clock = Clock::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::catch()?;
        // There is nothing to reload, and a terminal that closes is no reason to stop.
        let _ignored = HangUps::catch()?;
        let api = demo::start_api(move || clock.now())?;
        let account = demo::Account::fresh()?;
        let running = start(demo::gateway(address, admin, api, &account)?, clock, None)?;
        let base = running.addresses.first().cloned().unwrap_or_default();
        let guide = demo::guide::text(&base, &running.admin_address, &account.client_id, account.secret.expose());
        print(&format!("{guide}\n"))?;
        let _how = signals.next().await;
        running.stop(Stop::AtOnce).await;
        Ok(())
    })
}
