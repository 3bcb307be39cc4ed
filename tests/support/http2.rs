//! Frames of HTTP/2 (RFC 9113), for what no ordinary client does.
use super::DEADLINE;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

/// A connection whose own settings are those of the protocol.
pub struct Http2 {
    socket: TcpStream,
    tls: Option<Box<StreamOwned<ClientConnection, TcpStream>>>,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    Frame(Frame),
    /// The other side has closed the connection, or reset it.
    Closed,
    /// Nothing, for as long as answers are waited for.
    Silence,
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Flags of frames.
pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const WITH_PRIORITY: u8 = 32;

/// Errors (RFC 9113, section 7).
pub const NO_ERROR: u32 = 0;
pub const PROTOCOL_ERROR: u32 = 1;
pub const FLOW_CONTROL_ERROR: u32 = 3;
pub const STREAM_CLOSED: u32 = 5;
pub const FRAME_SIZE_ERROR: u32 = 6;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const COMPRESSION_ERROR: u32 = 9;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// What a client says first, before its SETTINGS.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame's bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header block of literal fields that join no table (RFC 7541, section 6.2.2), their names as they are given.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    block_of_bytes(&fields)
}

/// The same of any bytes.
pub fn block_of_bytes(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        write_text(name, &mut block);
        write_text(value, &mut block);
    }
    block
}

/// A GET or whatever else, in one HEADERS frame; `end`: there is no body.
pub fn head(stream: u32, method: &str, path: &str, more: &[(&str, &str)], end: bool) -> Vec<u8> {
    let usual = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "api.test")];
    frame(HEADERS, END_HEADERS | u8::from(end), stream, &block(&[&usual, more].concat()))
}

/// SETTINGS with these values.
pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = values.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
    frame(SETTINGS, 0, 0, &payload)
}

impl Frame {
    /// The error code of `RST_STREAM` and GOAWAY.
    pub fn code(&self) -> Option<u32> {
        let place = match self.kind {
            RST_STREAM => 0,
            GOAWAY => 4,
            _ => return None,
        };
        Some(u32::from_be_bytes(self.payload.get(place..place + 4)?.try_into().ok()?))
    }

    /// What its first four bytes say.
    fn number(&self) -> usize {
        u32::from_be_bytes(self.payload[..4].try_into().unwrap()) as usize
    }

    /// Whether its header block has this text of small letters, digits and `-./:`, as the gateway's encoder writes them.
    pub fn holds(&self, text: &str) -> bool {
        let coded = huffman(text);
        self.payload.windows(coded.len()).any(|part| part == coded)
    }

    pub fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

impl Http2 {
    /// By prior knowledge, greeted.
    pub fn connect(address: SocketAddr) -> Self {
        let mut client = Self::silent(address);
        client.send(&[PREFACE, &settings(&[])].concat());
        client
    }

    /// A connection on which nothing has been said.
    pub fn silent(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.set_write_timeout(Some(DEADLINE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket, tls: None }
    }

    /// Over TLS, HTTP/2 agreed on by ALPN, with trust in this authority (PEM) for `127.0.0.1`; nothing has been said in it.
    pub fn silent_over_tls(address: SocketAddr, authority: &str) -> Self {
        let mut client = Self::silent(address);
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let tls = ClientConnection::new(Arc::new(config), ServerName::try_from("127.0.0.1").unwrap()).unwrap();
        let mut tls = StreamOwned::new(tls, client.socket.try_clone().unwrap());
        tls.conn.complete_io(&mut tls.sock).unwrap();
        assert_eq!(tls.conn.alpn_protocol(), Some(&b"h2"[..]), "HTTP/2 is agreed on");
        client.tls = Some(Box::new(tls));
        client
    }

    /// Instead of the deadline, where what is waited for takes its time.
    pub fn wait_for_answers(&self, patience: Duration) {
        self.socket.set_read_timeout(Some(patience)).unwrap();
    }

    /// The head of a request as one HEADERS frame; `end`: there is no body.
    pub fn send_head(&mut self, stream: u32, fields: &[(&str, &str)], end: bool) {
        let lower: Vec<_> = fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), *value)).collect();
        let fields: Vec<_> = lower.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        self.send(&frame(HEADERS, END_HEADERS | u8::from(end), stream, &block(&fields)));
    }

    /// A part of a body, within the windows that the protocol begins with; `end`: the last.
    pub fn send_data(&mut self, stream: u32, part: &[u8], end: bool) {
        self.send(&frame(DATA, u8::from(end), stream, part));
    }

    /// The first body of a connection, as fast as the other side takes it; false where an answer came before all was sent.
    pub fn send_long(&mut self, stream: u32, body: &[u8]) -> bool {
        // What the protocol begins with; the settings of the other side may allow more.
        let (mut of_connection, mut of_stream) = (65535, 65535);
        for part in body.chunks(1 << 14) {
            while of_connection.min(of_stream) < part.len() {
                let frame = self.wait_for("a window", |_| true);
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

    /// These bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        assert!(self.try_send(bytes), "the connection is open");
    }

    /// These bytes, which the other side may not want any more; whether they left.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        match &mut self.tls {
            Some(tls) => tls.write_all(bytes).and_then(|()| tls.flush()).is_ok(),
            None => self.socket.write_all(bytes).is_ok(),
        }
    }

    /// The next frame of this kind, now or later.
    #[track_caller]
    pub fn wait(&mut self, kind: u8) -> Frame {
        self.wait_for(&format!("a frame of type {kind}"), |frame| frame.kind == kind)
    }

    /// The next frame that is wanted, now or later.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            match self.next() {
                Next::Frame(frame) if wanted(&frame) => return frame,
                Next::Frame(_) => {}
                end => panic!("{what} should come, not: {end:?}"),
            }
        }
    }

    /// All frames up to the end of the connection, or to silence.
    pub fn rest(&mut self) -> (Vec<Frame>, Next) {
        let mut frames = Vec::new();
        loop {
            match self.next() {
                Next::Frame(frame) => frames.push(frame),
                end => return (frames, end),
            }
        }
    }

    /// What comes next.
    pub fn next(&mut self) -> Next {
        let mut head = [0; 9];
        match self.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Next::Silence,
            Err(_) => return Next::Closed,
        }
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        if self.read_exact(&mut payload).is_err() {
            return Next::Closed;
        }
        Next::Frame(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
    }

    /// A handle to write with, while another thread reads.
    pub fn writer(&self) -> TcpStream {
        self.socket.try_clone().unwrap()
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> std::io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.read_exact(buffer),
            None => self.socket.read_exact(buffer),
        }
    }
}

/// A length in seven bits, continued in groups of seven (RFC 7541, section 5.1), and the text.
fn write_text(text: &[u8], block: &mut Vec<u8>) {
    let Some(mut rest) = text.len().checked_sub(127) else {
        block.push(u8::try_from(text.len()).unwrap());
        return block.extend(text);
    };
    block.push(127);
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
    block.extend(text);
}

/// RFC 7541, section 5.2 and appendix B.
fn huffman(text: &str) -> Vec<u8> {
    let (mut coded, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for byte in text.bytes() {
        let (code, length) = huffman_code(byte);
        (bits, count) = (bits << length | code, count + length);
        while count >= 8 {
            count -= 8;
            coded.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    if count > 0 {
        coded.push(u8::try_from((bits << (8 - count) | 0xff >> count) & 0xff).unwrap());
    }
    coded
}

/// Short codes are in the order of their characters.
fn huffman_code(byte: u8) -> (u32, u32) {
    let among = |of: &[u8], first: u32, length: u32| {
        let place = of.iter().position(|other| *other == byte)?;
        Some((first + u32::try_from(place).unwrap(), length))
    };
    among(b"012aceiost", 0, 5)
        .or_else(|| among(b" %-./3456789=A_bdfghlmnpru", 0x14, 6))
        .or_else(|| among(b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz", 0x5c, 7))
        .unwrap_or_else(|| panic!("no code for {byte}"))
}
