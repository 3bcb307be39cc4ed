//! Frames of HTTP/2 (RFC 9113), for what no ordinary client does.
use super::DEADLINE;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A connection by prior knowledge, whose own settings are those of the protocol.
pub struct Http2(TcpStream);

/// The one flag of a HEADERS frame besides the one that ends a stream, which is 1.
const END_HEADERS: u8 = 4;

/// One frame.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;

impl Http2 {
    pub fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
        Self(stream)
    }

    /// Instead of the deadline, where what is waited for takes its time.
    pub fn wait_for_answers(&self, patience: Duration) {
        self.0.set_read_timeout(Some(patience)).unwrap();
    }

    /// The head of a request as one HEADERS frame; `end`: there is no body.
    pub fn send_head(&mut self, stream: u32, fields: &[(&str, &str)], end: bool) {
        let mut block = Vec::new();
        for (name, value) in fields {
            // A literal field that joins no table (RFC 7541, section 6.2.2).
            block.push(0);
            write_text(&name.to_ascii_lowercase(), &mut block);
            write_text(value, &mut block);
        }
        self.send_frame(HEADERS, END_HEADERS | u8::from(end), stream, &block);
    }

    /// A part of a body, within the windows that the protocol begins with; `end`: the last.
    pub fn send_data(&mut self, stream: u32, part: &[u8], end: bool) {
        self.send_frame(DATA, u8::from(end), stream, part);
    }

    /// The first body of a connection, as fast as the other side takes it; false where an answer came before all was sent.
    pub fn send_long(&mut self, stream: u32, body: &[u8]) -> bool {
        // What the protocol begins with; the settings of the other side may allow more.
        let (mut of_connection, mut of_stream) = (65535, 65535);
        for part in body.chunks(1 << 14) {
            while of_connection.min(of_stream) < part.len() {
                let frame = self.read_frame();
                match (frame.kind, frame.stream) {
                    (WINDOW_UPDATE, 0) => of_connection += frame.number(),
                    (WINDOW_UPDATE, _) => of_stream += frame.number(),
                    (HEADERS | RST_STREAM, _) => return false,
                    _ => {}
                }
            }
            of_connection -= part.len();
            of_stream -= part.len();
            self.send_data(stream, part, false);
        }
        true
    }

    fn send_frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.0.write_all(&[&head, payload].concat()).unwrap();
    }

    /// The next frame of this kind, now or later.
    pub fn wait(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.read_frame();
            if frame.kind == kind {
                return frame;
            }
        }
    }

    fn read_frame(&mut self) -> Frame {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).unwrap();
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).unwrap();
        Frame { kind, flags, stream: u32::from_be_bytes(stream), payload }
    }
}

impl Frame {
    /// What its first four bytes say.
    fn number(&self) -> usize {
        u32::from_be_bytes(self.payload[..4].try_into().unwrap()) as usize
    }
}

/// A length in seven bits, continued in groups of seven (RFC 7541, section 5.1), and the text.
fn write_text(text: &str, block: &mut Vec<u8>) {
    let Some(mut rest) = text.len().checked_sub(127) else {
        block.push(u8::try_from(text.len()).unwrap());
        return block.extend(text.as_bytes());
    };
    block.push(127);
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
    block.extend(text.as_bytes());
}
