//! The commands. Exit codes: 0 well, 1 failed while running, 2 bad configuration or usage.

mod check;
mod demo;
mod run;
mod signals;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

/// Bad configuration or usage.
const BAD_USAGE: u8 = 2;

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
        /// How problems are written.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Print a completion script.
    Completions {
        /// For which shell.
        shell: Shell,
    },
}

/// How `check` writes problems.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// `FILE:LINE:COLUMN: key: what is wrong; what to write`, one a line.
    Text,
    /// An array of objects, for CI.
    Json,
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
        Command::Run { config } => run::run(&config),
        Command::Demo { address, admin } => demo::demo(address, admin),
        Command::Check { config, format } => check::check(&config, format),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "stackflow-gateway", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
    }
}
