//! Code that was executed, as ranges of bytes, by process and module.
//!
//! A slice notes each piece of code once, the join makes the union. The mappings of a program change only while the kernel
//! runs: so what is known of them is kept from one return to the program to the next, and no longer.

mod ranges;

use ranges::Ranges;
use reenact_plugin::{
    About, Analysis, ArgumentError, Arguments, Column, Comm, Event, Kind, Out, Plugin, Rows, Runnable, Scene, Table,
    Value, Wants, runnable,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The plugin, for the registry.
pub static PLUGIN: Coverage = Coverage;

/// The most bytes of a row: drcov has 16 bits for it.
const LARGEST: u64 = 0xffff;
/// The kernel's half begins here.
const UPPER_HALF: u64 = 0xffff_8000_0000_0000;
/// Pieces that are recognised without looking them up; a power of two.
const RECENT: usize = 1 << 14;
const PAGE: u64 = 4096;

const TABLE: Table = Table {
    name: "coverage",
    about: "Bytes of code that were executed: as long as they can be, up to 65535",
    columns: &[
        Column::new(
            "moment",
            Kind::Moment,
            "instructions retired in front of the first that was executed in the run of code that it is in",
        ),
        Column::new("pid", Kind::U32, "the process; null for the kernel's own code, and without Linux"),
        Column::new("comm", Kind::Name, "the thread's name then"),
        Column::new(
            "module",
            Kind::Text,
            "the file's path, [vdso] or the like, [kernel], or [modules] for all kernel modules; null where that is not known",
        ),
        Column::new(
            "base",
            Kind::Address,
            "where the module's first byte is, or would be; 0 where offset is an address",
        ),
        Column::new("offset", Kind::U64, "bytes from base"),
        Column::new("size", Kind::U32, "bytes"),
    ],
};

/// What is registered.
pub struct Coverage;

impl Plugin for Coverage {
    fn about(&self) -> About {
        About {
            name: "coverage",
            version: 1,
            summary: "code that was executed, by process and module",
            arguments: &[],
            tables: &[TABLE],
            is_default: false,
        }
    }
    fn prepare(&self, _: &Arguments) -> Result<Box<dyn Runnable>, ArgumentError> {
        Ok(runnable(Executed))
    }
}

struct Executed;

/// Whose code, and of which module.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Space {
    pid: Option<u32>,
    comm: Option<Comm>,
    module: Option<String>,
    base: u64,
}

/// Addresses that are one space's.
#[derive(Clone, Copy)]
struct Place {
    from: u64,
    to: u64,
    /// In `Slice::spaces`.
    space: u32,
}

/// A piece of code: space, first address, address behind the last.
type Piece = (u32, u64, u64);

struct Slice {
    /// The kernel's image, once it is known.
    kernel: Option<(u64, u64)>,
    /// What the running program has executed since the kernel last ran.
    program: Vec<Place>,
    spaces: Vec<Arc<Space>>,
    numbers: BTreeMap<Arc<Space>, u32>,
    noted: BTreeSet<Piece>,
    recent: Vec<Piece>,
}

struct Note {
    space: Arc<Space>,
    from: u64,
    to: u64,
    moment: u64,
}

impl Analysis for Executed {
    type Slice = Slice;
    type Note = Note;
    type Join = BTreeMap<Arc<Space>, Ranges>;

    fn wants(&self) -> Wants {
        Wants { blocks: true, user_returns: true, ..Wants::default() }
    }
    fn begin(&self, _: &dyn Scene) -> Slice {
        Slice {
            kernel: None,
            program: Vec::new(),
            spaces: Vec::new(),
            numbers: BTreeMap::new(),
            noted: BTreeSet::new(),
            recent: vec![(0, 0, 0); RECENT],
        }
    }
    fn see(&self, slice: &mut Slice, event: &Event<'_>, scene: &dyn Scene, out: &mut Out<'_, Note>) {
        match *event {
            Event::UserReturn => slice.program.clear(),
            Event::Block { from, to } => slice.executed(from, to, scene, out.notes),
            _ => {}
        }
    }
    fn start(&self) -> Self::Join {
        BTreeMap::new()
    }
    fn join(&self, join: &mut Self::Join, note: Note, _: &mut dyn Rows) {
        join.entry(note.space).or_default().add(note.from, note.to, note.moment);
    }
    fn end(&self, join: Self::Join, _: u64, rows: &mut dyn Rows) {
        let mut all: Vec<(u64, &Space, u64, u64)> = Vec::new();
        for (space, ranges) in &join {
            all.extend(ranges.iter().map(|(from, to, moment)| (moment, &**space, from, to)));
        }
        all.sort_unstable();
        for (moment, space, from, to) in all {
            let mut at = from;
            while at < to {
                let size = LARGEST.min(to - at);
                space.push(moment, at, size, rows);
                at += size;
            }
        }
    }
}

impl Slice {
    fn executed(&mut self, from: u64, to: u64, scene: &dyn Scene, notes: &mut Vec<Note>) {
        let mut at = from;
        // A run of code may go from one module to the next.
        while at < to {
            let place = self.place(at, scene);
            let end = to.min(place.to);
            if self.is_new((place.space, at, end)) {
                let space = self.spaces[place.space as usize].clone();
                notes.push(Note { space, from: at, to: end, moment: scene.moment() });
            }
            at = end;
        }
    }

    fn is_new(&mut self, piece: Piece) -> bool {
        let slot = (piece.1 ^ (piece.1 >> 14) ^ u64::from(piece.0)) as usize % RECENT;
        if self.recent[slot] == piece {
            return false;
        }
        self.recent[slot] = piece;
        self.noted.insert(piece)
    }

    /// Whose an address is.
    fn place(&mut self, at: u64, scene: &dyn Scene) -> Place {
        if at >= UPPER_HALF {
            return self.kernel_place(at, scene);
        }
        if let Some(place) = self.program.iter().rev().find(|p| (p.from..p.to).contains(&at)) {
            return *place;
        }
        let (from, to, space) = program_space(at, scene);
        let place = Place { from, to, space: self.number(space) };
        self.program.push(place);
        place
    }

    fn kernel_place(&mut self, at: u64, scene: &dyn Scene) -> Place {
        if self.kernel.is_none() {
            self.kernel = scene.address_of("_text").zip(scene.address_of("_end"));
        }
        let (from, to, module, base) = match self.kernel {
            Some((from, to)) if (from..to).contains(&at) => (from, to, Some("[kernel]"), from),
            Some((from, _)) if at < from => (UPPER_HALF, from, Some("[modules]"), 0),
            Some((_, to)) => (to, u64::MAX, Some("[modules]"), 0),
            None => (UPPER_HALF, u64::MAX, None, 0),
        };
        let space = Space { pid: None, comm: None, module: module.map(str::to_owned), base };
        Place { from, to, space: self.number(space) }
    }

    fn number(&mut self, space: Space) -> u32 {
        if let Some(&number) = self.numbers.get(&space) {
            return number;
        }
        let space = Arc::new(space);
        let number = self.spaces.len() as u32;
        self.spaces.push(space.clone());
        self.numbers.insert(space, number);
        number
    }
}

/// The mapping of the running program that holds an address.
fn program_space(at: u64, scene: &dyn Scene) -> (u64, u64, Space) {
    let task = scene.task();
    let (pid, comm) = (task.map(|t| t.pid), task.map(|t| t.comm));
    match task.and_then(|t| scene.mapping(t.key.at, at)) {
        Some(mapping) => {
            let module = mapping.path.unwrap_or_else(|| "[anonymous]".to_owned());
            // What has no file has no first byte either: such mappings grow, merge and split.
            let has_base = module.starts_with('/') || module == "[vdso]";
            let base = if has_base { mapping.from.wrapping_sub(mapping.offset) } else { 0 };
            (mapping.from, mapping.to, Space { pid, comm, module: Some(module), base })
        }
        None => {
            let from = at & !(PAGE - 1);
            (from, from + PAGE, Space { pid, comm, module: None, base: 0 })
        }
    }
}

impl Space {
    fn push(&self, moment: u64, from: u64, size: u64, rows: &mut dyn Rows) {
        let comm = self.comm.as_ref().map(Comm::text);
        rows.push(
            0,
            &[
                Value::U(moment),
                self.pid.into(),
                comm.as_deref().into(),
                self.module.as_deref().into(),
                Value::U(self.base),
                Value::U(from.wrapping_sub(self.base)),
                Value::U(size),
            ],
        );
    }
}

#[cfg(test)]
mod tests;
