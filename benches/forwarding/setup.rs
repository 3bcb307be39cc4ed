//! What is measured: a fixed upstream, the pass-through, the gateway, and the gateway with a limit of one request a second.

use crate::{children::Served, support::Issuer};
use std::{fs, path::PathBuf, process::Command};

/// Everything that runs while it is measured; ended with it.
pub struct Setup {
    _upstream: Served,
    pub bare: Served,
    pub gateway: Served,
    pub silent: Served,
    pub limited: Served,
    pub authorization: String,
    folder: PathBuf,
}

/// Limits that do not refuse.
const OPEN: &str = "global = { rate = 1000000, burst = 1000000 }\nper_user = { rate = 1000000, burst = 1000000 }";
/// One request a second: all others are refused.
const CLOSED: &str = "global = { rate = 1000000, burst = 1000000 }\nper_user = { rate = 1, burst = 1 }";

impl Setup {
    pub fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("stackflow-gateway-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("the folder for temporary files is writable");
        let issuer = Issuer::new("https://pool.test/bench");
        fs::write(folder.join("jwks.json"), issuer.jwks_json()).expect("the folder is writable");
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let own = std::env::current_exe().expect("this binary has a path");
        let mut upstream = Command::new(&own);
        upstream.arg("upstream");
        let upstream = Served::start(upstream, Some(cores - 1));
        let mut bare = Command::new(&own);
        bare.arg("pass-through").arg(free_address()).arg(upstream.address.to_string());
        let bare = Served::start(bare, Some(0));
        let gateway = |name: &str, limits: &str, access: bool| {
            let file = folder.join(format!("{name}.toml"));
            fs::write(&file, configuration(name, limits, access, &upstream, &issuer)).expect("the folder is writable");
            let mut command = Command::new(env!("CARGO_BIN_EXE_stackflow-gateway"));
            command.arg("run").arg("--config").arg(file);
            Served::start(command, Some(0))
        };
        let (open, closed) = (gateway("open", OPEN, true), gateway("closed", CLOSED, true));
        let silent = gateway("silent", OPEN, false);
        let authorization = format!("Bearer {}", issuer.user("ada"));
        Self { bare, gateway: open, silent, limited: closed, authorization, folder, _upstream: upstream }
    }
}

/// One whole request.
pub fn request(authorization: &str) -> String {
    format!(
        "GET /prod/api/v1/incidents?limit=25 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: bench\r\nAccept: */*\r\n\
         Origin: https://app.stackflow-tech.com\r\nAuthorization: {authorization}\r\n\r\n"
    )
}

impl Drop for Setup {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// The whole job with one worker, access log included.
fn configuration(name: &str, limits: &str, access: bool, upstream: &Served, issuer: &Issuer) -> String {
    format!(
        "[server]\nthreads = 1\n\n[[listeners]]\naddress = \"127.0.0.1:0\"\n\n[admin]\naddress = \"127.0.0.1:0\"\n\n\
         [[auth.issuers]]\nissuer = \"{}\"\njwks_file = \"jwks.json\"\nclient_ids = [\"{}\"]\n\n\
         [limits]\n{limits}\nper_address = {{ rate = 1000000, burst = 1000000 }}\n\n\
         [upstreams.api]\nservers = [\"http://{}\"]\n\n[log]\noutput = \"{name}.log\"\naccess = {access}\n\n\
         [[routes]]\npath = \"/incidents\"\nmethods = [\"GET\", \"POST\"]\n\
         query = {{ limit = {{ type = \"integer\", min = 1, max = 200 }} }}\n",
        issuer.name, issuer.client_id, upstream.address
    )
}

/// The pass-through cannot say which port the system chose, so it is told one.
fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address").to_string()
}
