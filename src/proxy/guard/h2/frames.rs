//! Where the frames of a connection begin and end, found out of its bytes however they are sliced (RFC 9113, section 4.1).
//!
//! It keeps nothing of a payload but its first four bytes, which say by how much a window grows or why a stream is reset. It
//! judges nothing: a frame that breaks the protocol is the framework's to refuse.

/// RFC 9113, section 3.4.
pub const PREFACE: usize = 24;
const HEAD: usize = 9;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
/// RFC 9218, section 7.1: what took PRIORITY's place.
pub const PRIORITY_UPDATE: u8 = 16;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The nine bytes before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub length: u32,
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
}

impl Head {
    fn read(bytes: [u8; HEAD]) -> Self {
        let [a, b, c, kind, flags, stream @ ..] = bytes;
        // The highest bit is reserved and says nothing.
        Self { length: u32::from_be_bytes([0, a, b, c]), kind, flags, stream: u32::from_be_bytes(stream) & 0x7fff_ffff }
    }

    /// The sender's last frame of this stream.
    pub fn ends_stream(self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    /// More of a header block must follow before anything else may.
    pub fn leaves_block_open(self) -> bool {
        matches!(self.kind, HEADERS | PUSH_PROMISE | CONTINUATION) && self.flags & END_HEADERS == 0
    }
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A frame's head is complete.
    Begun(Head),
    /// So many bytes of its payload.
    Content(Head, u32),
    /// It is complete; the first four bytes of its payload, as far as it has them.
    Ended(Head, u32),
}

/// Reads one direction of a connection.
#[derive(Debug)]
pub struct FrameReader {
    /// Bytes that come before the first frame.
    skip: usize,
    head: [u8; HEAD],
    filled: usize,
    frame: Option<Head>,
    seen: u32,
    first: [u8; 4],
}

impl FrameReader {
    /// At the beginning of a connection, with so many bytes before the first frame.
    pub fn new(skip: usize) -> Self {
        Self { skip, head: [0; HEAD], filled: 0, frame: None, seen: 0, first: [0; 4] }
    }

    /// Nothing of a frame has been read that is not whole.
    pub fn is_between_frames(&self) -> bool {
        self.frame.is_none() && self.filled == 0
    }

    /// Takes the next event off the front of `bytes`; `None` once they are used up.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<Event> {
        if self.skip > 0 {
            leave_out(bytes, &mut self.skip);
        }
        let Some(frame) = self.frame else { return self.next_head(bytes) };
        let left = frame.length - self.seen;
        if left == 0 {
            self.frame = None;
            return Some(Event::Ended(frame, u32::from_be_bytes(self.first)));
        }
        let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX).min(left);
        if count == 0 {
            return None;
        }
        let (content, rest) = bytes.split_at(count as usize);
        match (self.seen, content) {
            (0, [a, b, c, d, ..]) => self.first = [*a, *b, *c, *d],
            (seen @ 0..4, content) => {
                self.first.iter_mut().skip(seen as usize).zip(content).for_each(|(place, byte)| *place = *byte);
            }
            _ => {}
        }
        *bytes = rest;
        self.seen += count;
        Some(Event::Content(frame, count))
    }

    fn next_head(&mut self, bytes: &mut &[u8]) -> Option<Event> {
        let frame = match bytes.split_first_chunk() {
            Some((head, rest)) if self.filled == 0 => {
                *bytes = rest;
                Head::read(*head)
            }
            _ => self.next_sliced_head(bytes)?,
        };
        (self.frame, self.seen, self.first) = (Some(frame), 0, [0; 4]);
        Some(Event::Begun(frame))
    }

    /// A head that does not come in one piece.
    fn next_sliced_head(&mut self, bytes: &mut &[u8]) -> Option<Head> {
        let count = bytes.len().min(HEAD - self.filled);
        let (part, rest) = bytes.split_at(count);
        self.head[self.filled..self.filled + count].copy_from_slice(part);
        *bytes = rest;
        self.filled += count;
        if self.filled < HEAD {
            return None;
        }
        self.filled = 0;
        Some(Head::read(self.head))
    }
}

/// Leaves out as many bytes as are left to be skipped.
fn leave_out(bytes: &mut &[u8], skip: &mut usize) {
    let count = bytes.len().min(*skip);
    *bytes = &bytes[count..];
    *skip -= count;
}

#[cfg(test)]
mod tests;
