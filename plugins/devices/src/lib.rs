//! Accesses to I/O ports and to device registers in memory, and the code that made them.

use reenact_plugin::{
    About, Analysis, ArgumentError, Arguments, Column, Event, Kind, Out, Plugin, Rows, Runnable, Scene, SymbolCache,
    Table, Value, Wants, runnable,
};

/// The plugin, for the registry.
pub static PLUGIN: Devices = Devices;

const PORTS: Table = Table {
    name: "ports",
    about: "An I/O port was read or written",
    columns: &[
        Column::new("moment", Kind::Moment, "instructions retired in front of the access"),
        Column::new("time_ns", Kind::U64, "guest time since power-on, in nanoseconds"),
        Column::new("port", Kind::U32, "the port, 0..=65535"),
        SIZE,
        IS_WRITE,
        VALUE,
        RIP,
        SYMBOL,
    ],
};

const MMIO: Table = Table {
    name: "mmio",
    about: "A device register in memory was read or written",
    columns: &[
        Column::new("moment", Kind::Moment, "instructions retired in front of the access"),
        Column::new("time_ns", Kind::U64, "guest time since power-on, in nanoseconds"),
        Column::new("physical", Kind::Address, "guest-physical address"),
        SIZE,
        IS_WRITE,
        VALUE,
        RIP,
        SYMBOL,
    ],
};

const SIZE: Column = Column::new("size", Kind::U8, "bytes");
const IS_WRITE: Column = Column::new("is_write", Kind::Bool, "true if the guest wrote");
const VALUE: Column = Column::new("value", Kind::U64, "what was read or written");
const RIP: Column = Column::new("rip", Kind::Address, "the instruction");
const SYMBOL: Column = Column::new("symbol", Kind::Name, "the kernel's symbol that rip is in; null for a program");

/// What is registered.
pub struct Devices;

impl Plugin for Devices {
    fn about(&self) -> About {
        About {
            name: "devices",
            version: 1,
            summary: "accesses to I/O ports and device registers, with the code that made them",
            arguments: &[],
            tables: &[PORTS, MMIO],
            is_default: false,
        }
    }
    fn prepare(&self, _: &Arguments) -> Result<Box<dyn Runnable>, ArgumentError> {
        Ok(runnable(Accesses))
    }
}

struct Accesses;

impl Analysis for Accesses {
    type Slice = SymbolCache;
    type Note = ();
    type Join = ();

    fn wants(&self) -> Wants {
        Wants { ports: true, mmio: true, ..Wants::default() }
    }
    fn begin(&self, _: &dyn Scene) -> SymbolCache {
        SymbolCache::default()
    }
    fn see(&self, symbols: &mut SymbolCache, event: &Event<'_>, scene: &dyn Scene, out: &mut Out<'_, ()>) {
        let (table, place, size, is_write, value) = match *event {
            Event::Port { port, size, is_write, value } => (0, u64::from(port), size, is_write, u64::from(value)),
            Event::Mmio { physical, size, is_write, value } => (1, physical, size, is_write, value),
            _ => return,
        };
        let rip = scene.rip();
        out.rows.push(
            table,
            &[
                Value::U(scene.moment()),
                Value::U(scene.time_ns()),
                Value::U(place),
                Value::U(size.into()),
                Value::Bool(is_write),
                Value::U(value),
                Value::U(rip),
                symbols.name(rip, scene).into(),
            ],
        );
    }
    fn start(&self) {}
    fn join(&self, (): &mut (), (): (), _: &mut dyn Rows) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use reenact_plugin::mock::{MockScene, tables_however_cut};

    #[test]
    fn ports_and_registers_each_have_their_table() {
        let mut kernel = MockScene::at(8);
        kernel.registers.rip = 0xffff_ffff_8100_0004;
        kernel.symbols = [(0xffff_ffff_8100_0000, "native_write_cr0".to_owned())].into();
        let history = [
            (MockScene::at(3), Event::Port { port: 0x3f8, size: 1, is_write: true, value: 65 }),
            (kernel, Event::Mmio { physical: 0xfee0_0080, size: 4, is_write: false, value: 0x10 }),
        ];
        let tables = tables_however_cut(&PLUGIN, &[], &history);
        assert_eq!(tables[0], ["3 | 30 | 1016 | 1 | true | 65 | 0 | -"]);
        assert_eq!(tables[1], [r#"8 | 80 | 4276093056 | 4 | false | 16 | 18446744071578845188 | "native_write_cr0""#]);
    }
}
