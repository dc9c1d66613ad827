//! Where guest time ran on while the CPU was halted: with it any Moment can be given a time.

use reenact_plugin::{
    About, Analysis, ArgumentError, Arguments, Column, Event, Kind, Out, Plugin, Rows, Runnable, Scene, Table, Value,
    Wants, runnable,
};

/// The plugin, for the registry.
pub static PLUGIN: Clock = Clock;

const TABLE: Table = Table {
    name: "clock",
    about: "Moments at which the CPU was halted; between them guest time runs on by one nanosecond an instruction",
    columns: &[
        Column::new("moment", Kind::Moment, "instructions retired when the CPU was halted"),
        Column::new("until_ns", Kind::U64, "guest time since power-on when it went on from there, in nanoseconds"),
    ],
};

/// What is registered.
pub struct Clock;

impl Plugin for Clock {
    fn about(&self) -> About {
        About {
            name: "clock",
            version: 1,
            summary: "where guest time ran on while the CPU was halted",
            arguments: &[],
            tables: &[TABLE],
            is_default: true,
        }
    }
    fn prepare(&self, _: &Arguments) -> Result<Box<dyn Runnable>, ArgumentError> {
        Ok(runnable(Halts))
    }
}

struct Halts;

/// A halt: its Moment, and the time behind it.
type Halt = (u64, u64);

impl Analysis for Halts {
    type Slice = ();
    type Note = Halt;
    type Join = Option<Halt>;

    fn wants(&self) -> Wants {
        Wants { idle: true, ..Wants::default() }
    }
    fn begin(&self, _: &dyn Scene) {}
    fn see(&self, (): &mut (), event: &Event<'_>, scene: &dyn Scene, out: &mut Out<'_, Halt>) {
        if let Event::Idle { until_ns } = *event {
            out.notes.push((scene.moment(), until_ns));
        }
    }
    fn start(&self) -> Option<Halt> {
        None
    }
    fn join(&self, last: &mut Option<Halt>, halt: Halt, rows: &mut dyn Rows) {
        // Timers that wake nobody make several halts of one.
        match last.replace(halt) {
            Some(before) if before.0 != halt.0 => push(before, rows),
            _ => {}
        }
    }
    fn end(&self, last: Option<Halt>, _: u64, rows: &mut dyn Rows) {
        if let Some(halt) = last {
            push(halt, rows);
        }
    }
}

fn push((moment, until_ns): Halt, rows: &mut dyn Rows) {
    rows.push(0, &[Value::U(moment), Value::U(until_ns)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use reenact_plugin::mock::{MockScene, tables_however_cut};

    #[test]
    fn halts_at_one_moment_are_one_row_with_the_last_time() {
        let halt = |moment, until_ns| (MockScene::at(moment), Event::Idle { until_ns });
        let history = [halt(5, 100), halt(5, 200), halt(9, 300), halt(9, 400), halt(12, 500)];
        let tables = tables_however_cut(&PLUGIN, &[], &history);
        assert_eq!(tables[0], ["5 | 200", "9 | 400", "12 | 500"]);
    }
}
