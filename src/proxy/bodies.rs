//! Request bodies: what of them is read before the request goes on, and what passes after it.

use super::ctx::Ctx;
use crate::{pipeline::Forward, reply::Rejection, token::TokenEndpoint, validate::RecordsError};
use bytes::{Bytes, BytesMut};
use http::{Version, header};
use pingora_core::{Error, ErrorType, Result};
use pingora_proxy::Session;

/// A body of at most so many bytes is held until all of it is there.
const LONGEST_HELD: u64 = 64 * 1024;

/// The length that the head tells.
pub fn told_length(session: &Session) -> Option<u64> {
    session.req_header().headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok())
}

/// Takes in what can be taken in before a server is asked: a client that is slow to send it then costs no upstream connection,
/// and the upstream's time to answer runs from the whole request. What must be read is judged, as far as it was taken in. The
/// rest is streamed.
///
/// # Errors
/// The client is gone, or paused for longer than `body_timeout`.
pub async fn take_in(session: &mut Session, ctx: &mut Ctx) -> Result<Result<(), Rejection>> {
    ctx.streamed = match told_length(session) {
        Some(length) => length > LONGEST_HELD,
        None => ctx.records.is_none(),
    };
    if ctx.streamed { Ok(Ok(())) } else { take_in_beginning(session, ctx).await }
}

/// The whole body if it is short enough to be held, else so much of it, and the rest of what came with it.
async fn take_in_beginning(session: &mut Session, ctx: &mut Ctx) -> Result<Result<(), Rejection>> {
    ask_for_it(session).await?;
    let bound = ctx.forward.as_ref().map_or(0, Forward::body_bound);
    let (mut body, mut whole) = (BytesMut::new(), false);
    while !whole && body.len() as u64 <= LONGEST_HELD {
        // The framework may not call it done: in HTTP/2 trailers are yet to be read.
        let part = read_part(session).await?;
        whole = part.is_none();
        body.extend_from_slice(&part.unwrap_or_default());
        if body.len() as u64 > bound {
            return Ok(Err(Rejection::BodyTooLarge(bound)));
        }
    }
    ctx.streamed = !whole && !session.as_downstream_mut().is_body_done();
    let judged = match &mut ctx.records {
        Some(records) if ctx.streamed => records.read(&body),
        _ => ctx.records.take().map_or(Ok(()), |records| records.judge(&body)),
    };
    ctx.held = Some(body.freeze());
    Ok(judged.map_err(Rejection::from))
}

/// Lets the next part of a streamed body pass to the server, behind what was taken in of it before; `end`: it is the last.
///
/// # Errors
/// The body is refused: it is over its bound, or what must read it refuses. The server has not had all of it, and its
/// connection must end.
pub fn let_pass(told_length: Option<u64>, body: &mut Option<Bytes>, end: bool, ctx: &mut Ctx) -> Result<()> {
    // An HTTP/2 upload may end with an empty frame. Written to an HTTP/1 server it would be a last chunk, with another after it: bytes
    // that the server reads as the beginning of the next user's request.
    if end && body.as_ref().is_some_and(Bytes::is_empty) {
        *body = None;
    }
    let held = ctx.held.take();
    let length = |part: &Option<Bytes>| part.as_ref().map_or(0, |part| part.len() as u64);
    ctx.request_bytes += length(&held) + length(body);
    let bound = ctx.forward.as_ref().map_or(0, Forward::body_bound);
    if ctx.request_bytes > bound {
        ctx.failure = Some(Rejection::BodyTooLarge(bound));
        return Err(Error::explain(ErrorType::HTTPStatus(413), "the body is over its bound").into_down());
    }
    // With the last byte that the head told, the server has the whole: the end of an HTTP/2 stream may come later.
    let completes = end || told_length == Some(ctx.request_bytes);
    if let Err(error) = count(body.as_ref(), completes, ctx) {
        ctx.failure = Some(error.into());
        return Err(Error::explain(ErrorType::HTTPStatus(400), "the body is refused").into_down());
    }
    if let Some(held) = held {
        *body = Some(body.take().map_or(held.clone(), |part| [held, part].concat().into()));
    }
    Ok(())
}

fn count(body: Option<&Bytes>, completes: bool, ctx: &mut Ctx) -> std::result::Result<(), RecordsError> {
    let Some(records) = &mut ctx.records else { return Ok(()) };
    body.map_or(Ok(()), |part| records.read(part))?;
    if completes { records.finish() } else { Ok(()) }
}

/// The body of a token request; `None` when it is longer than any good one.
///
/// # Errors
/// The client is gone, or paused for longer than `body_timeout`.
pub async fn read_form(session: &mut Session) -> Result<Option<Vec<u8>>> {
    if told_length(session).is_some_and(|length| length > TokenEndpoint::MAX_BODY as u64) {
        return Ok(None);
    }
    ask_for_it(session).await?;
    let mut body = Vec::new();
    while let Some(part) = read_part(session).await? {
        body.extend_from_slice(&part);
        if body.len() > TokenEndpoint::MAX_BODY {
            return Ok(None);
        }
    }
    Ok(Some(body))
}

/// Whether the client sends its body only when it is asked to (RFC 9110, section 10.1.1: in HTTP/1.0 nobody does, and nothing else
/// that is expected means that).
pub fn waits_to_be_asked(session: &Session) -> bool {
    let head = session.req_header();
    let expected = head.headers.get(header::EXPECT).is_some_and(|what| what.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    expected && head.version != Version::HTTP_10
}

/// A client that waits to be asked for its body (RFC 9110, section 10.1.1) is asked here; the upstream is not told to.
async fn ask_for_it(session: &mut Session) -> Result<()> {
    if waits_to_be_asked(session) {
        session.as_downstream_mut().write_continue_response().await.map_err(Error::into_down)?;
    }
    Ok(())
}

/// How long is waited for it is bounded: by the framework in HTTP/1, and by the guard.
async fn read_part(session: &mut Session) -> Result<Option<Bytes>> {
    session.as_downstream_mut().read_request_body().await.map_err(Error::into_down)
}
