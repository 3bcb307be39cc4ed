//! Names of upstream servers, resolved at the start and again and again, so that a moved server is found.

use crate::{config::Gateway, upstream::Server};
use std::{sync::Arc, time::Duration};

/// Between two look-ups of a name that is known.
const LOOK_UP_EVERY: Duration = Duration::from_secs(10);
/// Between two look-ups while a name is unknown.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// A resolver that does not answer is given up after this long.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Keeps the addresses of all named servers current; never returns while there are any.
pub async fn resolve_names(gateway: Arc<Gateway>) {
    if !gateway.upstreams.0.iter().flat_map(|upstream| &upstream.servers).any(Server::is_name) {
        return;
    }
    loop {
        let mut pause = LOOK_UP_EVERY;
        for server in gateway.upstreams.0.iter().flat_map(|upstream| &upstream.servers).filter(|server| server.is_name()) {
            let look_up = tokio::net::lookup_host((server.address.host.as_str(), server.address.port));
            match tokio::time::timeout(TIMEOUT, look_up).await {
                Ok(Ok(addresses)) => server.resolve_to(addresses.collect()),
                Ok(Err(error)) => log::warn!(target: "names", "{}: {error}", server.address),
                Err(_) => log::warn!(target: "names", "{}: the resolver did not answer", server.address),
            }
            if server.addresses().is_empty() {
                pause = RETRY_EVERY;
            }
        }
        tokio::time::sleep(pause).await;
    }
}
