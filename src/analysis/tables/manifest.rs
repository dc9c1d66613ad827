//! The manifest of a table: what it was made from and by what, and which parts it has. A table is as good as its manifest.
//!
//! `TABLE/manifest.json` beside the parts. The whole folder gets its name in one step, so a manifest that is there speaks of parts
//! that are there.

use super::Error;
use super::make::Evidence;
use super::part::Part;
use crate::text;
use reenact_plugin::{About, Arguments, Table};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The layout of folders and manifests.
const FORMAT: u32 = 1;
/// The file's name.
pub const FILE: &str = "manifest.json";

/// What a table was made from and by what: tables of another origin are stale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The layout of folders and manifests.
    pub format: u32,
    /// Identity of the recording, in hex.
    pub recording: String,
    /// Version of the tool, its machine and its counting rule.
    pub rule: String,
    /// The plugin.
    pub plugin: String,
    /// Its version.
    pub plugin_version: u32,
    /// Its arguments.
    pub arguments: BTreeMap<String, String>,
    /// Name and kind of each column.
    pub columns: Vec<(String, String)>,
}

impl Provenance {
    /// Of a table that a plugin makes.
    pub fn of(of: &Evidence, about: &About, arguments: &Arguments, table: &Table) -> Provenance {
        Provenance {
            format: FORMAT,
            recording: text::hex(&of.identity),
            rule: of.rule.clone(),
            plugin: about.name.to_owned(),
            plugin_version: about.version,
            arguments: arguments.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            columns: table.columns.iter().map(|c| (c.name.to_owned(), format!("{:?}", c.kind))).collect(),
        }
    }
    /// True if it is of this recording, and as this table is made now; whatever the arguments were.
    pub fn is_of(&self, of: &Evidence, about: &About, table: &Table) -> bool {
        let now = Provenance::of(of, about, &Arguments::default(), table);
        self.difference(&Provenance { arguments: self.arguments.clone(), ..now }).is_none()
    }
    /// For the footer of Parquet files.
    pub fn footer(&self) -> Vec<(String, String)> {
        let arguments: Vec<String> = self.arguments.iter().map(|(k, v)| format!("{k}={v}")).collect();
        vec![
            ("reenact.recording".to_owned(), self.recording.clone()),
            ("reenact.rule".to_owned(), self.rule.clone()),
            ("reenact.plugin".to_owned(), format!("{} {}", self.plugin, self.plugin_version)),
            ("reenact.arguments".to_owned(), arguments.join(" ")),
        ]
    }
    /// What `other` has that is not as here, for the user.
    pub fn difference(&self, other: &Provenance) -> Option<String> {
        let changed = |what: &str| Some(what.to_owned());
        if self.format != other.format || self.rule != other.rule {
            return changed("it was made by another version of reenact");
        }
        if self.recording != other.recording {
            return changed("it was made from another state of the recording");
        }
        if self.plugin != other.plugin || self.plugin_version != other.plugin_version || self.columns != other.columns {
            return changed("it was made by another version of its plugin");
        }
        (self.arguments != other.arguments).then(|| "it was made with other arguments".to_owned())
    }
}

/// The manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The table's name.
    pub table: String,
    /// What it was made from.
    pub provenance: Provenance,
    /// Rows of all parts.
    pub rows: u64,
    /// The Moment of the first row.
    pub first: Option<u64>,
    /// The Moment of the last row.
    pub last: Option<u64>,
    /// True if it reaches the end of the recording; else, the recording is damaged from somewhere on.
    pub complete: bool,
    /// Why there are no rows, where the guest does not have what the plugin needs.
    pub absent: Option<String>,
    /// The parts, in order.
    pub parts: Vec<Part>,
}

impl Manifest {
    /// Of a table that has no rows yet.
    pub fn empty(of: &Evidence, about: &About, table: &Table) -> Manifest {
        Manifest {
            table: table.name.to_owned(),
            provenance: Provenance::of(of, about, &Arguments::default(), table),
            rows: 0,
            first: None,
            last: None,
            complete: true,
            absent: None,
            parts: Vec::new(),
        }
    }
    /// Reads that of a table's folder; none where there is no table.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Manifest>, Error> {
        let path = folder.join(FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::Read { path, source }),
        };
        match serde_json::from_slice::<Manifest>(&bytes) {
            Ok(manifest) if manifest.is_sound() => Ok(Some(manifest)),
            Ok(_) => Err(Error::Read { path, source: std::io::Error::other("its parts do not add up") }),
            Err(source) => Err(Error::Read { path, source: source.into() }),
        }
    }
    /// What a forged or damaged one could say: names that lead out of the folder, sums that are wrong.
    fn is_sound(&self) -> bool {
        let is_file = |name: &str| name.starts_with("part-") && !name.contains(['/', '\\']);
        let rows = self.parts.iter().try_fold(0u64, |sum, part| sum.checked_add(part.rows));
        self.parts.iter().all(|part| is_file(&part.file)) && rows == Some(self.rows)
    }
}
