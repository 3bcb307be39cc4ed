//! Processes that a test starts: other people's tools, ended by their own id.
use super::{DEADLINE, Lines};
use std::{
    io::Write,
    ops::{Deref, DerefMut},
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A child that does not outlive its test.
pub struct Tool(Child);

impl Tool {
    /// Starts it.
    pub fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?} is needed by this test: {error}")))
    }

    /// Sends a signal by name, as `kill` does.
    pub fn signal(&self, name: &str) {
        run_tool(Command::new("kill").args(["-s", name, &self.0.id().to_string()]), "");
    }

    /// Waits until it ends. There is no event to wait for in std, so this asks every few milliseconds.
    pub fn wait_within(&mut self, deadline: Duration) -> ExitStatus {
        let end = Instant::now() + deadline;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "process {} did not end within {deadline:?}", self.0.id());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Its standard output, line by line.
    pub fn stdout(&mut self) -> Lines {
        Lines::collect(self.0.stdout.take().expect("BUG: stdout is piped"))
    }

    /// Its standard error, line by line.
    pub fn stderr(&mut self) -> Lines {
        Lines::collect(self.0.stderr.take().expect("BUG: stderr is piped"))
    }
}

impl Deref for Tool {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Tool {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        // Both fail only for a child that has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a tool to its end with `input` on its standard input, and returns what it wrote; it must succeed.
pub fn run_tool(command: &mut Command, input: &str) -> Output {
    let output = run_tool_to_end(command, input);
    assert!(
        output.status.success(),
        "{command:?} ended with {}:\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn run_tool_to_end(command: &mut Command, input: &str) -> Output {
    let mut child = Tool::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let (stdout, stderr) = (child.stdout(), child.stderr());
    // A tool that does not read its input closes it: not an error of the test.
    let _ = child.stdin.take().expect("BUG: stdin is piped").write_all(input.as_bytes());
    let status = child.wait_within(DEADLINE * 6);
    Output { status, stdout: stdout.to_end(), stderr: stderr.to_end() }
}
