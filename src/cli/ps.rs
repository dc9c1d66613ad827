//! `reenact ps`: the guest's processes at a Moment.

use super::{Outcome, Result, place, size};
use crate::guest::{Absent, Branch, Known, Profile, Task, View, Why};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// List the processes that the guest had at a Moment, as a tree.
#[derive(clap::Args)]
pub struct Ps {
    /// The recording.
    recording: PathBuf,
    /// When: an instruction number, a percentage, or end.
    #[arg(long, value_name = "MOMENT", value_parser = size::place, default_value = "end")]
    at: size::Place,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What one line tells.
struct Row {
    depth: usize,
    pid: Known<u32>,
    ppid: Known<u32>,
    uid: Known<u32>,
    state: Known<char>,
    threads: Known<usize>,
    comm: Known<String>,
    exe: Known<String>,
    args: Known<Vec<String>>,
    is_kernel: bool,
    is_current: bool,
}

impl Ps {
    pub fn execute(self) -> Result {
        let travel = place::travel_to(&self.recording, self.at)?;
        let profile = Profile::of(travel.machine())?;
        let view = View::of(travel.machine(), &profile)?;
        let current = view.current_task().and_then(Task::leader).map(Task::address).ok();
        let rows: Vec<Row> = view.process_tree()?.into_iter().map(|branch| Row::of(branch, current)).collect();
        if self.json {
            let rows: Vec<Value> = rows.iter().map(Row::json).collect();
            println!("{:#}", json!({ "moment": travel.machine().now().0, "processes": rows }));
        } else {
            print_table(&rows);
        }
        Ok(Outcome::Done)
    }
}

impl Row {
    fn of(Branch { depth, task }: Branch, current: Option<u64>) -> Row {
        Row {
            depth,
            pid: task.pid(),
            ppid: task.parent().and_then(Task::pid),
            uid: task.credentials().map(|c| c.uid),
            state: task.state().map(|s| s.letter()),
            threads: task.threads().map(|t| t.len()),
            comm: task.comm(),
            exe: task.memory().and_then(|m| m.exe()),
            args: task.memory().and_then(|m| m.argv()),
            is_kernel: task.is_kernel_thread() == Ok(true),
            is_current: current == Some(task.address()),
        }
    }

    fn json(&self) -> Value {
        let mut row = Map::new();
        let mut absent = Map::new();
        let mut add = |name: &str, value: std::result::Result<Value, &Absent>| {
            if let Err(why) = &value {
                absent.insert(name.to_owned(), why.to_string().into());
            }
            row.insert(name.to_owned(), value.unwrap_or_default());
        };
        add("pid", self.pid.as_ref().map(|v| json!(v)));
        add("ppid", self.ppid.as_ref().map(|v| json!(v)));
        add("uid", self.uid.as_ref().map(|v| json!(v)));
        add("state", self.state.as_ref().map(|v| json!(v)));
        add("threads", self.threads.as_ref().map(|v| json!(v)));
        add("comm", self.comm.as_ref().map(|v| json!(v)));
        add("exe", self.exe.as_ref().map(|v| json!(v)));
        add("args", self.args.as_ref().map(|v| json!(v)));
        row.insert("depth".to_owned(), json!(self.depth));
        row.insert("is_kernel_thread".to_owned(), json!(self.is_kernel));
        row.insert("is_current".to_owned(), json!(self.is_current));
        row.insert("absent".to_owned(), absent.into());
        row.into()
    }

    fn comm(&self) -> String {
        let comm = shown(&self.comm);
        let indent = "  ".repeat(self.depth);
        if self.is_kernel { format!("{indent}[{comm}]") } else { format!("{indent}{comm}") }
    }
}

/// "-" for what there cannot be, "?" for what could not be read.
fn shown<T: ToString>(fact: &Known<T>) -> String {
    match fact {
        Ok(value) => printable(&value.to_string()),
        Err(Absent { why: Why::NotApplicable { .. }, .. }) => "-".to_owned(),
        Err(_) => "?".to_owned(),
    }
}

/// The guest's bytes must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Arguments that would not be seen as one are put in quotes.
fn quoted(argument: &String) -> String {
    let is_plain = !argument.is_empty() && !argument.contains(char::is_whitespace);
    if is_plain { argument.clone() } else { format!("'{argument}'") }
}

fn print_table(rows: &[Row]) {
    println!("{:>7} {:>7} {:>5} S {:>3}  {:<24} {:<20} ARGS", "PID", "PPID", "UID", "THR", "COMM", "EXE");
    for row in rows {
        let line = format!(
            "{:>7} {:>7} {:>5} {} {:>3}{} {:<24} {:<20} {}",
            shown(&row.pid),
            shown(&row.ppid),
            shown(&row.uid),
            shown(&row.state),
            shown(&row.threads),
            if row.is_current { '*' } else { ' ' },
            row.comm(),
            shown(&row.exe),
            shown(&row.args.clone().map(|args| args.iter().map(quoted).collect::<Vec<_>>().join(" "))),
        );
        println!("{}", line.trim_end());
    }
    for (pid, absent) in rows.iter().flat_map(|row| row.unreadable().map(move |a| (&row.pid, a))) {
        eprintln!("reenact: process {}: {absent}", shown(pid));
    }
}

impl Row {
    /// What should be there and could not be read.
    fn unreadable(&self) -> impl Iterator<Item = &Absent> {
        let numbers = [self.pid.as_ref().err(), self.ppid.as_ref().err(), self.uid.as_ref().err()];
        let others = [self.state.as_ref().err(), self.threads.as_ref().err(), self.comm.as_ref().err()];
        let program = [self.exe.as_ref().err(), self.args.as_ref().err()];
        let all = numbers.into_iter().chain(others).chain(program).flatten();
        all.filter(|absent| !matches!(absent.why, Why::NotApplicable { .. }))
    }
}
