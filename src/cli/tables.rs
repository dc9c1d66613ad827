//! `reenact tables`: which tables there are or can be made, with their columns.

use super::answer::Asked;
use super::{Outcome, Result, text};
use crate::analysis::{builtin, registry};
use serde_json::json;
use std::path::PathBuf;

/// List the tables of a recording: columns with units, and rows where they are made.
#[derive(clap::Args)]
pub struct Tables {
    /// The recording.
    recording: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Tables {
    pub fn execute(self) -> Result {
        let made = Asked::open(&self.recording)?.tables()?;
        let mut listed = Vec::new();
        for (plugin, table) in registry::tables().chain(builtin::tables()) {
            let found = made.table(table.name).ok();
            if self.json {
                let columns = table
                    .columns
                    .iter()
                    .map(|c| json!({"name": c.name, "kind": format!("{:?}", c.kind), "about": c.about}));
                listed.push(json!({
                    "name": table.name, "about": table.about, "plugin": plugin.name, "is_default": plugin.is_default,
                    "columns": columns.collect::<Vec<_>>(),
                    "rows": found.map(|t| t.rows()),
                    "first": found.and_then(|t| t.manifest.first), "last": found.and_then(|t| t.manifest.last),
                    "arguments": found.map(|t| &t.manifest.provenance.arguments),
                    "absent": found.and_then(|t| t.manifest.absent.clone()),
                }));
                continue;
            }
            let state = match found {
                Some(t) => format!("{} rows", text::grouped(t.rows())),
                None if plugin.is_default => "not made yet: the first question makes it".to_owned(),
                None => format!("not made: reenact run R {}", plugin.name),
            };
            println!("{} ({state})\n    {}", table.name, table.about);
            for column in table.columns {
                println!("    {:<24} {:<8} {}", column.name, format!("{:?}", column.kind), column.about);
            }
        }
        if self.json {
            println!("{:#}", json!({ "tables": listed }));
        }
        Ok(Outcome::Done)
    }
}
