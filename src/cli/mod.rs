//! One file a verb: it parses, calls the library, prints. Results go to stdout, everything else to stderr.
//!
//! Exit codes: 0 done, 1 a finding (a divergence), 2 usage, 3 damaged or unsupported input.

#[cfg(feature = "query")]
mod answer;
mod dump;
mod engine;
#[cfg(feature = "query")]
mod export;
mod find;
mod gdb;
mod index;
mod info;
#[cfg(feature = "query")]
mod output;
mod place;
mod plugins;
mod progress;
mod ps;
#[cfg(feature = "query")]
mod query;
mod record;
mod replay;
#[cfg(feature = "query")]
mod run;
mod size;
#[cfg(feature = "query")]
mod tables;
mod terminal;
mod text;
#[cfg(feature = "tui")]
mod tui;
mod verify;
#[cfg(not(feature = "query"))]
mod without_query;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Record whole virtual machines and replay them bit-exactly.
#[derive(Parser)]
#[command(name = "reenact", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Record(record::Record),
    Info(info::Info),
    Verify(verify::Verify),
    Replay(replay::Replay),
    Ps(ps::Ps),
    Dump(dump::Dump),
    Gdb(gdb::Gdb),
    Find(find::Find),
    #[cfg(feature = "tui")]
    Tui(tui::Tui),
    Index(index::Index),
    Plugins(plugins::Plugins),
    #[cfg(feature = "query")]
    Query(query::Query),
    #[cfg(feature = "query")]
    Export(export::Export),
    #[cfg(feature = "query")]
    Tables(tables::Tables),
    #[cfg(feature = "query")]
    Run(run::Run),
    #[cfg(not(feature = "query"))]
    #[command(aliases = ["export", "tables", "run"])]
    Query(without_query::Absent),
    Completions(Completions),
}

/// Print a completion script for a shell.
#[derive(clap::Args)]
struct Completions {
    /// Which shell.
    shell: clap_complete::Shell,
}

/// How a verb ended, when nothing went wrong.
enum Outcome {
    /// Exit code 0.
    Done,
    /// Exit code 1.
    Finding,
}

/// Why a verb could not do its work.
enum Failure {
    /// Exit code 2: the arguments ask for something that cannot be.
    Usage(anyhow::Error),
    /// Exit code 3: files or host.
    Input(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(e: E) -> Failure {
        Failure::Input(e.into())
    }
}

type Result<T = Outcome> = std::result::Result<T, Failure>;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let verb = Cli::parse().verb;
    if !matches!(verb, Verb::Record(_)) {
        // A reader that has seen enough (`| head`) ends the command quietly. A recording goes on without showing.
        // SAFETY: restores the default action; no handler of ours is involved.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    }
    let outcome = match verb {
        Verb::Record(verb) => verb.execute(),
        Verb::Info(verb) => verb.execute(),
        Verb::Verify(verb) => verb.execute(),
        Verb::Replay(verb) => verb.execute(),
        Verb::Ps(verb) => verb.execute(),
        Verb::Dump(verb) => verb.execute(),
        Verb::Gdb(verb) => verb.execute(),
        Verb::Find(verb) => verb.execute(),
        #[cfg(feature = "tui")]
        Verb::Tui(verb) => verb.execute(),
        Verb::Index(verb) => verb.execute(),
        Verb::Plugins(verb) => verb.execute(),
        Verb::Query(verb) => verb.execute(),
        #[cfg(feature = "query")]
        Verb::Export(verb) => verb.execute(),
        #[cfg(feature = "query")]
        Verb::Tables(verb) => verb.execute(),
        #[cfg(feature = "query")]
        Verb::Run(verb) => verb.execute(),
        Verb::Completions(verb) => {
            clap_complete::generate(
                verb.shell,
                &mut <Cli as clap::CommandFactory>::command(),
                "reenact",
                &mut std::io::stdout(),
            );
            Ok(Outcome::Done)
        }
    };
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Finding) => ExitCode::from(1),
        Err(Failure::Usage(e)) => report(&e, 2),
        Err(Failure::Input(e)) => report(&e, 3),
    }
}

/// The one printer of errors: the sentence, then its causes.
fn report(error: &anyhow::Error, code: u8) -> ExitCode {
    let mut said = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    eprintln!("reenact: {said}");
    ExitCode::from(code)
}
