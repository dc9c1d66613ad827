//! How much of what happened when: instructions of the kernel and of programs, system calls and interrupts, in stretches of equal length.

use reenact_plugin::{
    About, Analysis, ArgumentError, Arguments, Column, Event, Kind, Out, Plugin, Rows, Runnable, Scene, Table, Value,
    Wants, runnable,
};

/// The plugin, for the registry.
pub static PLUGIN: Activity = Activity;

/// Instructions of a row.
const STRETCH: u64 = 1 << 16;

const TABLE: Table = Table {
    name: "activity",
    about: "How much happened in a stretch of 65,536 instructions",
    columns: &[
        Column::new(
            "moment",
            Kind::Moment,
            "where the stretch begins; it ends where the next one begins, or at the end",
        ),
        Column::new("kernel_instructions", Kind::U32, "instructions that did not retire at CPL 3"),
        Column::new("user_instructions", Kind::U32, "instructions of programs (CPL 3)"),
        Column::new("syscalls", Kind::U32, "system calls that were made"),
        Column::new("interrupts", Kind::U32, "interrupts and exceptions that were delivered"),
    ],
};

/// What is registered.
pub struct Activity;

impl Plugin for Activity {
    fn about(&self) -> About {
        About {
            name: "activity",
            version: 1,
            summary: "how much of what happened when: the lanes of the time bar",
            arguments: &[],
            tables: &[TABLE],
            is_default: true,
        }
    }
    fn prepare(&self, _: &Arguments) -> Result<Box<dyn Runnable>, ArgumentError> {
        Ok(runnable(Counting))
    }
}

struct Counting;

/// What happened at a Moment.
#[derive(Clone, Copy)]
enum What {
    Syscall,
    Interrupt,
    UserReturn,
}

/// The stretch that is being counted.
#[derive(Default)]
struct Join {
    /// Up to here instructions are counted.
    at: u64,
    is_user: bool,
    kernel: u64,
    user: u64,
    syscalls: u64,
    interrupts: u64,
}

impl Analysis for Counting {
    type Slice = ();
    type Note = (u64, What);
    type Join = Join;

    fn wants(&self) -> Wants {
        Wants { syscalls: true, user_returns: true, interrupts: true, ..Wants::default() }
    }
    fn begin(&self, _: &dyn Scene) {}
    fn see(&self, (): &mut (), event: &Event<'_>, scene: &dyn Scene, out: &mut Out<'_, (u64, What)>) {
        let what = match event {
            Event::Syscall { .. } => What::Syscall,
            Event::Interrupt { .. } => What::Interrupt,
            Event::UserReturn => What::UserReturn,
            _ => return,
        };
        out.notes.push((scene.moment(), what));
    }
    fn start(&self) -> Join {
        Join::default()
    }
    fn join(&self, join: &mut Join, (moment, what): (u64, What), rows: &mut dyn Rows) {
        join.run_to(moment, rows);
        match what {
            What::Syscall => join.syscalls += 1,
            What::Interrupt => join.interrupts += 1,
            What::UserReturn => {}
        }
        join.is_user = matches!(what, What::UserReturn);
    }
    fn end(&self, mut join: Join, moment: u64, rows: &mut dyn Rows) {
        join.run_to(moment, rows);
        if !join.at.is_multiple_of(STRETCH) {
            join.push(join.at - join.at % STRETCH, rows);
        }
    }
}

impl Join {
    /// Counts the instructions up to a Moment, stretch by stretch.
    fn run_to(&mut self, moment: u64, rows: &mut dyn Rows) {
        while self.at < moment {
            let end = (self.at / STRETCH + 1) * STRETCH;
            let to = end.min(moment);
            match self.is_user {
                true => self.user += to - self.at,
                false => self.kernel += to - self.at,
            }
            self.at = to;
            if to == end {
                self.push(end - STRETCH, rows);
            }
        }
    }
    fn push(&mut self, from: u64, rows: &mut dyn Rows) {
        let counts = [&mut self.kernel, &mut self.user, &mut self.syscalls, &mut self.interrupts].map(std::mem::take);
        let [kernel, user, syscalls, interrupts] = counts.map(Value::U);
        rows.push(0, &[Value::U(from), kernel, user, syscalls, interrupts]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reenact_plugin::Abi;
    use reenact_plugin::mock::{MockScene, tables_however_cut};

    #[test]
    fn every_instruction_counts_in_its_stretch_and_on_its_side() {
        let syscall = Event::Syscall { abi: Abi::X86_64, number: 1, arguments: [0; 6], return_to: 0 };
        let interrupt = Event::Interrupt {
            vector: 32,
            error: None,
            address: None,
            is_external: true,
            is_software: false,
            rip: 0,
            from_user: true,
        };
        let history = [
            (MockScene::at(100), Event::UserReturn),
            (MockScene::at(300), syscall),
            (MockScene::at(350), Event::UserReturn),
            (MockScene::at(STRETCH + 10), interrupt),
            (MockScene::at(2 * STRETCH + 10), interrupt),
        ];
        let tables = tables_however_cut(&PLUGIN, &[], &history);
        assert_eq!(
            tables[0][..2],
            [format!("0 | 150 | {} | 1 | 0", STRETCH - 150), format!("{STRETCH} | {} | 10 | 0 | 1", STRETCH - 10),]
        );
        let counted: Vec<u64> = tables[0]
            .iter()
            .map(|row| row.split(" | ").skip(1).take(2).map(|n| n.parse::<u64>().unwrap()).sum())
            .collect();
        assert!(counted[..2].iter().all(|n| *n == STRETCH), "{counted:?}");
    }
}
