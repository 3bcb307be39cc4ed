//! The commands. Exit codes: 0 well, 1 failed while running, 2 bad configuration or usage.

mod api_key;
mod check;
mod demo;
mod run;
mod signals;
mod signing_key;

use crate::{
    config::{Problems, render_text, schema},
    proxy::RunError,
};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::{
    fmt,
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

/// Bad configuration or usage.
const BAD_USAGE: u8 = 2;
/// Where an installation has its configuration.
const DEFAULT_CONFIG: &str = "/etc/stackflow-gateway/gateway.toml";
/// How a gateway that runs learns of a change.
const TAKE_UP: &str = "once it is reloaded (systemctl reload stackflow-gateway, or kill -HUP its process id)";

/// Rate-limiting, authenticating reverse proxy in front of the StackFlow REST API.
#[derive(Debug, Parser)]
#[command(name = "stackflow-gateway", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve.
    Run {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Take the listeners of the gateway that runs: waits until that one is sent SIGQUIT, which hands them over and drains.
        #[arg(long)]
        upgrade: bool,
    },
    /// Try it: a sample StackFlow API, a token endpoint and the gateway in front, without any file; prints curl lines to paste.
    Demo {
        /// Where the gateway listens.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
        address: SocketAddr,
        /// Where its admin listener listens.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9901")]
        admin: SocketAddr,
    },
    /// Read and compile a configuration and report every problem in it.
    Check {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// How problems are written: a line each, `FILE:LINE:COLUMN: key: what is wrong; what to write`, or an array of objects.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Make, list and revoke the keys of service accounts, which trade them for tokens at the gateway's token endpoint.
    #[command(subcommand)]
    ApiKey(ApiKey),
    /// Change the key that signs the token endpoint's tokens.
    #[command(subcommand)]
    SigningKey(SigningKey),
    /// Print the JSON Schema (draft 2020-12) of the configuration, for editors and CI.
    ///
    /// It knows keys, types, words and ranges of numbers. What texts say, how keys fit each other and what files hold, only `check`
    /// does.
    Schema,
    /// Print a completion script.
    Completions {
        /// For which shell.
        shell: Shell,
    },
}

/// How a command writes what it was asked for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people, line by line.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
enum ApiKey {
    /// Make a service account and print its `client_id` and `client_secret`, this once; the file keeps only a hash of the secret.
    ///
    /// The account is added to the file that `api_keys` of `[auth.token_endpoint]` names, which is made if it is not there. A
    /// gateway that runs takes it up when it is reloaded.
    Create {
        /// What people call it; no two accounts have the same name.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// A scope that its tokens may have; once for each.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// When it ends: a date (midnight UTC), or a moment like 2030-01-31T12:00:00Z. Without it: when it is revoked.
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// List the service accounts; secrets are not known.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Take a service account out of the file.
    ///
    /// It gets no more tokens once the gateway is reloaded. Tokens that it has live on, at most for `token_lifetime`; to cut
    /// them too, add its `client_id` to the file that `auth.revocations` names before the reload.
    Revoke {
        /// The account's name or `client_id`.
        #[arg(value_name = "CLIENT_ID|NAME")]
        who: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Which gateway's accounts, and how to write about them.
#[derive(Debug, Args)]
struct Place {
    /// The configuration file of the gateway.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
    /// How the answer is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum SigningKey {
    /// Make a new signing key; the old one stays published until its last token is over.
    ///
    /// A gateway that runs goes on signing with the old key until it is reloaded. Reload all gateways that share the files at
    /// once: one that is not reloaded yet refuses what the others sign with the new key. From the first reload on tokens of the
    /// old key are accepted for two more token lifetimes: one for gateways that still sign with it, one for the last of those
    /// tokens. It is kept, its public half alone, in a file beside the signing key, NAME.retired.json.
    Rotate {
        /// The configuration file of the gateway.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Do not keep the old key, nor those before it: after a leak. Their tokens are refused from the reload on; by others who
        /// verify them, once they fetch the key set again, which they may keep for 60 seconds.
        #[arg(long)]
        forget_old: bool,
        /// How the answer is written.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

/// Runs the command that the process' arguments name.
#[must_use]
pub fn main() -> ExitCode {
    // Before anything of TLS is touched: two providers are linked (the framework brings ring), and rustls panics when it has
    // to guess. It can fail only if one is installed already, which is then this one.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Writing to a closed terminal cannot be reported anywhere.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(BAD_USAGE));
        }
    };
    match arguments.command {
        Command::Run { config, upgrade } => run::run(&config, upgrade),
        Command::Demo { address, admin } => demo::demo(address, admin),
        Command::Check { config, format } => check::check(&config, format),
        Command::ApiKey(command) => api_key::api_key(command),
        Command::SigningKey(SigningKey::Rotate { config, forget_old, format }) => {
            signing_key::rotate(&config, forget_old, format)
        }
        Command::Schema => answer(&format!("{:#}\n", schema())),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "stackflow-gateway", &mut script);
            answer(&String::from_utf8_lossy(&script))
        }
    }
}

/// A text that was asked for, which is all there is to do.
fn answer(text: &str) -> ExitCode {
    print(text).map_or_else(|error| unprinted(&error, "try again").report(), |()| ExitCode::SUCCESS)
}

/// Why a command came to nothing.
#[derive(Debug)]
enum Failure {
    /// Exit code 2; what is wrong with files, each with its place.
    File(Problems),
    /// Exit code 2; what was asked for is wrong.
    Usage(String),
    /// Exit code 1; the operating system refused.
    System(String),
}

impl Failure {
    /// What the operating system refused, or a file that is none to be read as text.
    fn system(error: &io::Error, what: &str) -> Self {
        let no_text = matches!(
            error.kind(),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory | io::ErrorKind::FileTooLarge
        );
        if no_text {
            return Self::Usage(format!("{what}: {error}"));
        }
        let remedy =
            if error.kind() == io::ErrorKind::PermissionDenied { ": run it as root or as the gateway's user" } else { "" };
        Self::System(format!("{what}: {error}{remedy}"))
    }

    /// Says so on standard error.
    fn report(&self) -> ExitCode {
        match self {
            // A tool may read the places: each stands at the beginning of its line.
            Self::File(_) => note(&self.to_string()),
            Self::Usage(_) | Self::System(_) => note(&format!("stackflow-gateway: {self}")),
        }
        match self {
            Self::File(_) | Self::Usage(_) => ExitCode::from(BAD_USAGE),
            Self::System(_) => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(problems) => formatter.write_str(render_text(problems).trim_end()),
            Self::Usage(what) | Self::System(what) => formatter.write_str(what),
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::File(problems)
    }
}

/// Why a gateway does not serve, on standard error.
fn failed(error: &anyhow::Error) -> ExitCode {
    note(&format!("stackflow-gateway: {error:#}"));
    let is_written_wrong = error.downcast_ref().is_some_and(RunError::is_written_wrong);
    if is_written_wrong { ExitCode::from(BAD_USAGE) } else { ExitCode::FAILURE }
}

/// Writes what was asked for to standard output. The macros panic where a disk is full or nobody reads.
fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// What was asked for could not be written; `end`: how things are all the same.
fn unprinted(error: &io::Error, end: &str) -> Failure {
    Failure::System(format!("cannot write to standard output: {error}; {end}"))
}

/// Writes a line to standard error. Where that is not possible, nobody can be told.
fn note(line: &str) {
    drop(io::stderr().lock().write_all(format!("{line}\n").as_bytes()));
}
