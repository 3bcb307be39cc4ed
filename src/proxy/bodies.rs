//! Request bodies that are read before the request goes on.

use crate::token::TokenEndpoint;
use bytes::Bytes;
use http::header;
use pingora_core::{Error, ErrorType, Result};
use pingora_proxy::Session;
use std::time::Duration;

/// The framework holds a body of at most this many bytes (its `BODY_BUF_LIMIT`).
const LONGEST_HELD: u64 = 64 * 1024;

/// A body that the framework can hold is taken in before an upstream is asked: a client that is slow to send it then costs no
/// upstream connection, and the upstream's time to answer runs from the whole request. Larger ones are streamed.
pub async fn take_in_small_body(session: &mut Session, body_timeout: Duration) -> Result<()> {
    let told = session.req_header().headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if !told.is_some_and(|length: u64| (1..=LONGEST_HELD).contains(&length)) {
        return Ok(());
    }
    if session.req_header().headers.contains_key(header::EXPECT) {
        session.as_downstream_mut().write_continue_response().await.map_err(Error::into_down)?;
    }
    session.as_downstream_mut().enable_retry_buffering();
    while read_part(session, body_timeout).await?.is_some() {}
    Ok(())
}

/// The body of a token request; `None` when it is longer than any good one.
pub async fn read_form(session: &mut Session, body_timeout: Duration) -> Result<Option<Vec<u8>>> {
    let told = session.req_header().headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if told.is_some_and(|length: usize| length > TokenEndpoint::MAX_BODY) {
        return Ok(None);
    }
    if session.req_header().headers.contains_key(header::EXPECT) {
        session.as_downstream_mut().write_continue_response().await.map_err(Error::into_down)?;
    }
    let mut body = Vec::new();
    while let Some(part) = read_part(session, body_timeout).await? {
        body.extend_from_slice(&part);
        if body.len() > TokenEndpoint::MAX_BODY {
            return Ok(None);
        }
    }
    Ok(Some(body))
}

/// The next part of the body. The framework's own time-out does not hold for HTTP/2.
async fn read_part(session: &mut Session, body_timeout: Duration) -> Result<Option<Bytes>> {
    match tokio::time::timeout(body_timeout, session.as_downstream_mut().read_request_body()).await {
        Ok(read) => read.map_err(Error::into_down),
        Err(_) => Err(Error::explain(ErrorType::ReadTimedout, "a part of the body").into_down()),
    }
}
