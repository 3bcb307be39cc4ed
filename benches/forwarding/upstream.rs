//! A fixed upstream: every request is answered with the same 1 KiB of JSON on a connection that is kept.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

/// Serves until the process is ended.
pub fn run() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    eprintln!("listening on http://{}", listener.local_addr().expect("a bound address"));
    let body = format!("{{\"items\":\"{}\"}}", "x".repeat(1012));
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for stream in listener.incoming().flatten() {
        let answer = answer.clone().into_bytes();
        std::thread::spawn(move || answer_all(stream, &answer));
    }
}

/// Requests without bodies, one after the other: each ends with an empty line.
fn answer_all(mut stream: TcpStream, answer: &[u8]) {
    drop(stream.set_nodelay(true));
    let mut buffer = [0u8; 16 * 1024];
    let mut filled = 0;
    while let Ok(read @ 1..) = stream.read(&mut buffer[filled..]) {
        filled += read;
        if buffer[..filled].ends_with(b"\r\n\r\n") {
            filled = 0;
            if stream.write_all(answer).is_err() {
                return;
            }
        }
    }
}
