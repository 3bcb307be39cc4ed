//! Response heads without the framework's memory of how their names were spelled.
//!
//! It keeps a second map from each name to its spelling and parses a name again for each field that is set: for the twenty
//! fields that are set on a response's way that costs more than all decisions together. Names are case-insensitive (RFC 9110,
//! section 5.1); known ones are written in their usual form all the same.

use http::response;
use pingora_http::ResponseHeader;
use std::mem;

/// Takes a response's head out, to be put back changed.
pub fn take_response(head: &mut ResponseHeader) -> response::Parts {
    let nothing = http::Response::new(()).into_parts().0;
    mem::replace(head, ResponseHeader::from(nothing)).into()
}
