//! `reenact plugins`: the analyses that are built in.

use super::{Outcome, Result};
use crate::analysis::registry::PLUGINS;
use serde_json::json;

/// List the analyses that are built in, with what they take and the tables that they make.
#[derive(clap::Args)]
pub struct Plugins {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Plugins {
    pub fn execute(self) -> Result {
        if self.json {
            let listed: Vec<_> = PLUGINS.iter().map(|p| p.about()).map(|about| json!({
                "name": about.name, "version": about.version, "summary": about.summary, "is_default": about.is_default,
                "arguments": about.arguments.iter().map(|a| json!({"name": a.name, "about": a.about})).collect::<Vec<_>>(),
                "tables": about.tables.iter().map(|t| t.name).collect::<Vec<_>>(),
            })).collect();
            println!("{:#}", json!({ "plugins": listed }));
            return Ok(Outcome::Done);
        }
        for about in PLUGINS.iter().map(|p| p.about()) {
            let tables: Vec<&str> = about.tables.iter().map(|t| t.name).collect();
            let when = if about.is_default { "" } else { "; only by reenact run" };
            println!("{:<12} {}\n{:12} tables: {}{when}", about.name, about.summary, "", tables.join(", "));
            for argument in about.arguments {
                println!("{:12} {}=: {}", "", argument.name, argument.about);
            }
        }
        Ok(Outcome::Done)
    }
}
