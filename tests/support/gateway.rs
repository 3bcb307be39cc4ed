//! The gateway's own binary, run as its users run it.
use super::{Client, DEADLINE, Lines, Response, Tool, request};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    env, fs, mem,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// A running gateway; dropping it ends it.
pub struct Gateway {
    process: Tool,
    /// From the start of the process to the last `listening on`.
    pub started_in: Duration,
    /// As it says itself, in the order of the configuration; unix sockets, which the configuration names, are left out.
    pub listeners: Vec<SocketAddr>,
    /// Port 0 when it is a unix socket.
    pub admin: SocketAddr,
    /// Access log and other entries.
    pub stdout: Lines,
    pub stderr: Lines,
    directory: Directory,
}

/// A fresh directory, removed with its owner.
pub struct Directory(PathBuf);

impl Gateway {
    /// Runs this configuration and waits until it is ready.
    pub fn start(config: &str) -> Self {
        let gateway = Self::start_with(config, &[]);
        gateway.wait_ready();
        gateway
    }

    /// Runs this configuration with these files beside it, and waits until it listens.
    pub fn start_with(config: &str, files: &[(String, String)]) -> Self {
        Self::start_in(config, files, &[])
    }

    /// The same with these variables in its environment.
    pub fn start_in(config: &str, files: &[(String, String)], environment: &[(String, String)]) -> Self {
        Self::run(config, files, environment, Tool::stdout)
    }

    /// The same, and nobody ever reads what it writes to standard output.
    pub fn start_unread(config: &str, files: &[(String, String)]) -> Self {
        Self::run(config, files, &[], |_| Lines::default())
    }

    fn run(
        config: &str,
        files: &[(String, String)],
        environment: &[(String, String)],
        stdout: impl Fn(&mut Tool) -> Lines,
    ) -> Self {
        let directory = Directory::with(config, files);
        let place = directory.path().display().to_string();
        let variables = environment.iter().map(|(name, value)| (name, value.replace("{DIRECTORY}", &place)));
        let mut command = Self::command(directory.path());
        command.args(["run", "--config", "gateway.toml"]).envs(variables);
        Self::spawn(directory, &mut command, stdout, |_, stderr| addresses(stderr))
    }

    /// Runs `demo`, which says in the first line of what it prints where it is.
    pub fn demo() -> Self {
        let directory = Directory::new();
        let mut command = Self::command(directory.path());
        command.args(["demo", "--address", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        Self::spawn(directory, &mut command, Tool::stdout, |stdout, _| {
            stdout.wait("the demo's addresses", DEADLINE, |line| {
                let mut addresses = line.split(' ').filter_map(|word| address_after("", word));
                Some((vec![addresses.next()?], addresses.next()?))
            })
        })
    }

    /// Runs the binary to its end.
    pub fn output(arguments: &[&str], config: &str, files: &[(String, String)]) -> Output {
        let directory = Directory::with(config, files);
        Self::command(directory.path()).args(arguments).output().unwrap()
    }

    /// Runs the binary to its end, beside the configuration of this gateway.
    pub fn run_beside(&self, arguments: &[&str]) -> Output {
        Self::command(self.directory.path()).args(arguments).output().unwrap()
    }

    /// The same with this as its standard output.
    pub fn run_beside_into(&self, arguments: &[&str], stdout: Stdio) -> Output {
        Self::command(self.directory.path()).args(arguments).stdout(stdout).output().unwrap()
    }

    /// Ends the process, and starts another with the configuration and the files as they are by now.
    pub fn restart(&mut self) {
        let ended = self.stop_gracefully();
        assert!(ended.success(), "{ended}");
        self.start_again();
    }

    /// Kills the process, which has no time to do anything about it, and starts another.
    pub fn restart_killed(&mut self) {
        self.signal("KILL");
        self.wait(DEADLINE);
        self.start_again();
    }

    /// Starts another process where one has ended.
    pub fn start_again(&mut self) {
        let mut command = Self::command(self.directory.path());
        let mut process = Tool::spawn(command.args(["run", "--config", "gateway.toml"]));
        (self.stdout, self.stderr) = (process.stdout(), process.stderr());
        (self.listeners, self.admin) = addresses(&self.stderr);
        self.process = process;
        self.wait_ready();
    }

    /// Starts the process that is to take over; it waits for this one to be told.
    pub fn successor(&self) -> Tool {
        Tool::spawn(Self::command(self.directory.path()).args(["run", "--config", "gateway.toml", "--upgrade"]))
    }

    /// Tells the process to hand over to this one; how it ended. From then on the other one is this gateway.
    pub fn hand_over_to(&mut self, mut successor: Tool) -> ExitStatus {
        self.signal("QUIT");
        (self.stdout, self.stderr) = (successor.stdout(), successor.stderr());
        let (listeners, admin) = addresses(&self.stderr);
        assert_eq!((listeners, admin), (self.listeners.clone(), self.admin));
        let mut old = mem::replace(&mut self.process, successor);
        old.wait_within(DEADLINE)
    }

    /// The binary, in this directory: the one cargo has just built, or the one that `STACKFLOW_GATEWAY` names.
    fn command(directory: &Path) -> Command {
        let binary = env::var_os("STACKFLOW_GATEWAY").unwrap_or_else(|| env!("CARGO_BIN_EXE_stackflow-gateway").into());
        let mut command = Command::new(binary);
        command.current_dir(directory).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// `find` waits for the addresses of the listeners and of the admin listener in what the process writes.
    fn spawn(
        directory: Directory,
        command: &mut Command,
        stdout: impl Fn(&mut Tool) -> Lines,
        find: impl Fn(&Lines, &Lines) -> (Vec<SocketAddr>, SocketAddr),
    ) -> Self {
        let start = Instant::now();
        let mut process = Tool::spawn(command);
        let (stdout, stderr) = (stdout(&mut process), process.stderr());
        let (listeners, admin) = find(&stdout, &stderr);
        Self { process, started_in: start.elapsed(), listeners, admin, stdout, stderr, directory }
    }

    /// The first listener.
    pub fn address(&self) -> SocketAddr {
        self.listeners[0]
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// A number from the system's status of its process: `Threads`, or kibibytes as `VmRSS`.
    pub fn status(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process_id())).unwrap();
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.split_whitespace().next());
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name} in {status}"))
    }

    /// A file beside the configuration.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A new connection to the first listener.
    pub fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// GET on the admin listener.
    pub fn admin_get(&self, path: &str) -> Response {
        let mut client = Client::connect(self.admin);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.admin).as_bytes());
        client.read_response("GET")
    }

    /// Waits until `/readyz` says 200. Readiness is a state that is asked for, so this asks.
    pub fn wait_ready(&self) {
        self.poll("readiness", || (self.admin_get("/readyz").status == 200).then_some(()));
    }

    /// The scrape.
    pub fn metrics(&self) -> String {
        let response = self.admin_get("/metrics");
        assert_eq!(response.status, 200, "{response:?}");
        response.text()
    }

    /// The sum of all series of this name that have these labels (and maybe others): `name` or `name{label="value"}`.
    pub fn metric(&self, selector: &str) -> f64 {
        let (name, labels) = parse_series(selector);
        let wanted = |line: &&str| {
            let (series, _) = line.rsplit_once(' ').unwrap_or((line, ""));
            let (known, values) = parse_series(series);
            known == name && labels.iter().all(|(label, value)| values.get(label) == Some(value))
        };
        let scrape = self.metrics();
        let values = scrape.lines().filter(|line| !line.starts_with('#')).filter(wanted);
        values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// Waits until a series has this value: what a request leaves behind is counted after its last byte was sent.
    pub fn wait_metric(&self, selector: &str, expected: f64) {
        self.poll(&format!("{selector} {expected}"), || ((self.metric(selector) - expected).abs() < 0.5).then_some(()));
    }

    /// The access log entry of the request with this id.
    pub fn access_log(&self, request_id: &str) -> Value {
        self.stdout.wait(&format!("the access log entry of {request_id}"), DEADLINE, |line| {
            // Most lines are of other requests, and parsing them all each time would take longer than the requests.
            let entry: Value = line.contains(request_id).then(|| serde_json::from_str(line).ok())??;
            (entry["request_id"] == request_id && entry["status"].is_number()).then_some(entry)
        })
    }

    /// Everything it has written.
    pub fn written(&self) -> String {
        self.stdout.text() + "\n" + &self.stderr.text()
    }

    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// SIGHUP, and waits until it is obeyed; whether it was a success.
    pub fn reload(&self) -> bool {
        const RELOADS: &str = "stackflow_gateway_config_reload_total";
        let before = self.metric(RELOADS);
        self.signal("HUP");
        self.wait_metric(RELOADS, before + 1.0);
        self.metric("stackflow_gateway_config_last_reload_success") > 0.5
    }

    /// Reloads; what has changed in the files is in force.
    #[track_caller]
    pub fn take_up(&self) {
        assert!(self.reload(), "{}", self.written());
    }

    /// Writes another configuration over its own.
    pub fn rewrite(&self, config: &str) {
        fs::write(self.path("gateway.toml"), config).unwrap();
    }

    /// Asks the admin listener for something else than GET.
    pub fn admin_ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut client = Client::connect(self.admin);
        let host = self.admin.to_string();
        let own = if headers.iter().any(|(name, _)| *name == "Host") { None } else { Some(("Host", host.as_str())) };
        client.send(&request(method, path, &[own.as_slice(), headers].concat(), b""));
        client.read_response(method)
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        self.process.wait_within(deadline)
    }

    /// SIGTERM; how it ended.
    pub fn stop_gracefully(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait(DEADLINE)
    }

    /// Asks again every few milliseconds until there is an answer.
    pub fn poll<T>(&self, what: &str, ask: impl Fn() -> Option<T>) -> T {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            assert!(Instant::now() < end, "{what} did not come; it wrote:\n{}", self.written());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Where the process says that it listens, and its admin listener.
fn addresses(stderr: &Lines) -> (Vec<SocketAddr>, SocketAddr) {
    // The admin listener is the last that it names.
    stderr.wait_all("listening on …", DEADLINE, |lines| {
        let admin = lines.iter().find(|line| line.starts_with("admin listening on "))?;
        let admin = address_after("admin listening on ", admin).unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
        Some((lines.iter().filter_map(|line| address_after("listening on ", line)).collect(), admin))
    })
}

/// The address in `http://127.0.0.1:8080` after these words.
fn address_after(words: &str, line: &str) -> Option<SocketAddr> {
    let url = line.strip_prefix(words)?;
    url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?.parse().ok()
}

/// `name{a="b"}` in its parts; values in these tests hold neither commas nor escapes.
fn parse_series(series: &str) -> (&str, BTreeMap<&str, &str>) {
    let Some((name, rest)) = series.split_once('{') else { return (series, BTreeMap::new()) };
    let labels = rest.trim_end_matches('}').split(',').filter_map(|pair| pair.split_once('='));
    (name, labels.map(|(label, value)| (label, value.trim_matches('"'))).collect())
}

impl Directory {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        // What a killed run left behind under the same process id.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn with(config: &str, files: &[(String, String)]) -> Self {
        let directory = Self::new();
        fs::write(directory.path().join("gateway.toml"), config).unwrap();
        for (name, content) in files {
            fs::write(directory.path().join(name), content).unwrap();
        }
        directory
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
