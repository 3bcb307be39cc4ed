//! Answers read with as little work as possible, for tests and benches that make load.

use tokio::{io::AsyncReadExt, net::TcpStream};

/// Reads one answer with a length; gives its status.
pub async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> u16 {
    buffer.clear();
    loop {
        assert_ne!(stream.read_buf(buffer).await.expect("the gateway answers"), 0, "the connection is kept");
        if let Some((status, length)) = whole(buffer) {
            assert_eq!(length, buffer.len(), "one answer for one request");
            return status;
        }
    }
}

/// Status and length of the answer, once all of it is there.
fn whole(bytes: &[u8]) -> Option<(u16, usize)> {
    let head_end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..head_end]).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    })?;
    (bytes.len() >= head_end + length).then_some((status, head_end + length))
}
