//! From the next server to a connection's parameters, and from the framework's errors to the contract's.

use super::{guard::BodyRefused, idle::IDLE_TIMEOUT};
use crate::{
    observe::UpstreamFailure,
    reply::Rejection,
    upstream::{Server, UpstreamSettings},
};
use pingora_core::{Error, ErrorSource, ErrorType, protocols::TcpKeepalive, upstreams::peer::HttpPeer};
use std::{net::SocketAddr, time::Duration};

/// A connection to one address of a server. `response_timeout` is the route's.
#[must_use]
pub fn peer(settings: &UpstreamSettings, server: &Server, address: SocketAddr, response_timeout: Option<Duration>) -> HttpPeer {
    // With an empty name the framework would not verify the certificate at all; a server's host is never empty.
    let name = if server.address.tls { server.address.host.clone() } else { String::new() };
    let mut peer = HttpPeer::new(address, server.address.tls, name);
    let options = &mut peer.options;
    options.connection_timeout = Some(settings.connect_timeout);
    options.total_connection_timeout = Some(settings.connect_timeout);
    let to_head = response_timeout.unwrap_or(settings.response_timeout);
    options.read_timeout = Some(to_head);
    options.write_timeout = Some(to_head);
    options.idle_timeout = Some(IDLE_TIMEOUT);
    options.tcp_keepalive = Some(TcpKeepalive {
        idle: Duration::from_secs(60),
        interval: Duration::from_secs(5),
        count: 5,
        #[cfg(target_os = "linux")]
        user_timeout: Duration::from_secs(85),
    });
    peer
}

/// What an error means for the client: `None` when the client is gone and nobody reads an answer.
#[must_use]
pub fn rejection(error: &Error) -> Option<Rejection> {
    match error.esource() {
        ErrorSource::Upstream => Some(match failure(error) {
            UpstreamFailure::Timeout => Rejection::UpstreamTimeout,
            UpstreamFailure::NoAddress => Rejection::NoUpstream,
            UpstreamFailure::Connect | UpstreamFailure::Response => Rejection::BadUpstream,
        }),
        ErrorSource::Downstream => match error.etype() {
            ErrorType::ReadError => refused_body(error).map(|refused| match refused {
                BodyRefused::Malformed(what) => Rejection::InvalidRequest(what),
                BodyRefused::TooSlow => Rejection::RequestTimeout,
            }),
            ErrorType::WriteError | ErrorType::ConnectionClosed | ErrorType::WriteTimedout => None,
            ErrorType::ReadTimedout => Some(Rejection::RequestTimeout),
            _ => Some(Rejection::InvalidRequest("the request could not be read")),
        },
        ErrorSource::Internal | ErrorSource::Unset => Some(Rejection::Internal),
    }
}

/// What the guard found wrong with a request's body.
fn refused_body(error: &Error) -> Option<&BodyRefused> {
    error.root_cause().downcast_ref::<std::io::Error>()?.get_ref()?.downcast_ref()
}

/// The kind of an upstream's failure.
#[must_use]
pub fn failure(error: &Error) -> UpstreamFailure {
    match error.etype() {
        ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout | ErrorType::TLSHandshakeTimedout => {
            UpstreamFailure::Timeout
        }
        ErrorType::ConnectError
        | ErrorType::ConnectRefused
        | ErrorType::ConnectNoRoute
        | ErrorType::ConnectProxyFailure
        | ErrorType::TLSHandshakeFailure
        | ErrorType::InvalidCert
        | ErrorType::SocketError
        | ErrorType::BindError => UpstreamFailure::Connect,
        _ => UpstreamFailure::Response,
    }
}
