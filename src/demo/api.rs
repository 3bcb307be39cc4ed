//! The sample API that the demo puts behind the gateway: an HTTP/1.1 server with seeded records, in memory.
//!
//! It behaves like the real one in what a gateway can meet: cursor pages with `Link`, entity tags and preconditions, creation with
//! `Location`, bulk jobs that take time, event streams, JSON errors.
//!
//! Invariants: what strangers create is bounded, the oldest is forgotten first (`collection`, `jobs`); a body is at most
//! [`MAX_BODY`] bytes; at most [`MAX_CONNECTIONS`] connections are open.
//!
//! It deliberately does not authenticate, and it closes no idle connection: it listens on loopback for the gateway alone, which
//! has done both, and an upstream that closes pooled connections would only add failures that are not the gateway's.

mod answer;
mod caller;
mod collection;
mod fields;
mod jobs;
mod page;
mod question;
mod records;
mod routes;
mod seed;
#[cfg(test)]
mod tests;

use self::routes::Api;
use crate::time::Now;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// The path that every endpoint lies under.
pub const BASE_PATH: &str = "/api/v1";
/// Longest accepted request body in bytes.
pub const MAX_BODY: usize = 10 * 1024 * 1024;
/// Connections open at a time; further ones wait in the listener's queue.
pub const MAX_CONNECTIONS: usize = 1024;

/// Time between two events of an answer that is streamed: ten of them make a second.
const TOKEN_INTERVAL: Duration = Duration::from_millis(100);
/// Pause after a failed accept. The usual cause is a lack of file descriptors, which a tight loop would only aggravate.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers on `listener` until the future is dropped; its connections end with it. `clock` dates records and jobs.
pub async fn serve(listener: TcpListener, clock: impl Fn() -> Now + Send + Sync + 'static) {
    serve_with(listener, Api::new(clock, TOKEN_INTERVAL)).await;
}

async fn serve_with(listener: TcpListener, api: Api) {
    let api = Arc::new(api);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, Arc::clone(&api)));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}

/// One connection's requests, until the client has enough. Its errors are the client's doing and concern nobody else.
async fn converse(stream: TcpStream, api: Arc<Api>) {
    // Without it Nagle's algorithm and delayed acknowledgements together hold small answers back by 40 ms.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let api = Arc::clone(&api);
        async move { Ok::<_, Infallible>(api.answer(request).await) }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
