//! A body in chunks, read strictly and framed anew (RFC 9112, section 7.1).
//!
//! What comes out is what was understood: sizes in plain lower-case hex, no extensions, no trailers. What went in is refused
//! where two readers might differ: a line that ends without CR LF, a size with a sign, a prefix, a space or more digits than
//! fit, extensions or trailers without end. Trailers are read and dropped: nobody here may say a header field after the body.
//!
//! Pure, and in constant memory: the verdict does not depend on how the bytes are cut.

use bytes::{BufMut, BytesMut};

/// Bytes of one chunk's extension at most.
const EXTENSION: usize = 256;
/// Bytes of all trailers at most.
const TRAILERS: usize = 4096;
/// Hex digits of a size at most: an exabyte.
const DIGITS: u8 = 15;

/// Why a body is refused: a sentence for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkFault(pub &'static str);

const SIZE: ChunkFault = ChunkFault("the size of a chunk is malformed");
const EXTENSION_FAULT: ChunkFault = ChunkFault("a chunk's extension is malformed or too long");
const END: ChunkFault = ChunkFault("a chunk does not end where its size says");
const TRAILER: ChunkFault = ChunkFault("the trailers are malformed or too long");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before or within the digits of a size; how many there were.
    Size(u8),
    /// Within an extension of so many bytes.
    Extension(usize),
    /// After the CR of a size's line.
    SizeEnd,
    /// Within the data.
    Data,
    /// After the data: its CR, its LF.
    DataCr,
    DataLf,
    /// Within the trailers: at the beginning of a line, within a line, after a CR.
    TrailerBegin,
    Trailer,
    TrailerLf,
    /// After the CR of the last line.
    LastLf,
    /// The body is over.
    Done,
}

/// Reads one body.
#[derive(Debug)]
pub struct Chunks {
    state: State,
    /// Of the data: what is left of the chunk. Before: what the size's digits say so far.
    left: u64,
    trailers: usize,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { state: State::Size(0), left: 0, trailers: 0 }
    }
}

impl Chunks {
    /// Whether the body is over.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes in what has come and appends what is handed on; gives how much was taken. All of it is, unless the body is over.
    ///
    /// # Errors
    /// The body is refused; nothing after that means anything.
    pub fn reframe(&mut self, input: &[u8], output: &mut BytesMut) -> Result<usize, ChunkFault> {
        let mut at = 0;
        while at < input.len() && self.state != State::Done {
            if self.state == State::Data {
                at += self.pass_data(&input[at..], output);
            } else {
                self.step(input[at], output)?;
                at += 1;
            }
        }
        Ok(at)
    }

    /// Data is framed as it comes: each piece is a chunk of its own.
    fn pass_data(&mut self, input: &[u8], output: &mut BytesMut) -> usize {
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len());
        put_hex(count, output);
        output.put_slice(b"\r\n");
        output.put_slice(&input[..count]);
        output.put_slice(b"\r\n");
        self.left -= count as u64;
        if self.left == 0 {
            self.state = State::DataCr;
        }
        count
    }

    fn step(&mut self, byte: u8, output: &mut BytesMut) -> Result<(), ChunkFault> {
        self.state = match (self.state, byte) {
            (State::Size(digits), _) if byte.is_ascii_hexdigit() && digits < DIGITS => {
                self.left = self.left << 4 | u64::from(hex_value(byte));
                State::Size(digits + 1)
            }
            (State::Size(1..) | State::Extension(_), b'\r') => State::SizeEnd,
            (State::Size(1..), b';') => State::Extension(0),
            (State::Extension(length), _) => extension(length, byte)?,
            (State::SizeEnd, b'\n') if self.left == 0 => State::TrailerBegin,
            (State::SizeEnd, b'\n') => State::Data,
            (State::Size(_) | State::SizeEnd, _) => return Err(SIZE),
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size(0),
            (State::DataCr | State::DataLf, _) => return Err(END),
            (State::TrailerBegin, b'\r') => State::LastLf,
            (State::LastLf, b'\n') => {
                output.put_slice(b"0\r\n\r\n");
                State::Done
            }
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::TrailerLf, b'\n') => State::TrailerBegin,
            (State::TrailerBegin | State::Trailer, _) => self.trailer(byte)?,
            (State::TrailerLf | State::LastLf, _) => return Err(TRAILER),
            // Handled by `reframe`.
            (State::Data | State::Done, _) => self.state,
        };
        Ok(())
    }

    fn trailer(&mut self, byte: u8) -> Result<State, ChunkFault> {
        // A line that begins with a space would continue the one before it.
        let begins_badly = self.state == State::TrailerBegin && (byte == b' ' || byte == b'\t' || byte == b':');
        let is_control = (byte < b' ' && byte != b'\t') || byte == 0x7f;
        self.trailers += 1;
        if begins_badly || is_control || self.trailers > TRAILERS {
            return Err(TRAILER);
        }
        Ok(State::Trailer)
    }
}

/// Visible text, and little of it.
fn extension(length: usize, byte: u8) -> Result<State, ChunkFault> {
    let is_text = byte == b'\t' || byte == b' ' || byte.is_ascii_graphic();
    if is_text && length < EXTENSION { Ok(State::Extension(length + 1)) } else { Err(EXTENSION_FAULT) }
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

fn put_hex(number: usize, output: &mut BytesMut) {
    let digits = (usize::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        output.put_u8(b"0123456789abcdef"[number >> (place * 4) & 0xf]);
    }
}

#[cfg(test)]
mod tests;
