//! Other people's software, run by the scripts in `tests/external`: npm packages in Node, Python packages in a virtual environment.
use super::{DEADLINE, Directory, Lines, Tool};
use serde_json::Value;
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Node with one of our scripts.
pub fn node(script: &str) -> Command {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    assert!(tests.join("node_modules").is_dir(), "npm packages are needed: run tests/run.sh setup");
    let mut command = Command::new("node");
    command.arg(tests.join("external").join(script));
    command
}

/// Python with one of our scripts.
pub fn python(script: &str) -> Command {
    let mut command = Command::new(of_python("python"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/external").join(script));
    command
}

/// Envoy, as a Python package brings it: its script becomes the binary, under the same process id.
pub fn envoy() -> Command {
    let mut command = Command::new(of_python("python"));
    command.arg(of_python("envoy"));
    command
}

fn of_python(command: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin").join(command);
    assert!(path.is_file(), "Python packages are needed: run tests/run.sh setup");
    path
}

/// A running script that writes one line of JSON when it is ready, and one for each line that it is sent. It ends with its standard
/// input, or with this value.
pub struct Helper {
    process: Tool,
    lines: Lines,
    /// Lines it has written that were read.
    read: usize,
    /// Its first line.
    pub ready: Value,
    _directory: Directory,
}

impl Helper {
    /// Starts it in a directory of its own.
    pub fn start(command: &mut Command) -> Self {
        let directory = Directory::new();
        let command = command.current_dir(directory.path());
        let mut process = Tool::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()));
        let lines = process.stdout();
        let mut helper = Self { process, lines, read: 0, ready: Value::Null, _directory: directory };
        helper.ready = helper.read();
        helper
    }

    /// Its answer to this line.
    pub fn ask(&mut self, line: &str) -> Value {
        let input = self.process.stdin.as_mut().expect("BUG: stdin is piped");
        input.write_all(format!("{line}\n").as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}"));
        self.read()
    }

    /// A text in its first line: `issuer`, or `clients/web`.
    pub fn text(&self, path: &str) -> String {
        let value = self.ready.pointer(&format!("/{path}")).and_then(Value::as_str);
        value.unwrap_or_else(|| panic!("{path} in {}", self.ready)).to_owned()
    }

    fn read(&mut self) -> Value {
        let line = self.lines.wait_all("an answer", DEADLINE * 3, |lines| lines.get(self.read).cloned());
        self.read += 1;
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}
