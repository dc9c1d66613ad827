//! The verbs that ask tables, in a build that has no tables: they say so.

use super::{Failure, Result};

/// A verb of the feature `query`, which this build does not have.
#[derive(clap::Args)]
pub struct Absent {
    /// Whatever is given.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<String>,
}

impl Absent {
    pub fn execute(self) -> Result {
        let _ = self.rest;
        Err(Failure::Usage(anyhow::anyhow!(
            "this build has no tables and no SQL; build reenact with its feature query (cargo build --features query)"
        )))
    }
}
