//! Writes the gateway's own answers, so that they cost little and keep the connection.

use super::bodies::waits_to_be_asked;
use crate::{config::Gateway, reply::Reply, response_headers::ResponseHeaders, time::Now};
use http::{HeaderMap, Method, header};
use pingora_core::{Error, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use std::time::Duration;

/// A body that is not read is taken off the connection up to this length, so that the connection can be used again; a longer
/// one costs more than a new connection.
const LONGEST_DRAIN: u64 = 64 * 1024;
/// And for at most this long.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Writes a reply, decorated, and tells the framework what becomes of the connection.
///
/// # Errors
/// The client is gone.
pub async fn write(session: &mut Session, reply: &Reply, headers: &ResponseHeaders, gateway: &Gateway, now: Now) -> Result<()> {
    settle_connection(session, reply);
    let mut head = http::Response::new(()).into_parts().0;
    head.status = reply.status;
    head.headers = HeaderMap::with_capacity(reply.headers.len() + 10);
    for (name, value) in &reply.headers {
        head.headers.insert(name.clone(), value.clone());
    }
    headers.write(gateway, now, |name, value| {
        // What the reply says itself stays, whatever is configured for all: a token or a 429 is never to be stored.
        if reply.headers.iter().all(|(own, _)| *own != name) {
            head.headers.insert(name, value);
        }
    });
    for name in &gateway.response_headers.remove {
        head.headers.remove(name);
    }
    let head = ResponseHeader::from(head);
    let bodiless = reply.body.is_empty() || session.req_header().method == Method::HEAD;
    session.write_response_header(Box::new(head), bodiless).await.map_err(Error::into_down)?;
    if !bodiless {
        session.write_response_body(Some(reply.body.clone()), true).await.map_err(Error::into_down)?;
    }
    Ok(())
}

/// HTTP/2: a stream that ends while the client still sends is reset, which is within RFC 9113, section 8.1, but costs some
/// clients the answer (seen with curl 7.88). A body that is small and comes soon is taken off first.
pub async fn drain_stream(session: &mut Session) {
    if waits_to_be_asked(session) {
        return;
    }
    let mut left = LONGEST_DRAIN;
    let all = async {
        while let Ok(Some(part)) = session.as_downstream_mut().read_request_body().await {
            left = left.saturating_sub(part.len() as u64);
            if left == 0 {
                break;
            }
        }
    };
    // Whether it all came makes no difference: the answer is sent.
    drop(tokio::time::timeout(DRAIN_TIMEOUT, all).await);
}

/// Whether the connection is used again, and what happens to a request body that nobody read.
fn settle_connection(session: &mut Session, reply: &Reply) {
    let mut lengths = session.req_header().headers.get_all(header::CONTENT_LENGTH).iter();
    let (length, another) = (lengths.next(), lengths.next());
    if reply.close || another.is_some() {
        session.set_keepalive(None);
        return;
    }
    let Some(length) = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok()) else { return };
    // A client that waits for "100 Continue" has not sent the body, and may or may not send it now.
    let waits = waits_to_be_asked(session);
    if !waits && length <= LONGEST_DRAIN {
        session.as_downstream_mut().set_close_on_response_before_downstream_finish(false);
        session.as_downstream_mut().set_total_drain_timeout(Some(DRAIN_TIMEOUT));
    }
}
