//! Names of upstream servers, resolved at the start and again and again, so that a moved server is found.

use crate::upstream::{Server, Upstreams};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinSet;

/// Between two look-ups of a name that is known.
const LOOK_UP_EVERY: Duration = Duration::from_secs(10);
/// Between two look-ups while a name is unknown.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// A resolver that does not answer is given up after this long.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Keeps the addresses of all named servers current; never returns while there are any. Dropping it ends it.
pub fn resolve_names(upstreams: &Upstreams) -> impl Future<Output = ()> + Send + use<> {
    let named = named(upstreams);
    async move {
        while !named.is_empty() {
            for server in &named {
                look_up(server).await;
            }
            let unknown = named.iter().any(|server| server.addresses().is_empty());
            tokio::time::sleep(if unknown { RETRY_EVERY } else { LOOK_UP_EVERY }).await;
        }
    }
}

/// Looks the names up that have no address yet, all at the same time: before a configuration is taken up while requests come in,
/// its new servers must be known.
pub async fn look_up_unknown(upstreams: &Upstreams) {
    let mut look_ups = JoinSet::new();
    for server in named(upstreams).into_iter().filter(|server| server.addresses().is_empty()) {
        look_ups.spawn(async move { look_up(&server).await });
    }
    look_ups.join_all().await;
}

fn named(upstreams: &Upstreams) -> Vec<Arc<Server>> {
    upstreams.0.iter().flat_map(|upstream| &upstream.servers).filter(|server| server.is_name()).cloned().collect()
}

async fn look_up(server: &Server) {
    let look_up = tokio::net::lookup_host((server.address.host.as_str(), server.address.port));
    match tokio::time::timeout(TIMEOUT, look_up).await {
        Ok(Ok(addresses)) => server.resolve_to(addresses.collect()),
        Ok(Err(error)) => log::warn!(target: "names", "{}: {error}", server.address),
        Err(_) => log::warn!(target: "names", "{}: the resolver did not answer", server.address),
    }
}
