//! How an upstream's response is framed, made unambiguous before it is passed on: what servers write and the framework takes,
//! but the next reader may read differently or refuse.

use http::{StatusCode, header};
use pingora_http::ResponseHeader;

/// Leaves a head whose framing has one reading.
///
/// # Errors
/// It has none: what is wrong with it.
pub fn settle(head: &mut ResponseHeader) -> Result<(), &'static str> {
    // RFC 9110, section 8.6, and RFC 9112, section 6.1: neither field stands in a 1xx or 204; HTTP/2 clients take it for an error.
    if head.status.is_informational() || head.status == StatusCode::NO_CONTENT {
        head.remove_header(&header::CONTENT_LENGTH);
        head.remove_header(&header::TRANSFER_ENCODING);
        return Ok(());
    }
    let mut codings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        // RFC 9112, section 6.1: nothing but chunked was asked for.
        let chunked = coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
        return if chunked { Ok(()) } else { Err("a transfer coding that is not chunked") };
    }
    let mut lengths = head.headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return Ok(()) };
    if is_plain(first.as_bytes()) && lengths.next().is_none() {
        return Ok(());
    }
    // RFC 9112, section 6.3: equal lengths, in one field or several, are that length.
    let one = one_length(head).ok_or("lengths that differ, or are none")?;
    // A number always is a field value.
    drop(head.insert_header(header::CONTENT_LENGTH, one));
    Ok(())
}

fn is_plain(length: &[u8]) -> bool {
    !length.is_empty() && length.iter().all(u8::is_ascii_digit)
}

fn one_length(head: &ResponseHeader) -> Option<String> {
    let fields = head.headers.get_all(header::CONTENT_LENGTH).iter();
    let mut lengths = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let first = lengths.next().filter(|first| is_plain(first))?;
    let all_equal = lengths.all(|length| length == first);
    all_equal.then(|| String::from_utf8_lossy(first).into_owned())
}

#[cfg(test)]
mod tests;
