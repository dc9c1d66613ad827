//! The smallest plugin that does something: a row for each halt of the CPU. Copy the folder, then change it.

use reenact_plugin::{
    About, Analysis, Argument, ArgumentError, Arguments, Column, Event, Kind, Out, Plugin, Rows, Runnable, Scene,
    Table, Value, Wants, runnable,
};

/// The plugin, for the registry.
pub static PLUGIN: Skeleton = Skeleton;

const TABLE: Table = Table {
    name: "halts",
    about: "The CPU was halted until something woke it",
    columns: &[
        Column::new("moment", Kind::Moment, "instructions retired when it was halted"),
        Column::new("until_ns", Kind::U64, "guest time since power-on when it woke, in nanoseconds"),
    ],
};

/// What is registered.
pub struct Skeleton;

impl Plugin for Skeleton {
    fn about(&self) -> About {
        About {
            name: "skeleton",
            version: 1,
            summary: "halts of the CPU: the example to copy for a plugin of your own",
            arguments: &[Argument { name: "after", about: "guest time to begin at, in nanoseconds (default 0)" }],
            tables: &[TABLE],
            is_default: false,
        }
    }
    fn prepare(&self, arguments: &Arguments) -> Result<Box<dyn Runnable>, ArgumentError> {
        Ok(runnable(Halts { after: arguments.number("after")?.unwrap_or(0) }))
    }
}

struct Halts {
    after: u64,
}

impl Analysis for Halts {
    type Slice = ();
    type Note = ();
    type Join = ();

    fn wants(&self) -> Wants {
        Wants { idle: true, ..Wants::default() }
    }
    fn begin(&self, _: &dyn Scene) {}
    fn see(&self, (): &mut (), event: &Event<'_>, scene: &dyn Scene, out: &mut Out<'_, ()>) {
        if let Event::Idle { until_ns } = *event
            && until_ns >= self.after
        {
            out.rows.push(0, &[Value::U(scene.moment()), Value::U(until_ns)]);
        }
    }
    fn start(&self) {}
    fn join(&self, (): &mut (), (): (), _: &mut dyn Rows) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use reenact_plugin::mock::{MockScene, tables_however_cut};

    #[test]
    fn halts_behind_the_time_asked_for_are_rows() {
        let history =
            [(MockScene::at(5), Event::Idle { until_ns: 100 }), (MockScene::at(9), Event::Idle { until_ns: 200 })];
        assert_eq!(tables_however_cut(&PLUGIN, &["after=150"], &history)[0], ["9 | 200"]);
    }
}
