//! Where a run's rows go: every table into a folder of its own that gets its name when it is whole.
//!
//! ```text
//! tables/.NAME.PID.unfinished/   s000012-00003.unfinished   parts of slices, and of the join
//! tables/NAME/                   part-00000.parquet ..      in the order of Moments, disjoint; manifest.json
//! ```

use super::Error;
use super::columns::Columns;
use super::manifest::{FILE, Manifest, Provenance};
use super::part::{self, Part, PartWriter};
use super::sync::Syncer;
use super::writer::{Sizes, Target, Writer, Written};
use crate::analysis::sink::{Failure, RowSink, Sink};
use rayon::prelude::*;
use reenact_plugin::{Rows, Table, Value};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Memory that the last rows of slices may take until the tables are put together; more goes to the disk.
const KEPT: usize = 64 << 20;

/// The tables of a run.
pub struct Store {
    folder: PathBuf,
    sizes: Sizes,
    tables: Vec<Making>,
    syncer: Syncer,
    kept: AtomicUsize,
    has_failed: AtomicBool,
}

/// A table that is being made.
struct Making {
    target: Target,
    provenance: Provenance,
    /// What each source left, by the number of its slice; the join is like one slice.
    written: Mutex<BTreeMap<usize, Written>>,
}

impl Store {
    /// Makes the folders for tables in the order of the run.
    ///
    /// # Errors
    /// The disk.
    pub fn create(folder: &Path, tables: Vec<(Table, Provenance)>, sizes: Sizes) -> Result<Store, Error> {
        let make =
            |path: &Path| fs::create_dir_all(path).map_err(|source| Error::Folder { path: path.to_path_buf(), source });
        make(folder)?;
        let mut making = Vec::new();
        let syncer = Syncer::new();
        for (table, provenance) in tables {
            let own = folder.join(format!(".{}.{}.unfinished", table.name, std::process::id()));
            // Nobody else has this number; what is there was left by one who had it before.
            let _ = fs::remove_dir_all(&own);
            make(&own)?;
            let (name, about) = (String::new(), provenance.footer());
            let target = Target { table, folder: own, name, about, syncer: syncer.clone() };
            making.push(Making { target, provenance, written: Mutex::default() });
        }
        let (kept, has_failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        Ok(Store { folder: folder.to_path_buf(), sizes, tables: making, syncer, kept, has_failed })
    }

    fn source(&self, number: usize, from: u64, to: u64) -> Source<'_> {
        let writer = |making: &Making| {
            let target = Target { name: format!("s{number:06}"), ..making.target.clone() };
            Writer::new(target, self.sizes, from, to)
        };
        Source { store: self, number, writers: self.tables.iter().map(writer).collect(), failure: None }
    }

    /// Puts the tables together and gives them their names. `absent` says which have no rows because of what is missing;
    /// `complete`, that the run reached the end of the recording.
    ///
    /// # Errors
    /// The disk.
    pub fn publish(
        self,
        complete: bool,
        absent: &(dyn Fn(usize) -> Option<String> + Sync),
    ) -> Result<Vec<Manifest>, Error> {
        let parts = self.tables.par_iter().map(|making| making.put_together(self.sizes));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        self.syncer.wait()?;
        // The disk takes its time for each.
        let publish = |(number, (making, parts)): (usize, (&Making, Vec<Part>))| {
            let manifest = Manifest {
                table: making.target.table.name.to_owned(),
                provenance: making.provenance.clone(),
                rows: parts.iter().map(|p| p.rows).sum(),
                first: parts.first().map(|p| p.first),
                last: parts.last().map(|p| p.last),
                complete,
                absent: absent(number),
                parts,
            };
            making.publish(&self.folder, &manifest)?;
            Ok(manifest)
        };
        self.tables.par_iter().zip(parts).enumerate().map(publish).collect()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        for making in &self.tables {
            // Published ones have another name by now.
            let _ = fs::remove_dir_all(&making.target.folder);
        }
    }
}

impl Sink for Store {
    fn joined<'a>(&'a self) -> Box<dyn RowSink + 'a> {
        Box::new(self.source(0, 0, u64::MAX))
    }
    fn slice<'a>(&'a self, number: usize, from: u64, to: u64) -> Box<dyn RowSink + 'a> {
        Box::new(self.source(number + 1, from, to))
    }
}

/// The rows of one slice, or of the join.
struct Source<'a> {
    store: &'a Store,
    number: usize,
    writers: Vec<Writer>,
    failure: Option<Error>,
}

impl Rows for Source<'_> {
    fn push(&mut self, table: usize, row: &[Value<'_>]) {
        if self.failure.is_some() {
            return;
        }
        let Some(writer) = self.writers.get_mut(table) else { return };
        if let Err(failure) = writer.push(row) {
            self.store.has_failed.store(true, Ordering::Relaxed);
            self.failure = Some(failure);
        }
    }
}

impl RowSink for Source<'_> {
    fn failed(&self) -> bool {
        self.store.has_failed.load(Ordering::Relaxed)
    }
    fn finish(self: Box<Self>) -> Result<(), Failure> {
        if let Some(failure) = self.failure {
            return Err(failure.into());
        }
        for (writer, making) in self.writers.into_iter().zip(&self.store.tables) {
            let has_room = self.store.kept.load(Ordering::Relaxed) < KEPT;
            let written =
                writer.finish(has_room).inspect_err(|_| self.store.has_failed.store(true, Ordering::Relaxed))?;
            self.store.kept.fetch_add(written.rest.memory() + written.late.memory(), Ordering::Relaxed);
            let is_empty = written.parts.is_empty() && written.rest.rows() == 0 && written.late.rows() == 0;
            if !is_empty {
                making.written.lock().expect("no holder panics").insert(self.number, written);
            }
        }
        Ok(())
    }
}

/// Rows in a row of rows: a file, or what stayed in memory.
enum Piece {
    File(Part),
    Memory(Columns),
}

impl Piece {
    fn first(&self) -> Option<u64> {
        match self {
            Piece::File(part) => Some(part.first),
            Piece::Memory(rows) => rows.moments().first().copied(),
        }
    }
}

impl Making {
    /// Late rows into their places, small pieces into one part, and names in the order of time.
    fn put_together(&self, sizes: Sizes) -> Result<Vec<Part>, Error> {
        let written = std::mem::take(&mut *self.written.lock().expect("no holder panics"));
        let (mut pieces, mut late) = (Vec::new(), Columns::new(self.target.table));
        for source in written.into_values() {
            pieces.extend(source.parts.into_iter().map(Piece::File));
            if source.rest.rows() > 0 {
                pieces.push(Piece::Memory(source.rest));
            }
            late.append(&source.late, 0..source.late.rows());
        }
        // Sources end where the next ones begin; only the pieces of one Moment need their order kept.
        pieces.sort_by_key(Piece::first);
        let mut late = Late::new(&pieces, late);
        let mut assembly = Assembly::new(self, sizes);
        for (number, piece) in pieces.into_iter().enumerate() {
            assembly.add(piece, late.of(number))?;
        }
        if let Some(rows) = late.left() {
            assembly.add(Piece::Memory(rows), None)?;
        }
        assembly.finish()
    }

    /// The folder takes the table's name in one step; the one that had it is gone a moment before.
    fn publish(&self, tables: &Path, manifest: &Manifest) -> Result<(), Error> {
        let own = &self.target.folder;
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| Error::Write { path, source }
        };
        let path = own.join(FILE);
        write_synced(&path, &serde_json::to_vec_pretty(manifest).expect("a manifest is plain data"))
            .map_err(failed(&path))?;
        sync_folder(own);
        let name = tables.join(self.target.table.name);
        let old = tables.join(format!(".{}.{}.old", self.target.table.name, std::process::id()));
        match fs::rename(&name, &old) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(&name)(e)),
            _ => {}
        }
        fs::rename(own, &name).map_err(failed(&name))?;
        sync_folder(tables);
        // One that stays is swept by the next run.
        let _ = fs::remove_dir_all(&old);
        Ok(())
    }
}

/// Late rows, each belonging to the last piece that begins at its Moment or before.
struct Late {
    rows: Columns,
    /// By piece: where its rows end.
    ends: Vec<usize>,
    taken: usize,
}

impl Late {
    fn new(pieces: &[Piece], rows: Columns) -> Late {
        let rows = rows.sorted();
        let ends = match pieces.len() {
            0 => Vec::new(),
            count => {
                let before = |next: &Piece| rows.moments().partition_point(|&m| Some(m) < next.first());
                let mut ends: Vec<usize> = pieces[1..].iter().map(before).collect();
                ends.push(rows.rows());
                debug_assert_eq!(ends.len(), count);
                ends
            }
        };
        Late { rows, ends, taken: 0 }
    }
    /// Those of a piece; pieces are asked for in order.
    fn of(&mut self, piece: usize) -> Option<Columns> {
        self.take(self.ends[piece])
    }
    /// Those without a piece.
    fn left(&mut self) -> Option<Columns> {
        self.take(self.rows.rows())
    }
    fn take(&mut self, end: usize) -> Option<Columns> {
        let mut taken = Columns::new(*self.rows.table());
        taken.append(&self.rows, self.taken..end.max(self.taken));
        self.taken = end.max(self.taken);
        (taken.rows() > 0).then_some(taken)
    }
}

/// Pieces on their way to the parts of the table.
struct Assembly<'a> {
    making: &'a Making,
    sizes: Sizes,
    /// Small pieces that wait to become a part together.
    waiting: Columns,
    parts: Vec<Part>,
}

impl Assembly<'_> {
    fn new(making: &Making, sizes: Sizes) -> Assembly<'_> {
        Assembly { making, sizes, waiting: Columns::new(making.target.table), parts: Vec::new() }
    }

    fn add(&mut self, piece: Piece, late: Option<Columns>) -> Result<(), Error> {
        match (piece, late) {
            (Piece::Memory(rows), late) => self.wait(rows, late),
            (Piece::File(part), None) => {
                self.flush()?;
                self.rename(part)
            }
            (Piece::File(part), Some(late)) => {
                let path = self.making.target.folder.join(&part.file);
                let rows = part::read(&path, &self.making.target.table)?;
                self.flush()?;
                self.wait(rows, Some(late))?;
                self.flush()?;
                fs::remove_file(&path).map_err(|source| Error::Write { path, source })
            }
        }
    }

    fn wait(&mut self, mut rows: Columns, late: Option<Columns>) -> Result<(), Error> {
        if let Some(late) = late {
            rows.append(&late, 0..late.rows());
            rows = rows.sorted();
        }
        self.waiting.append(&rows, 0..rows.rows());
        if self.waiting.rows() * 2 > self.sizes.rows || self.waiting.memory() > self.sizes.bytes {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        let rows = std::mem::replace(&mut self.waiting, Columns::new(self.making.target.table)).sorted();
        if rows.rows() == 0 {
            return Ok(());
        }
        let target = &self.making.target;
        let mut writer =
            PartWriter::create(target.folder.join(self.next()), &target.table, &target.about, self.sizes.packing)?;
        writer.write_groups(&rows, self.sizes.rows)?;
        self.parts.push(writer.finish(&target.syncer)?);
        Ok(())
    }

    fn rename(&mut self, part: Part) -> Result<(), Error> {
        let (folder, file) = (&self.making.target.folder, self.next());
        let path = folder.join(&file);
        fs::rename(folder.join(&part.file), &path).map_err(|source| Error::Write { path, source })?;
        self.parts.push(Part { file, ..part });
        Ok(())
    }

    fn next(&self) -> String {
        format!("part-{:05}.parquet", self.parts.len())
    }

    fn finish(mut self) -> Result<Vec<Part>, Error> {
        self.flush()?;
        Ok(self.parts)
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()
}

/// Makes new names survive a power failure where the file system can; failure costs only that.
fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(path) {
        let _ = folder.sync_all();
    }
}
