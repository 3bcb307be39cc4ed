//! response_headers
