//! One request of a connection in HTTP/2, as the framework serves it.
//!
//! The framework has a session of its own for this. It can only be got out of the framework's own accepting, which answers some
//! heads by itself, in words of its own and unseen; it has no bound on the time of a body, and keeps interim answers to itself.
//! This one is handed over in the place that is left for other protocols.

use super::{answer::Answer, body::Body};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::{HeaderMap, header};
use pingora_core::{
    Error, ErrorType, Result,
    protocols::{
        Digest,
        http::{
            HttpTask,
            custom::{CustomMessageWrite, server::Session},
        },
        l4::socket::SocketAddr,
    },
};
use pingora_http::{RequestHeader, ResponseHeader};
use std::{future::poll_fn, sync::Arc, time::Duration};

/// What a retry may send again, as in the framework's own sessions.
const LONGEST_KEPT: usize = 64 * 1024;

/// A request and its answer.
pub struct StreamSession {
    head: RequestHeader,
    body: Body,
    answer: Answer,
    kept: Kept,
    digest: Arc<Digest>,
}

impl StreamSession {
    /// Nothing of it was read or answered but its head.
    pub fn new(head: RequestHeader, body: Body, answer: Answer, digest: Arc<Digest>) -> Self {
        Self { head, body, answer, kept: Kept::Nothing, digest }
    }

    async fn read(&mut self) -> Result<Option<Bytes>> {
        let part = poll_fn(|context| self.body.poll(context)).await?;
        if let Some(part) = &part {
            self.kept.keep(part);
        }
        Ok(part)
    }
}

/// What was read of the body, should it be sent a second time.
enum Kept {
    /// Nobody asked for it.
    Nothing,
    All(BytesMut),
    /// It was more than is kept.
    TooMuch,
}

impl Kept {
    fn keep(&mut self, part: &Bytes) {
        match self {
            Self::All(all) if all.len() + part.len() <= LONGEST_KEPT => all.extend_from_slice(part),
            Self::All(_) => *self = Self::TooMuch,
            Self::Nothing | Self::TooMuch => {}
        }
    }
}

#[async_trait]
impl Session for StreamSession {
    fn req_header(&self) -> &RequestHeader {
        &self.head
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        &mut self.head
    }

    fn is_body_empty(&mut self) -> bool {
        let length = self.head.headers.get(header::CONTENT_LENGTH);
        self.body.read() == 0 && (self.body.is_done() || length.is_some_and(|length| length == "0"))
    }

    fn is_body_done(&mut self) -> bool {
        self.is_body_empty() || self.body.is_done()
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        self.read().await
    }

    /// Where nothing more is to come, waits for the client to leave.
    async fn read_body_or_idle(&mut self, no_body_expected: bool) -> Result<Option<Bytes>> {
        if no_body_expected || self.is_body_done() {
            return Err(poll_fn(|context| self.answer.poll_left(context)).await);
        }
        self.read().await
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        while !self.is_body_done() && self.read().await?.is_some() {}
        Ok(())
    }

    fn body_bytes_read(&self) -> usize {
        self.body.read()
    }

    fn enable_retry_buffering(&mut self) {
        if matches!(self.kept, Kept::Nothing) {
            self.kept = Kept::All(BytesMut::new());
        }
    }

    fn retry_buffer_truncated(&self) -> bool {
        matches!(self.kept, Kept::TooMuch)
    }

    fn get_retry_buffer(&self) -> Option<Bytes> {
        match &self.kept {
            Kept::All(all) if !all.is_empty() => Some(Bytes::copy_from_slice(all)),
            _ => None,
        }
    }

    async fn write_response_header(&mut self, head: Box<ResponseHeader>, end: bool) -> Result<()> {
        self.answer.begin(*head, end)
    }

    async fn write_response_header_ref(&mut self, head: &ResponseHeader, end: bool) -> Result<()> {
        self.answer.begin(head.clone(), end)
    }

    async fn write_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        self.answer.write(data, end).await
    }

    async fn write_trailers(&mut self, trailers: HeaderMap) -> Result<()> {
        self.answer.end_with(trailers)
    }

    async fn response_duplex_vec(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        let mut ended = false;
        for task in tasks {
            ended |= match task {
                HttpTask::Header(head, end) => {
                    self.answer.begin(*head, end)?;
                    end
                }
                HttpTask::Body(data, end) => {
                    self.answer.write(data.unwrap_or_default(), false).await?;
                    end
                }
                HttpTask::Trailer(trailers) => {
                    if let Some(trailers) = trailers {
                        self.answer.end_with(*trailers)?;
                    }
                    true
                }
                HttpTask::Done => true,
                HttpTask::UpgradedBody(..) => return Error::e_explain(ErrorType::InternalError, "an upgrade in HTTP/2"),
                HttpTask::Failed(error) => return Err(error),
            };
        }
        if ended {
            self.answer.finish().await?;
        }
        Ok(ended)
    }

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.answer.written()
    }

    fn body_bytes_sent(&self) -> usize {
        self.answer.sent()
    }

    async fn finish(&mut self) -> Result<()> {
        self.answer.finish().await
    }

    async fn shutdown(&mut self, _code: u32, _why: &str) {
        self.answer.abandon();
    }

    fn request_summary(&self) -> String {
        // Not the target: there may be a secret in its query.
        format!("{} {}", self.head.method, self.head.uri.path())
    }

    fn digest(&self) -> Option<&Digest> {
        Some(&self.digest)
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        Arc::get_mut(&mut self.digest)
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.digest.socket_digest.as_ref()?.peer_addr()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.digest.socket_digest.as_ref()?.local_addr()
    }

    // The times are the connection's, which met a configuration when it began: those that are set for each request are the same.

    fn set_read_timeout(&mut self, _timeout: Option<Duration>) {}

    fn get_read_timeout(&self) -> Option<Duration> {
        None
    }

    fn set_write_timeout(&mut self, _timeout: Option<Duration>) {}

    fn get_write_timeout(&self) -> Option<Duration> {
        None
    }

    fn set_total_drain_timeout(&mut self, _timeout: Option<Duration>) {}

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        None
    }

    // What other protocols have, and HTTP/2 has not.

    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        Bytes::new()
    }

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_reader(&mut self) -> Option<MessageReader> {
        None
    }

    fn restore_custom_message_reader(&mut self, _reader: MessageReader) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        None
    }

    fn restore_custom_message_writer(&mut self, _writer: Box<dyn CustomMessageWrite>) -> Result<()> {
        Ok(())
    }
}

type MessageReader = Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>;
