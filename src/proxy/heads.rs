//! Heads without the framework's memory of how their names were spelled.
//!
//! It keeps a second map from each name to its spelling and parses a name again for each field that is set: for the twenty
//! fields that are set on a request's way that costs more than all decisions together. Names are case-insensitive (RFC 9110,
//! section 5.1); known ones are written in their usual form all the same.

use http::{request, response};
use pingora_http::{RequestHeader, ResponseHeader};
use std::mem;

/// Takes a request's head out, to be put back changed.
pub fn take_request(head: &mut RequestHeader) -> request::Parts {
    let nothing = http::Request::new(()).into_parts().0;
    mem::replace(head, RequestHeader::from(nothing)).into()
}

/// Takes a response's head out, to be put back changed.
pub fn take_response(head: &mut ResponseHeader) -> response::Parts {
    let nothing = http::Response::new(()).into_parts().0;
    mem::replace(head, ResponseHeader::from(nothing)).into()
}
