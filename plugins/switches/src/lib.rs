//! Switches from one thread to another, and how long the one that leaves had run.

use reenact_plugin::{
    About, Analysis, ArgumentError, Arguments, Column, Event, Kind, Out, Plugin, Rows, Runnable, Scene, Table, Task,
    Value, Wants, runnable,
};

/// The plugin, for the registry.
pub static PLUGIN: Switches = Switches;

const TABLE: Table = Table {
    name: "switches",
    about: "The kernel switched from one thread to another",
    columns: &[
        Column::new("moment", Kind::Moment, "instructions retired when the kernel entered __switch_to_asm"),
        Column::new("time_ns", Kind::U64, "guest time since power-on, in nanoseconds"),
        Column::new("from_tid", Kind::U32, "the thread that stops running; 0 is the idle one"),
        Column::new("from_pid", Kind::U32, "its process"),
        Column::new("from_comm", Kind::Name, "its name"),
        Column::new("to_tid", Kind::U32, "the thread that runs next"),
        Column::new("to_pid", Kind::U32, "its process"),
        Column::new("to_comm", Kind::Name, "its name"),
        Column::new(
            "ran_instructions",
            Kind::U64,
            "instructions since the switch to the thread that leaves, interrupts included; null where that was not seen",
        ),
    ],
};

/// What is registered.
pub struct Switches;

impl Plugin for Switches {
    fn about(&self) -> About {
        About {
            name: "switches",
            version: 1,
            summary: "switches from one thread to another, with the instructions that each had run",
            arguments: &[],
            tables: &[TABLE],
            is_default: true,
        }
    }
    fn prepare(&self, _: &Arguments) -> Result<Box<dyn Runnable>, ArgumentError> {
        Ok(runnable(Timeline))
    }
}

struct Timeline;

/// What is noted of a switch.
struct Switch {
    moment: u64,
    time_ns: u64,
    from: u64,
    to: u64,
    left: Option<Task>,
    entered: Option<Task>,
}

/// Who runs, by its `task_struct`, and since when.
type Running = Option<(u64, u64)>;

impl Analysis for Timeline {
    type Slice = ();
    type Note = Switch;
    type Join = Running;

    fn wants(&self) -> Wants {
        Wants { switches: true, needs_linux: true, ..Wants::default() }
    }
    fn begin(&self, _: &dyn Scene) {}
    fn see(&self, (): &mut (), event: &Event<'_>, scene: &dyn Scene, out: &mut Out<'_, Switch>) {
        if let Event::Switch { from, to } = *event {
            let (left, entered) = (scene.task_at(from), scene.task_at(to));
            out.notes.push(Switch { moment: scene.moment(), time_ns: scene.time_ns(), from, to, left, entered });
        }
    }
    fn start(&self) -> Running {
        None
    }
    fn join(&self, running: &mut Running, switch: Switch, rows: &mut dyn Rows) {
        let before = running.replace((switch.to, switch.moment));
        let since = before.filter(|&(task, _)| task == switch.from).map(|(_, since)| since);
        let (left, entered) = (switch.left, switch.entered);
        let from_comm = left.as_ref().map(|t| t.comm.text());
        let to_comm = entered.as_ref().map(|t| t.comm.text());
        rows.push(
            0,
            &[
                Value::U(switch.moment),
                Value::U(switch.time_ns),
                left.map(|t| t.key.tid).into(),
                left.map(|t| t.pid).into(),
                from_comm.as_deref().into(),
                entered.map(|t| t.key.tid).into(),
                entered.map(|t| t.pid).into(),
                to_comm.as_deref().into(),
                since.map(|since| switch.moment - since).into(),
            ],
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reenact_plugin::mock::{MockScene, tables_however_cut, task};

    #[test]
    fn the_one_that_leaves_has_run_since_it_was_switched_to() {
        let scene = |moment| {
            let mut scene = MockScene::at(moment);
            scene.tasks = vec![task(0x100, 0, "swapper/0"), task(0x200, 7, "sh")];
            scene
        };
        let history = [
            (scene(10), Event::Switch { from: 0x100, to: 0x200 }),
            (scene(35), Event::Switch { from: 0x200, to: 0x300 }),
            // Somebody else leaves than came: a switch in between was not seen.
            (scene(50), Event::Switch { from: 0x200, to: 0x100 }),
        ];
        let tables = tables_however_cut(&PLUGIN, &[], &history);
        assert_eq!(
            tables[0],
            [
                r#"10 | 100 | 0 | 0 | "swapper/0" | 7 | 7 | "sh" | -"#,
                r#"35 | 350 | 7 | 7 | "sh" | - | - | - | 25"#,
                r#"50 | 500 | 7 | 7 | "sh" | 0 | 0 | "swapper/0" | -"#,
            ]
        );
    }
}
