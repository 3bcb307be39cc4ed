//! `demo`: everything in one process, nothing on disk.

use super::{
    Failure, failed, print,
    signals::{HangUps, Signals},
};
use crate::{
    config::{ListenerAddress, is_public, overlap},
    demo,
    proxy::{Clock, Stop, start},
};
use std::{net::SocketAddr, process::ExitCode};

/// Starts the demo, prints what to try, and serves until Ctrl-C.
pub fn demo(address: SocketAddr, admin: SocketAddr) -> ExitCode {
    if let Err(failure) = check(address, admin) {
        return failure.report();
    }
    serve(address, admin).map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS)
}

/// What the demo's configuration would be refused for, said of the arguments: its file is nowhere to be seen.
fn check(address: SocketAddr, admin: SocketAddr) -> Result<(), Failure> {
    let (listener, own) = (ListenerAddress::Tcp(address), ListenerAddress::Tcp(admin));
    if is_public(&own) {
        let remedy = "write a loopback, link-local or private address, as in 127.0.0.1:9901";
        return Err(Failure::Usage(format!("--admin {admin} could be reached by strangers: {remedy}")));
    }
    if overlap(&listener, &own) {
        let remedy = "write another port for one of them";
        return Err(Failure::Usage(format!("--admin {admin} cannot be bound beside --address {address}: {remedy}")));
    }
    Ok(())
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
