//! The command line; everything is in `reenact::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    reenact::cli::main()
}
