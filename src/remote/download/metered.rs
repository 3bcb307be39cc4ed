//! A connection from which no more than a number of bytes is read.
//!
//! What is kept of an answer is bounded elsewhere, and so is the time; but a server could still be read from for all of that
//! time, at the speed of the network: interim responses, chunk after chunk of framing, empty TLS records.
use hyper_util::{
    client::legacy::connect::{Connected, Connection, HttpConnector},
    rt::TokioIo,
};
use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tower_service::Service;

/// Opens connections that fail after so many bytes have been read.
#[derive(Clone)]
pub(super) struct MeteredConnector {
    connector: HttpConnector,
    bytes: u64,
}

impl MeteredConnector {
    /// At most `bytes` are read from each connection, those of TLS among them.
    pub(super) fn new(bytes: u64) -> Self {
        let mut connector = HttpConnector::new();
        // The URL may say https: TLS is put around these connections.
        connector.enforce_http(false);
        Self { connector, bytes }
    }
}

type Connecting<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl<T> Service<T> for MeteredConnector
where
    HttpConnector: Service<T, Response = TokioIo<TcpStream>>,
    <HttpConnector as Service<T>>::Future: Send + 'static,
{
    type Response = TokioIo<Metered<TcpStream>>;
    type Error = <HttpConnector as Service<T>>::Error;
    type Future = Connecting<Self::Response, Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, target: T) -> Self::Future {
        let (connecting, left) = (self.connector.call(target), self.bytes);
        Box::pin(async move { Ok(TokioIo::new(Metered { stream: connecting.await?.into_inner(), left })) })
    }
}

/// A stream and how much may still be read from it.
pub(super) struct Metered<S> {
    stream: S,
    left: u64,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let read = (buffer.filled().len() - before) as u64;
        let Some(left) = self.left.checked_sub(read) else {
            buffer.set_filled(before);
            return Poll::Ready(Err(io::Error::other("more bytes than any answer needs")));
        };
        self.left = left;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: Connection> Connection for Metered<S> {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

#[cfg(test)]
mod tests;
