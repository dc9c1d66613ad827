//! Writes to given bytes of memory, or to all of it: what was there, what is there then, and who did it.

mod which;

use reenact_plugin::{
    About, Analysis, Argument, ArgumentError, Arguments, Column, CommCache, Event, Kind, Out, Plugin, Rows, Runnable,
    Scene, SymbolCache, Table, Value, Wants, runnable,
};
use which::Which;

/// The plugin, for the registry.
pub static PLUGIN: Writes = Writes;

const TABLE: Table = Table {
    name: "writes",
    about: "Bytes of RAM were written: at most 8 at a time, never across a page",
    columns: &[
        Column::new("moment", Kind::Moment, "instructions retired in front of the instruction that writes"),
        Column::new("time_ns", Kind::U64, "guest time since power-on, in nanoseconds"),
        Column::new("rip", Kind::Address, "the instruction"),
        Column::new(
            "address",
            Kind::Address,
            "linear address of the first byte; null where the CPU writes a page table itself",
        ),
        Column::new("physical", Kind::Address, "guest-physical address of the first byte"),
        Column::new("size", Kind::U8, "bytes, 1 to 8"),
        Column::new("old", Kind::U64, "what was there, little-endian"),
        Column::new("new", Kind::U64, "what is there then"),
        Column::new("pid", Kind::U32, "the process that ran; null without Linux"),
        Column::new("tid", Kind::U32, "the thread"),
        Column::new("comm", Kind::Name, "its name"),
        Column::new("symbol", Kind::Name, "the kernel's symbol that rip is in; null for a program"),
    ],
};

/// What is registered.
pub struct Writes;

impl Plugin for Writes {
    fn about(&self) -> About {
        About {
            name: "writes",
            version: 1,
            summary: "writes to given bytes of memory: old and new value, instruction, process",
            arguments: &[
                Argument { name: "from", about: "the first byte: from=0xffff888000001000" },
                Argument { name: "len", about: "how many bytes, with from or symbol (default 8)" },
                Argument { name: "range", about: "the first byte and the one behind the last: range=0x1000-0x2000" },
                Argument {
                    name: "symbol",
                    about: "the bytes that a kernel symbol names: symbol=jiffies (slow: every write is looked at)",
                },
                Argument { name: "space", about: "what from and range are: linear (default) or physical addresses" },
                Argument { name: "all", about: "all=yes: every write to RAM" },
            ],
            tables: &[TABLE],
            is_default: false,
        }
    }
    fn prepare(&self, arguments: &Arguments) -> Result<Box<dyn Runnable>, ArgumentError> {
        Ok(runnable(Watch { which: Which::of(arguments)? }))
    }
}

struct Watch {
    which: Which,
}

/// What a slice remembers.
#[derive(Default)]
struct Caches {
    symbols: SymbolCache,
    comms: CommCache,
    /// The address that the symbol asked for was found at.
    place: Option<u64>,
}

impl Analysis for Watch {
    type Slice = Caches;
    type Note = ();
    type Join = ();

    fn wants(&self) -> Wants {
        Wants { writes: vec![self.which.range()], ..Wants::default() }
    }
    fn begin(&self, _: &dyn Scene) -> Caches {
        Caches::default()
    }
    fn see(&self, caches: &mut Caches, event: &Event<'_>, scene: &dyn Scene, out: &mut Out<'_, ()>) {
        let Event::Memory { linear, physical, size, is_write: true, old, new } = *event else { return };
        if !self.which.has(linear, physical, size, &mut caches.place, scene) {
            return;
        }
        let rip = scene.rip();
        let task = scene.task();
        let comm = task.as_ref().map(|t| caches.comms.text(t));
        out.rows.push(
            0,
            &[
                Value::U(scene.moment()),
                Value::U(scene.time_ns()),
                Value::U(rip),
                linear.into(),
                Value::U(physical),
                Value::U(size.into()),
                Value::U(old),
                Value::U(new),
                task.map(|t| t.pid).into(),
                task.map(|t| t.key.tid).into(),
                comm.into(),
                caches.symbols.name(rip, scene).into(),
            ],
        );
    }
    fn start(&self) {}
    fn join(&self, (): &mut (), (): (), _: &mut dyn Rows) {}
}

#[cfg(test)]
mod tests;
