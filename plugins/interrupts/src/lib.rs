//! Exceptions and interrupts that were delivered, and the code that they interrupted.

mod name;

use name::{Cause, kernel_name};
use reenact_plugin::{
    About, Analysis, ArgumentError, Arguments, Column, Event, Kind, Out, Plugin, Rows, Runnable, Scene, SymbolCache,
    Table, Value, Wants, runnable,
};

/// The plugin, for the registry.
pub static PLUGIN: Interrupts = Interrupts;

const TABLE: Table = Table {
    name: "interrupts",
    about: "An exception or interrupt was delivered",
    columns: &[
        Column::new("moment", Kind::Moment, "instructions retired when it was delivered"),
        Column::new("time_ns", Kind::U64, "guest time since power-on, in nanoseconds"),
        Column::new("vector", Kind::U8, "its number, 0..=255"),
        Column::new("kind", Kind::Name, "exception, interrupt (from a device), software (INT n, INT3, INTO) or nmi"),
        Column::new(
            "name",
            Kind::Name,
            "of an exception what the manual calls it; of others what Linux calls their handler; null where that is not certain",
        ),
        Column::new("error", Kind::U64, "the error code; null where the vector has none"),
        Column::new("address", Kind::Address, "for a page fault what was accessed (CR2); else null"),
        Column::new("rip", Kind::Address, "where the interrupted code goes on"),
        Column::new("from_user", Kind::Bool, "the interrupted code was a program's (CPL 3)"),
        Column::new("symbol", Kind::Name, "the kernel's symbol that rip is in; null for a program"),
        Column::new("pid", Kind::U32, "the process that was interrupted; null without Linux"),
        Column::new("tid", Kind::U32, "the thread"),
        Column::new("comm", Kind::Name, "its name"),
    ],
};

/// What is registered.
pub struct Interrupts;

impl Plugin for Interrupts {
    fn about(&self) -> About {
        About {
            name: "interrupts",
            version: 1,
            summary: "exceptions and interrupts, with the code that they interrupted",
            arguments: &[],
            tables: &[TABLE],
            is_default: true,
        }
    }
    fn prepare(&self, _: &Arguments) -> Result<Box<dyn Runnable>, ArgumentError> {
        Ok(runnable(Deliveries))
    }
}

struct Deliveries;

impl Analysis for Deliveries {
    type Slice = SymbolCache;
    type Note = ();
    type Join = ();

    fn wants(&self) -> Wants {
        Wants { interrupts: true, ..Wants::default() }
    }
    fn begin(&self, _: &dyn Scene) -> SymbolCache {
        SymbolCache::default()
    }
    fn see(&self, symbols: &mut SymbolCache, event: &Event<'_>, scene: &dyn Scene, out: &mut Out<'_, ()>) {
        let Event::Interrupt { vector, error, address, is_external, is_software, rip, from_user } = *event else {
            return;
        };
        let cause = Cause::of(vector, is_external, is_software);
        let handler = || symbols.name(scene.rip(), scene).and_then(kernel_name).map(str::to_owned);
        let name = cause.name(vector).map(str::to_owned).or_else(handler);
        let task = scene.task();
        let comm = task.as_ref().map(|t| t.comm.text());
        out.rows.push(
            0,
            &[
                Value::U(scene.moment()),
                Value::U(scene.time_ns()),
                Value::U(vector.into()),
                Value::Text(cause.word()),
                name.as_deref().into(),
                error.into(),
                address.into(),
                Value::U(rip),
                Value::Bool(from_user),
                symbols.name(rip, scene).into(),
                task.map(|t| t.pid).into(),
                task.map(|t| t.key.tid).into(),
                comm.as_deref().into(),
            ],
        );
    }
    fn start(&self) {}
    fn join(&self, (): &mut (), (): (), _: &mut dyn Rows) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use reenact_plugin::mock::{MockScene, tables_however_cut, task};

    const TEXT: u64 = 0xffff_ffff_8100_0000;

    fn scene(moment: u64, handler: u64) -> MockScene {
        let mut scene = MockScene::at(moment).running(task(0x100, 7, "sh"));
        scene.registers.rip = handler;
        let symbols = [(0, "do_work"), (0x100, "asm_sysvec_apic_timer_interrupt"), (0x200, "irq_entries_start")];
        scene.symbols = symbols.map(|(at, name)| (TEXT + at, name.to_owned())).into();
        scene
    }

    #[test]
    fn exceptions_have_the_manuals_names_and_interrupts_the_kernels() {
        let delivered = |vector, is_external, is_software, rip| Event::Interrupt {
            vector,
            error: (vector == 14).then_some(6),
            address: (vector == 14).then_some(0x7000),
            is_external,
            is_software,
            rip,
            from_user: rip < TEXT,
        };
        let history = [
            (scene(1, TEXT), delivered(14, false, false, 0x40_0000)),
            (scene(2, TEXT + 0x100), delivered(0xec, true, false, TEXT + 8)),
            (scene(3, TEXT + 0x200), delivered(0x23, true, false, TEXT + 8)),
            (scene(4, TEXT), delivered(2, true, false, TEXT + 8)),
            (scene(5, 0xf_0000), delivered(8, true, false, 0x7c00)),
            (scene(6, TEXT), delivered(3, false, true, 0x40_0001)),
        ];
        let tables = tables_however_cut(&PLUGIN, &[], &history);
        let at = TEXT + 8;
        assert_eq!(
            tables[0],
            [
                r##"1 | 10 | 14 | "exception" | "#PF page fault" | 6 | 28672 | 4194304 | true | - | 7 | 7 | "sh""##
                    .to_owned(),
                format!(
                    r#"2 | 20 | 236 | "interrupt" | "apic_timer_interrupt" | - | - | {at} | false | "do_work" | 7 | 7 | "sh""#
                ),
                format!(r#"3 | 30 | 35 | "interrupt" | - | - | - | {at} | false | "do_work" | 7 | 7 | "sh""#),
                format!(r#"4 | 40 | 2 | "nmi" | "NMI" | - | - | {at} | false | "do_work" | 7 | 7 | "sh""#),
                r#"5 | 50 | 8 | "interrupt" | - | - | - | 31744 | true | - | 7 | 7 | "sh""#.to_owned(),
                r##"6 | 60 | 3 | "software" | "#BP breakpoint" | - | - | 4194305 | true | - | 7 | 7 | "sh""##
                    .to_owned(),
            ]
        );
    }
}
