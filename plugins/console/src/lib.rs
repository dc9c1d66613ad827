//! Lines that the guest sent to its serial port, with who ran then.

use reenact_plugin::{
    About, Analysis, ArgumentError, Arguments, Column, Event, Kind, Out, Plugin, Rows, Runnable, Scene, Table, Task,
    Value, Wants, runnable,
};

/// The plugin, for the registry.
pub static PLUGIN: Console = Console;

/// Bytes of a line; what is longer is cut, so that a guest that never ends its line takes no memory.
const LONGEST: usize = 64 << 10;

const TABLE: Table = Table {
    name: "console",
    about: "A line that the guest sent to its first serial port",
    columns: &[
        Column::new("moment", Kind::Moment, "instructions retired when its first byte was sent"),
        Column::new("time_ns", Kind::U64, "guest time since power-on then, in nanoseconds"),
        Column::new("end_moment", Kind::U64, "instructions retired when its last byte was sent"),
        Column::new("pid", Kind::U32, "the process that ran when its first byte was sent; null without Linux"),
        Column::new("tid", Kind::U32, "the thread"),
        Column::new("comm", Kind::Name, "its name"),
        Column::new(
            "text",
            Kind::Text,
            "the line without its end (CR LF or LF); escape sequences as they are, what is no UTF-8 as U+FFFD",
        ),
        Column::new(
            "is_complete",
            Kind::Bool,
            "it was ended by a newline, not by its length of 64 KiB or the recording's end",
        ),
    ],
};

/// What is registered.
pub struct Console;

impl Plugin for Console {
    fn about(&self) -> About {
        About {
            name: "console",
            version: 1,
            summary: "lines that the guest sent to its serial port, with their Moments and who ran then",
            arguments: &[],
            tables: &[TABLE],
            is_default: true,
        }
    }
    fn prepare(&self, _: &Arguments) -> Result<Box<dyn Runnable>, ArgumentError> {
        Ok(runnable(Lines))
    }
}

struct Lines;

/// Bytes that were sent at one Moment.
struct Sent {
    moment: u64,
    time_ns: u64,
    task: Option<Task>,
    bytes: Vec<u8>,
}

/// A line that has begun.
struct Line {
    /// Its first byte, and who sent it.
    first: Sent,
    last: u64,
    bytes: Vec<u8>,
}

impl Analysis for Lines {
    type Slice = ();
    type Note = Sent;
    type Join = Option<Line>;

    fn wants(&self) -> Wants {
        Wants { console: true, ..Wants::default() }
    }
    fn begin(&self, _: &dyn Scene) {}
    fn see(&self, (): &mut (), event: &Event<'_>, scene: &dyn Scene, out: &mut Out<'_, Sent>) {
        if let Event::Console { bytes } = *event {
            let (moment, time_ns, task) = (scene.moment(), scene.time_ns(), scene.task());
            out.notes.push(Sent { moment, time_ns, task, bytes: bytes.to_vec() });
        }
    }
    fn start(&self) -> Option<Line> {
        None
    }
    fn join(&self, open: &mut Option<Line>, sent: Sent, rows: &mut dyn Rows) {
        for &byte in &sent.bytes {
            let line = open.get_or_insert_with(|| Line {
                first: Sent { bytes: Vec::new(), ..sent },
                last: sent.moment,
                bytes: Vec::new(),
            });
            line.last = sent.moment;
            if byte != b'\n' {
                line.bytes.push(byte);
            }
            if byte == b'\n' || line.bytes.len() >= LONGEST {
                line.push(byte == b'\n', rows);
                *open = None;
            }
        }
    }
    fn end(&self, open: Option<Line>, _: u64, rows: &mut dyn Rows) {
        if let Some(line) = open {
            line.push(false, rows);
        }
    }
}

impl Line {
    fn push(&self, is_complete: bool, rows: &mut dyn Rows) {
        let bytes = match self.bytes.strip_suffix(b"\r") {
            Some(bytes) if is_complete => bytes,
            _ => &self.bytes,
        };
        let task = self.first.task;
        let comm = task.as_ref().map(|t| t.comm.text());
        rows.push(
            0,
            &[
                Value::U(self.first.moment),
                Value::U(self.first.time_ns),
                Value::U(self.last),
                task.map(|t| t.pid).into(),
                task.map(|t| t.key.tid).into(),
                comm.as_deref().into(),
                Value::Text(&String::from_utf8_lossy(bytes)),
                Value::Bool(is_complete),
            ],
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reenact_plugin::mock::{MockScene, tables_however_cut, task};

    fn sent(moment: u64, pid: u32, bytes: &[u8]) -> (MockScene, Event<'_>) {
        (MockScene::at(moment).running(task(0x100 * u64::from(pid), pid, "sh")), Event::Console { bytes })
    }

    #[test]
    fn a_line_is_of_who_began_it_and_ends_with_its_newline() {
        let history =
            [sent(1, 7, b"he"), sent(2, 8, b"llo\r"), sent(3, 8, b"\n\x1b[1mnext\xff\nre"), sent(9, 9, b"st\r")];
        let tables = tables_however_cut(&PLUGIN, &[], &history);
        assert_eq!(
            tables[0],
            [
                r#"1 | 10 | 3 | 7 | 7 | "sh" | "hello" | true"#,
                r#"3 | 30 | 3 | 8 | 8 | "sh" | "\u{1b}[1mnext�" | true"#,
                r#"3 | 30 | 9 | 8 | 8 | "sh" | "rest\r" | false"#,
            ]
        );
    }

    #[test]
    fn without_linux_nobody_ran_and_an_empty_line_is_a_line() {
        let tables = tables_however_cut(&PLUGIN, &[], &[(MockScene::at(4), Event::Console { bytes: b"\r\n" })]);
        assert_eq!(tables[0], [r#"4 | 40 | 4 | - | - | - | "" | true"#]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let bytes = vec![b'x'; LONGEST + 5];
        let tables = tables_however_cut(&PLUGIN, &[], &[(MockScene::at(4), Event::Console { bytes: &bytes })]);
        assert_eq!(tables[0].len(), 2);
        assert!(tables[0][1].ends_with(r#""xxxxx" | false"#), "{}", tables[0][1]);
    }
}
