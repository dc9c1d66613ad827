//! A process that is made, executes a program and ends, in a machine that is made up.

use super::{ENDS, EXECUTES, MADE, Processes, RDI, json};
use reenact_plugin::{
    Analysis, Comm, Descriptor, Event, File, Mapping, Out, Plugin, Process, Registers, Rows, Scene, SyscallFrame, Task,
    TaskKey, Value,
};

const PARENT: u64 = 0xffff_8880_0000_1000;
const CHILD: u64 = 0xffff_8880_0000_2000;
const THREAD: u64 = 0xffff_8880_0000_3000;

/// Three threads; the one that runs, and RDI, are set.
struct Mock {
    runs: u64,
    first: u64,
}

fn task(at: u64) -> Option<Task> {
    let (tid, pid, name) = match at {
        PARENT => (5, 5, b"sh\0\0"),
        CHILD => (6, 6, b"true"),
        THREAD => (7, 6, b"work"),
        _ => return None,
    };
    let mut comm = [0; 16];
    comm[..4].copy_from_slice(name);
    Some(Task { key: TaskKey { at, tid, start_ns: 0 }, pid, comm: Comm(comm) })
}

impl Scene for Mock {
    fn moment(&self) -> u64 {
        10
    }
    fn time_ns(&self) -> u64 {
        20
    }
    fn registers(&self) -> Registers {
        let mut registers = Registers::default();
        registers.general[RDI] = self.first;
        registers
    }
    fn task(&self) -> Option<Task> {
        task(self.runs)
    }
    fn task_at(&self, at: u64) -> Option<Task> {
        task(at)
    }
    fn tasks(&self) -> Vec<Task> {
        Vec::new()
    }
    fn process(&self, at: u64) -> Option<Process> {
        task(at).map(|t| Process {
            ppid: Some(t.pid - 1),
            exe: Some(format!("/bin/{}", t.comm.text())),
            arguments: Some(vec![t.comm.text().into_owned(), "a \"b\"".to_owned()]),
            cwd: None,
            uid: Some((1, 2)),
            gid: Some((3, 4)),
            is_kernel_thread: false,
        })
    }
    fn file(&self, _: u64, _: Descriptor) -> Option<File> {
        None
    }
    fn descriptors(&self, _: u64) -> Option<Vec<(Descriptor, File)>> {
        None
    }
    fn mapping(&self, _: u64, _: u64) -> Option<Mapping> {
        None
    }
    fn syscall_frame(&self, _: u64) -> Option<SyscallFrame> {
        None
    }
    fn read(&self, _: u64, _: &mut [u8]) -> usize {
        0
    }
    fn read_physical(&self, _: u64, _: &mut [u8]) -> usize {
        0
    }
    fn symbol(&self, _: u64) -> Option<(&str, u64)> {
        None
    }
    fn address_of(&self, _: &str) -> Option<u64> {
        None
    }
    fn syscall_name(&self, _: u32) -> Option<&str> {
        None
    }
    fn no_linux(&self) -> Option<String> {
        None
    }
}

/// A row from `event` on, nulls as `-`.
#[derive(Default)]
struct Kept(Vec<String>);

impl Rows for Kept {
    fn push(&mut self, table: usize, row: &[Value<'_>]) {
        assert_eq!(row.len(), Processes.about().tables[table].columns.len());
        let shown = |value: &Value<'_>| match value {
            Value::Null => "-".to_owned(),
            Value::U(number) => number.to_string(),
            Value::I(number) => number.to_string(),
            Value::Bool(fact) => fact.to_string(),
            Value::Text(text) => (*text).to_owned(),
        };
        self.0.push(row[2..].iter().map(shown).collect::<Vec<_>>().join(" "));
    }
}

#[track_caller]
fn tells(index: usize, runs: u64, first: u64, row: &str) {
    let (mut kept, mut notes) = (Kept::default(), Vec::new());
    let mut out = Out { notes: &mut notes, rows: &mut kept };
    Processes.see(&mut (), &Event::Function { index }, &Mock { runs, first }, &mut out);
    assert_eq!(kept.0, [row]);
}

#[test]
fn makers_are_told_with_what_they_made() {
    tells(MADE, PARENT, CHILD, r#"fork 5 5 4 sh /bin/sh ["sh","a \"b\""] 1 2 3 4 false - - 6 6"#);
    tells(MADE, CHILD, THREAD, r#"thread 6 6 5 true /bin/true ["true","a \"b\""] 1 2 3 4 false - - 6 7"#);
    tells(MADE, PARENT, 8, r#"fork 5 5 4 sh /bin/sh ["sh","a \"b\""] 1 2 3 4 - - - - -"#);
}

#[test]
fn ends_have_a_code_or_a_signal() {
    tells(EXECUTES, CHILD, 0, r#"exec 6 6 5 true /bin/true ["true","a \"b\""] 1 2 3 4 false - - - -"#);
    tells(ENDS, CHILD, 7 << 8, r#"exit 6 6 5 true /bin/true ["true","a \"b\""] 1 2 3 4 false 7 - - -"#);
    tells(ENDS, THREAD, 0x8b, r#"thread exit 6 7 5 work /bin/work ["work","a \"b\""] 1 2 3 4 false - 11 - -"#);
    tells(ENDS, 0, 0, "exit - - - - - - - - - - - 0 - - -");
}

#[test]
fn lists_are_json() {
    assert_eq!(json(&["a".into(), "\"\\\n\x01é".into()]), r#"["a","\"\\\n\u0001é"]"#);
    assert_eq!(json(&[]), "[]");
}
