//! Reads the header from a connection, before TLS and everything else, and says from where the connection really comes.
//!
//! What was read past the header goes back to the connection, for whoever reads next. A connection that ends here gets no answer:
//! in which protocol the client behind it speaks is not known yet.

use super::{Fault, Verdict, read};
use crate::{
    config::{Bounds, ProxyProtocol},
    observe::HEADER_FAULTS,
    proxy::connection::Connection,
};
use prometheus::IntCounterVec;
use std::{fmt, io, net::SocketAddr, pin::pin, time::Duration};
use tokio::{io::AsyncReadExt, sync::watch, time::timeout};

/// Read ahead: usually a header and the beginning of what the client sends. Longer headers take more.
const READ: usize = 512;

/// What a listener expects at the beginning of its connections.
#[derive(Clone, Debug)]
pub struct Expecting {
    is_required: bool,
    first_byte: Duration,
    header: Duration,
    /// Counts those that are closed, by [`HEADER_FAULTS`].
    refused: IntCounterVec,
}

/// Why a connection ends before it has begun.
#[derive(Debug)]
pub enum Ended {
    /// The header breaks the rules.
    Malformed(Fault),
    /// There is none where there must be one.
    Missing,
    /// It did not come in its time.
    Late,
    /// The other end has closed the connection, or the gateway stops.
    Closed,
    /// The connection's own error.
    Broken(io::Error),
}

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(Fault(what)) => write!(formatter, "{what}"),
            Self::Missing => formatter.write_str("a connection without a header"),
            Self::Late => formatter.write_str("a header that does not come in time"),
            Self::Closed => formatter.write_str("closed before the header"),
            Self::Broken(error) => write!(formatter, "{error}"),
        }
    }
}

impl Expecting {
    /// `None` where there is to be no header.
    #[must_use]
    pub fn new(mode: ProxyProtocol, bounds: &Bounds, refused: &IntCounterVec) -> Option<Self> {
        let header = bounds.header_timeout;
        let (is_required, first_byte) = match mode {
            ProxyProtocol::Off => return None,
            // A client that is not behind a proxy may take its time, as on any other listener.
            ProxyProtocol::Optional => (false, bounds.idle_timeout),
            // A proxy sends the header as soon as it is connected.
            ProxyProtocol::Required => (true, header),
        };
        Some(Self { is_required, first_byte, header, refused: refused.clone() })
    }

    fn count(&self, ended: &Ended) {
        let [malformed, missing, late] = HEADER_FAULTS;
        let fault = match ended {
            Ended::Malformed(_) => malformed,
            Ended::Missing => missing,
            Ended::Late => late,
            Ended::Closed | Ended::Broken(_) => return,
        };
        self.refused.with_label_values(&[fault]).inc();
    }
}

/// The source that the header names, if there is a header and it names one.
///
/// # Errors
/// The connection is not to be served.
pub async fn receive(
    connection: &mut Connection,
    expecting: &Expecting,
    shutdown: &watch::Receiver<bool>,
) -> Result<Option<SocketAddr>, Ended> {
    receive_uncounted(connection, expecting, shutdown).await.inspect_err(|ended| {
        expecting.count(ended);
        log::debug!(target: "listeners", "PROXY protocol: {ended}");
    })
}

async fn receive_uncounted(
    connection: &mut Connection,
    expecting: &Expecting,
    shutdown: &watch::Receiver<bool>,
) -> Result<Option<SocketAddr>, Ended> {
    let mut input = Vec::with_capacity(READ);
    let mut shutdown = shutdown.clone();
    let stopping = pin!(shutdown.wait_for(|stopping| *stopping));
    tokio::select! {
        biased;
        came = timeout(expecting.first_byte, read_more(connection, &mut input)) => came.map_err(|_| Ended::Late)??,
        _ = stopping => return Err(Ended::Closed),
    }
    let (length, source) =
        timeout(expecting.header, header(connection, &mut input, expecting)).await.map_err(|_| Ended::Late)??;
    input.drain(..length);
    connection.unread(input);
    Ok(source)
}

/// How long the header is, 0 if there is none, and what it names.
async fn header(
    connection: &mut Connection,
    input: &mut Vec<u8>,
    expecting: &Expecting,
) -> Result<(usize, Option<SocketAddr>), Ended> {
    loop {
        match read(input) {
            Verdict::Incomplete => read_more(connection, input).await?,
            Verdict::Header { length, source } => return Ok((length, source)),
            Verdict::Absent if expecting.is_required => return Err(Ended::Missing),
            Verdict::Absent => return Ok((0, None)),
            Verdict::Malformed(fault) => return Err(Ended::Malformed(fault)),
        }
    }
}

async fn read_more(connection: &mut Connection, input: &mut Vec<u8>) -> Result<(), Ended> {
    match connection.read_buf(input).await {
        Ok(0) => Err(Ended::Closed),
        Ok(_) => Ok(()),
        Err(error) => Err(Ended::Broken(error)),
    }
}

#[cfg(test)]
mod tests;
