//! `demo`: everything in one process, nothing on disk.

use super::signals::{Asked, Signals};
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
            eprintln!("stackflow-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: SocketAddr, admin: SocketAddr) -> anyhow::Result<()> {
    let clock = Clock::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::catch()?;
        let api = demo::start_api(move || clock.now())?;
        let account = demo::Account::fresh()?;
        let running = start(demo::gateway(address, admin, api, &account)?, clock)?;
        let base = running.addresses.first().cloned().unwrap_or_default();
        println!("{}", demo::guide::text(&base, &running.admin_address, &account.client_id, account.secret.expose()));
        while signals.next().await == Asked::Reopen {}
        running.stop(Stop::AtOnce).await;
        Ok(())
    })
}
