//! Request bodies that are read before the request goes on.

use crate::token::TokenEndpoint;
use bytes::Bytes;
use http::header;
use pingora_core::{Error, ErrorType, Result};
use pingora_proxy::Session;
use std::time::Duration;

/// The framework holds a body of at most this many bytes (its `BODY_BUF_LIMIT`).
const LONGEST_HELD: u64 = 64 * 1024;

/// The length that the head tells.
pub fn told_length(session: &Session) -> Option<u64> {
    session.req_header().headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok())
}

/// A body that the framework can hold is taken in before an upstream is asked: a client that is slow to send it then costs no
/// upstream connection, and the upstream's time to answer runs from the whole request. Larger ones are streamed.
///
/// # Errors
/// The client is gone, or paused for longer than `body_timeout`.
pub async fn take_in_small_body(session: &mut Session, body_timeout: Duration) -> Result<()> {
    if !told_length(session).is_some_and(|length| (1..=LONGEST_HELD).contains(&length)) {
        return Ok(());
    }
    ask_for_it(session).await?;
    // The buffer is the framework's means for retries, and its only one to read a body before a server is chosen.
    session.as_downstream_mut().enable_retry_buffering();
    while read_part(session, body_timeout).await?.is_some() {}
    Ok(())
}

/// The body of a token request; `None` when it is longer than any good one.
///
/// # Errors
/// The client is gone, or paused for longer than `body_timeout`.
pub async fn read_form(session: &mut Session, body_timeout: Duration) -> Result<Option<Vec<u8>>> {
    if told_length(session).is_some_and(|length| length > TokenEndpoint::MAX_BODY as u64) {
        return Ok(None);
    }
    ask_for_it(session).await?;
    let mut body = Vec::new();
    while let Some(part) = read_part(session, body_timeout).await? {
        body.extend_from_slice(&part);
        if body.len() > TokenEndpoint::MAX_BODY {
            return Ok(None);
        }
    }
    Ok(Some(body))
}

/// A client that waits to be asked for its body (RFC 9110, section 10.1.1) is asked here; the upstream is not told to.
async fn ask_for_it(session: &mut Session) -> Result<()> {
    if session.req_header().headers.contains_key(header::EXPECT) {
        session.as_downstream_mut().write_continue_response().await.map_err(Error::into_down)?;
    }
    Ok(())
}

/// The framework bounds this wait in HTTP/1 only.
async fn read_part(session: &mut Session, body_timeout: Duration) -> Result<Option<Bytes>> {
    match tokio::time::timeout(body_timeout, session.as_downstream_mut().read_request_body()).await {
        Ok(part) => part.map_err(Error::into_down),
        Err(_) => Err(Error::explain(ErrorType::ReadTimedout, "the client paused within its body").into_down()),
    }
}
