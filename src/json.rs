//! JSON strings (RFC 8259, section 7), written byte for byte: the log line of every request and the body of every refusal are made
//! of them, and the general machinery takes longer than the decision.

use std::io::Write;

/// Appends `text` in quotes, with what must not stand in a string escaped.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    if needs_escape(text) {
        for character in text.chars() {
            match character {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                control if u32::from(control) < 0x20 || u32::from(control) == 0x7f => {
                    // Writing to memory cannot fail.
                    let _ = write!(out, "\\u{:04x}", u32::from(control));
                }
                other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
}

/// Without a way out of the loop, so that the compiler looks at many bytes at a time.
#[expect(clippy::needless_bitwise_bool, reason = "lazy operators are branches, one for each byte")]
fn needs_escape(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte == 0x7f))
}

#[cfg(test)]
mod tests;
