//! `reenact index`: makes, shows or drops what is derived from a recording.

use super::{Outcome, Result, progress, size, text};
use crate::recording::Reader;
use crate::replay::index::Limits;
use crate::replay::travel::{Cancel, Options, Travel, index_folder};
use std::path::PathBuf;
use std::time::Instant;

/// Make the index of a recording: snapshots to travel in time with, in the folder NAME.reen.index.
///
/// Every verb that needs the index makes it by itself; it can be deleted at any time. Making it replays the recording
/// once and compares every digest on the way.
#[derive(clap::Args)]
pub struct Index {
    /// The recording.
    recording: PathBuf,
    /// Delete the index instead.
    #[arg(long, conflicts_with_all = ["budget", "memory"])]
    drop: bool,
    /// What the index may take on the disk; when it would grow larger, snapshots get farther apart.
    #[arg(long, value_name = "SIZE", value_parser = size::bytes, default_value = "2G")]
    budget: u64,
    /// What it may take in memory.
    #[arg(long, value_name = "SIZE", value_parser = size::bytes, default_value = "256M")]
    memory: u64,
    /// Do not make the default tables.
    #[cfg(feature = "query")]
    #[arg(long)]
    no_tables: bool,
}

impl Index {
    pub fn execute(self) -> Result {
        let reader = Reader::open(&self.recording)?;
        let folder = index_folder(&self.recording);
        if self.drop {
            return drop_folder(&folder);
        }
        #[expect(clippy::disallowed_methods, reason = "the host edge: reports how long it took")]
        let started = Instant::now();
        let limits = Limits { memory_bytes: self.memory, disk_bytes: self.budget };
        let mut travel = Travel::open(reader, Options { limits, ..Options::default() })?;
        let had = travel.index().is_complete();
        let bar = progress::bar(travel.end());
        travel.finish_index(&Cancel::default(), &|at| bar.set_position(at.0))?;
        travel.index().flush();
        bar.finish_and_clear();
        for note in travel.take_notes() {
            eprintln!("reenact: {note}");
        }
        let index = travel.index();
        println!(
            "{}: {} snapshots in {}, {}",
            folder.display(),
            index.slices(),
            text::size(index.stored_bytes()),
            if had { "complete already".to_owned() } else { format!("{:.2} s", started.elapsed().as_secs_f64()) }
        );
        let damage = travel.damage().map(ToString::to_string);
        drop(travel);
        #[cfg(feature = "query")]
        if !self.no_tables {
            let options = Options { limits, ..Options::default() };
            let tables = crate::analysis::tables::defaults();
            let made = super::answer::Asked::open(&self.recording)?
                .make(tables, crate::replay::travel::Cut::AtSnapshots, options)?
                .made;
            println!("{}: {made} tables made", folder.join("tables").display());
        }
        if let Some(damage) = damage {
            return Err(anyhow::anyhow!("{damage}; what comes before is indexed").into());
        }
        Ok(Outcome::Done)
    }
}

fn drop_folder(folder: &std::path::Path) -> Result {
    match std::fs::remove_dir_all(folder) {
        Ok(()) => println!("{}: deleted", folder.display()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => println!("{}: there is none", folder.display()),
        Err(e) => return Err(anyhow::Error::new(e).context(format!("cannot delete {}", folder.display())).into()),
    }
    Ok(Outcome::Done)
}
