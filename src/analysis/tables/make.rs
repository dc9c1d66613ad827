//! Sees to it that tables are there: looks which are good, and has the others made, all in one run.

use super::manifest::{Manifest, Provenance};
use super::store::Store;
use super::writer::Sizes;
use super::{Error, folder};
use crate::analysis::sink::{Failure, Sink};
use reenact_plugin::{Arguments, Plugin};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

/// A plugin with its arguments.
#[derive(Clone)]
pub struct Wanted {
    /// Which.
    pub plugin: &'static dyn Plugin,
    /// With which arguments.
    pub arguments: Arguments,
}

/// What a table belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The recording's file.
    pub recording: PathBuf,
    /// Identity of the recording.
    pub identity: [u8; 32],
    /// Version of the tool, its machine and its counting rule.
    pub rule: String,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// It reached the end of the recording.
    pub complete: bool,
    /// By plugin of the run: why it could not be run, where the guest does not have what it needs.
    pub absent: BTreeMap<usize, String>,
}

/// What is there of what is wanted.
pub struct Stock {
    /// What has to be made.
    pub missing: Vec<Wanted>,
    /// Why tables that are there are made anew, a sentence each, for the user.
    pub notes: Vec<String>,
}

impl Wanted {
    /// With no arguments.
    pub fn plain(plugin: &'static dyn Plugin) -> Wanted {
        Wanted { plugin, arguments: Arguments::default() }
    }
    fn provenances(&self, of: &Evidence) -> Vec<(reenact_plugin::Table, Provenance)> {
        let about = self.plugin.about();
        about.tables.iter().map(|t| (*t, Provenance::of(of, &about, &self.arguments, t))).collect()
    }
}

/// Looks which of the wanted tables are there and good.
pub fn look(of: &Evidence, wanted: Vec<Wanted>) -> Stock {
    let folder = folder(&of.recording);
    let mut stock = Stock { missing: Vec::new(), notes: Vec::new() };
    for wanted in wanted {
        let mut is_missing = false;
        for (table, provenance) in wanted.provenances(of) {
            let why = match Manifest::read(&folder.join(table.name)) {
                Ok(None) => None,
                Ok(Some(found)) => match found.provenance.difference(&provenance) {
                    None => continue,
                    why => why,
                },
                Err(e) => Some(format!("{e}")),
            };
            is_missing = true;
            stock.notes.extend(why.map(|why| format!("table {} is made anew: {why}", table.name)));
        }
        if is_missing {
            stock.missing.push(wanted);
        }
    }
    stock
}

/// Holds the right to make tables of a recording; others wait.
pub struct Permit(#[expect(dead_code, reason = "held for its lock")] File);

/// Waits for the right to make tables. Look again then: another process may have made them.
///
/// # Errors
/// The folder cannot be written.
pub fn permit(of: &Evidence) -> Result<Permit, Error> {
    let folder = folder(&of.recording);
    let failed = |source| Error::Folder { path: folder.clone(), source };
    fs::create_dir_all(&folder).map_err(failed)?;
    let path = folder.join("lock");
    let lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
    lock.lock().map_err(failed)?;
    sweep(&folder);
    Ok(Permit(lock))
}

/// What killed processes left; the holder of the lock knows that nobody writes it.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let is_left_over = |name: &str| name.starts_with('.') && (name.ends_with(".unfinished") || name.ends_with(".old"));
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(is_left_over) {
            // One that stays is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Makes the tables of some plugins in one run, which `run` does: it gives the rows to the sink. None if it was cancelled.
///
/// # Errors
/// The run's, and the disk's. No table has changed then.
pub fn make(
    of: &Evidence,
    wanted: &[Wanted],
    _permit: &Permit,
    run: impl FnOnce(&dyn Sink) -> Result<Option<Ran>, Failure>,
) -> Result<Option<Vec<Manifest>>, Failure> {
    let per_plugin: Vec<_> = wanted.iter().map(|w| w.provenances(of)).collect();
    let owners: Vec<usize> = per_plugin.iter().enumerate().flat_map(|(n, t)| vec![n; t.len()]).collect();
    let store = Store::create(&folder(&of.recording), per_plugin.concat(), Sizes::default())?;
    let Some(ran) = run(&store)? else { return Ok(None) };
    Ok(Some(store.publish(ran.complete, &|table| ran.absent.get(owners.get(table)?).cloned())?))
}
