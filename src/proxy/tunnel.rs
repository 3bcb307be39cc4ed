//! A WebSocket once it is agreed upon: bytes both ways, untouched and not looked into, for as long as both sides keep it open.
//!
//! Invariants: each direction waits only for its own reader, and holds no more than it reads at once, and nothing while it waits
//! to read. Silence ends nothing (a side that is gone is found out by TCP keep-alive); a reader that takes nothing for its
//! write time-out does, and once one side has said its last the other has as long to do so.

use super::guard::Taken;
use bytes::{Buf, BytesMut};
use pingora_core::protocols::Stream;
use std::{io, mem::MaybeUninit, pin::Pin, task::ready, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf, split},
    time::timeout,
};

/// Read at once; on the stack, so that a silent tunnel holds no buffer.
const READ: usize = 8192;

/// A side of a tunnel: its connection with what came before the tunnel began, and how long it may take nothing.
pub struct Side {
    /// Connection, and what was read of it.
    pub taken: Taken,
    /// To take what is written to it.
    pub write_timeout: Duration,
}

/// What went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// From the client to the server.
    pub up: u64,
    /// And back.
    pub down: u64,
}

/// Carries until one side ends it, counting into `carried`, and closes both.
pub async fn carry(client: Side, server: Side, carried: &mut Carried) {
    let patience = client.write_timeout;
    let ((from_client, mut to_client), early_up) = halves(client.taken);
    let ((from_server, mut to_server), early_down) = halves(server.taken);
    let mut up = Box::pin(one_way(from_client, early_up, &mut to_server, server.write_timeout, &mut carried.up));
    let mut down = Box::pin(one_way(from_server, early_down, &mut to_client, client.write_timeout, &mut carried.down));
    // A connection that broke ends both at once; one that was ended leaves the other side time for its own last words.
    tokio::select! {
        ended = &mut up => if ended.is_ok() { drop(timeout(patience, down.as_mut()).await); },
        ended = &mut down => if ended.is_ok() { drop(timeout(patience, up.as_mut()).await); },
    }
    drop((up, down));
    // Either may be gone already.
    let _ = timeout(patience, to_client.shutdown()).await;
    let _ = timeout(patience, to_server.shutdown()).await;
}

type Halves = (ReadHalf<Stream>, WriteHalf<Stream>);

fn halves((stream, early): Taken) -> (Halves, BytesMut) {
    (split(stream), early)
}

/// Passes on what came early and what comes, and then the end.
async fn one_way(
    mut from: ReadHalf<Stream>,
    mut bytes: BytesMut,
    to: &mut WriteHalf<Stream>,
    write_timeout: Duration,
    carried: &mut u64,
) -> io::Result<()> {
    loop {
        if !bytes.is_empty() {
            let count = bytes.len() as u64;
            write(to, bytes, write_timeout).await?;
            *carried += count;
        }
        bytes = read(&mut from).await?;
        if bytes.is_empty() {
            return timeout(write_timeout, to.shutdown()).await?;
        }
    }
}

async fn read(from: &mut ReadHalf<Stream>) -> io::Result<BytesMut> {
    std::future::poll_fn(|context| {
        let mut space = [const { MaybeUninit::uninit() }; READ];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *from).poll_read(context, &mut buffer))?;
        Ok(BytesMut::from(buffer.filled())).into()
    })
    .await
}

/// The time runs anew whenever something was taken.
async fn write(to: &mut WriteHalf<Stream>, mut bytes: BytesMut, write_timeout: Duration) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = timeout(write_timeout, to.write(&bytes)).await??;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes.advance(count);
    }
    timeout(write_timeout, to.flush()).await?
}
