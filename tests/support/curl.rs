//! curl, for what it speaks better than a client of a few lines: HTTP/2, TLS, unix sockets.
use super::{Response, run_tool};
use std::process::Command;

/// The final response that curl shows for these arguments; curl itself must not complain.
#[track_caller]
pub fn curl(arguments: &[&str]) -> Response {
    let output =
        run_tool(Command::new("curl").args(["--silent", "--show-error", "--max-time", "20", "--include"]).args(arguments), "");
    // Carriage returns are gone from what a tool wrote.
    let text = String::from_utf8(output.stdout).expect("text");
    let mut rest = text.as_str();
    loop {
        let (head, body) = rest.split_once("\n\n").unwrap_or((rest, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("a status line: {text:?}"));
        if status >= 200 {
            let fields = lines.filter_map(|line| line.split_once(':'));
            let headers = fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
            return Response { status, headers, body: body.as_bytes().to_vec() };
        }
        rest = body;
    }
}
