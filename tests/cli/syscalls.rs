//! The table `syscalls` says of a program in a guest what `strace -f` says of the same program on the host: thread for
//! thread, call for call, name, arguments and result.
//!
//! The programs are those of `tests/guest/calls.c` and busybox, static, so that both sides run the same code. Threads are
//! paired by who made them. Left out of the comparison: addresses, numbers of processes (they must agree in who is meant),
//! random bytes, and what strace adds in comments; `normalised` says how.

use crate::command::{Ran, reenact};
use crate::guests::debian;
use crate::plugins::{open, rows};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Programs of `tests/guest/calls.c`.
const CALLS: [&str; 14] = [
    "files",
    "names",
    "memory",
    "signals",
    "restarts",
    "threads",
    "abandoned",
    "processes",
    "pipes",
    "polled",
    "sockets",
    "network",
    "times",
    "wrong",
];

/// Programs of busybox, by their arguments.
const BUSYBOX: [&[&str]; 6] = [
    &["sh", "-c", "/bin/busybox echo some words | /bin/busybox tr a-z A-Z | /bin/busybox wc -c"],
    &["sh", "-c", "x=$(/bin/busybox basename /a/b.c .c); echo $x > f; read y < f; test $y = b && exit 7"],
    &["sed", "s/some/SOME/", "text"],
    &["md5sum", "text"],
    &["cp", "text", "copy"],
    &["grep", "-c", "of", "text"],
];

/// A call of one thread.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    name: String,
    arguments: String,
    result: String,
}

/// Threads by their numbers: what they called, in order.
type Threads = BTreeMap<u64, Vec<Call>>;

struct Work {
    dir: TempDir,
    kernel: PathBuf,
}

impl Work {
    fn path(&self) -> PathBuf {
        self.dir.path().join("work")
    }
    /// The command lines, each with an absolute program.
    fn programs(&self) -> Vec<Vec<String>> {
        let calls = self.path().join("calls").display().to_string();
        let own = CALLS.iter().map(|name| vec![calls.clone(), (*name).to_owned()]);
        let busybox =
            BUSYBOX.iter().map(|line| std::iter::once(&"/bin/busybox").chain(*line).map(|&w| w.to_owned()).collect());
        own.chain(busybox).collect()
    }
}

/// Says why the test is not run.
fn skipped(test: &str, why: &str) {
    // Not eprintln: the test harness keeps that to itself when a test passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}

/// Whether a program is there and does its work.
fn works(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

fn work(test: &str) -> Option<Work> {
    let kernel = debian(test)?.join("vmlinuz-cloud");
    let dir = tempfile::tempdir().expect("there is room");
    let work = Work { dir, kernel };
    std::fs::create_dir(work.path()).expect("there is room");
    std::fs::write(work.path().join("text"), "some lines\nof text\nto look at\n".repeat(50)).expect("there is room");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guest/calls.c");
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=gnu11", "-O2", "-static", "-pthread", "-w", "-o"]).arg(work.path().join("calls")).arg(source);
    if !works(&mut gcc) {
        skipped(test, "gcc with a static C library is needed");
        return None;
    }
    if !works(Command::new("strace").args(["-o", "/dev/null", "/bin/busybox", "true"])) {
        skipped(test, "strace that may trace, and a static /bin/busybox, are needed");
        return None;
    }
    Some(work)
}

/// What strace says of a program on the host.
fn traced(work: &Work, program: &[String]) -> Threads {
    let traces = tempfile::tempdir().expect("there is room");
    // What whoever started the test left open would shift the numbers of descriptors.
    let mut strace = Command::new("/bin/bash");
    strace.args([
        "-c",
        r#"for n in {3..30}; do eval "exec $n<&-"; done; exec env -i PATH=/bin:/usr/bin strace "$@""#,
        "bash",
    ]);
    strace.args(["-ff", "-qq", "-e", "signal=none", "-o"]).arg(traces.path().join("t")).args(program);
    strace.current_dir(work.path()).stdin(Stdio::null());
    strace.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("strace works");
    let entries = std::fs::read_dir(traces.path()).expect("it is our directory");
    let thread = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.expect("it is our directory").path();
        let number = path.extension().and_then(OsStr::to_str).and_then(|e| e.parse().ok()).expect("t.NUMBER");
        let lines = String::from_utf8(std::fs::read(&path).expect("it can be read")).expect("strace writes ASCII");
        (number, lines.lines().filter_map(parsed).collect())
    };
    entries.map(thread).collect()
}

/// `name(arguments) = result ...` of strace.
fn parsed(line: &str) -> Option<Call> {
    if line.starts_with("+++") || line.starts_with("---") {
        return None;
    }
    let (name, rest) = line.split_once('(').unwrap_or_else(|| panic!("not a call: {line}"));
    let (arguments, result) = rest.rsplit_once(" = ").unwrap_or_else(|| panic!("without a result: {line}"));
    let arguments = arguments.trim_end();
    let arguments = arguments.strip_suffix(')').unwrap_or(arguments);
    Some(Call { name: name.into(), arguments: arguments.into(), result: result.into() })
}

/// A recording in which all programs ran.
fn recorded(work: &Work) -> PathBuf {
    let mut script = format!("{} seed || exit\n", work.path().join("calls").display());
    for program in work.programs() {
        let words: Vec<String> = program.iter().map(|w| format!("'{w}'")).collect();
        writeln!(script, "/bin/busybox env -i PATH=/bin:/usr/bin {} < /dev/null > /dev/null", words.join(" "))
            .expect("strings grow");
    }
    std::fs::write(work.path().join("script"), script).expect("there is room");
    let recording = work.dir.path().join("calls.reen");
    let mut record = reenact();
    record.current_dir(work.path()).args(["record", "--offline", "--memory", "512M", "-o"]).arg(&recording);
    record.arg("--kernel").arg(&work.kernel).arg("--file").arg(work.path());
    record.args(["--", "/bin/busybox", "sh", "./script"]);
    Ran::from_output(record.output().expect("the binary starts")).succeeded();
    recording
}

fn by_thread(rows: &[serde_json::Value]) -> Threads {
    let mut threads = Threads::new();
    for row in rows {
        threads.entry(row["tid"].as_u64().expect("a thread")).or_default().push(told(row));
    }
    threads
}

/// A row as strace would write it.
fn told(row: &serde_json::Value) -> Call {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let result = match (row["result"].as_i64(), row["errno"].as_str()) {
        (None, _) => "?".to_owned(),
        (_, Some(errno)) if errno.starts_with("ERESTART") => format!("? {errno}"),
        (_, Some(errno)) => format!("-1 {errno}"),
        (Some(mask), None) if row["name"] == "umask" => format!("0{mask:02o}"),
        (Some(result), None) => result.to_string(),
    };
    Call { name: text("name"), arguments: text("arguments"), result }
}

/// The calls of a program and of all that it made, in the order of who made whom: each thread's list.
fn lined_up(threads: &Threads, first: u64, from: usize) -> Vec<Vec<Call>> {
    let mut order = vec![(first, from)];
    let mut next = 0;
    while let Some(&(number, from)) = order.get(next) {
        let calls = &threads.get(&number).unwrap_or_else(|| panic!("thread {number} made no call"))[from..];
        let makes = |c: &&Call| matches!(c.name.as_str(), "clone" | "clone3" | "fork" | "vfork");
        order.extend(calls.iter().filter(makes).filter_map(|c| Some((first_number(&c.result).filter(|&n| n > 0)?, 0))));
        next += 1;
    }
    let numbers: Vec<u64> = order.iter().map(|o| o.0).collect();
    let list = |&(n, from): &(u64, usize)| {
        let mut calls: Vec<Call> = threads[&n][from..].iter().map(|c| normalised(c, &numbers)).collect();
        // When a shell is told that a child ended is a matter of scheduling; a call that it hits is made again.
        if calls.first().is_some_and(|c| c.arguments.contains("\"sh\"")) {
            calls.retain(|c| c.name != "rt_sigreturn" && !c.result.starts_with("? ERESTARTSYS"));
        }
        // Nothing came back to a thread that a signal ends, whatever the kernel had in mind.
        calls.iter_mut().last().filter(|c| c.result.starts_with('?')).into_iter().for_each(|c| c.result.truncate(1));
        calls
    };
    order.iter().map(list).collect()
}

fn first_number(text: &str) -> Option<u64> {
    let digits = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next()?;
    match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => digits.parse::<i64>().ok().map(|n| n as u64),
    }
}

/// What is to be equal on both sides.
fn normalised(call: &Call, numbers: &[u64]) -> Call {
    let Call { name, arguments, result } = call;
    let mut arguments = without_comments(arguments);
    match name.as_str() {
        // strace tells what is in the signal's frame, and what is resumed: no arguments of the call.
        "rt_sigreturn" | "restart_syscall" => arguments.clear(),
        // Random bytes, the machine's own name and limits.
        "getrandom" => arguments = without_text(&arguments),
        // What is left of a time differs by how long it took.
        "clock_nanosleep" if result.starts_with('?') => {
            arguments.truncate(arguments.rfind("tv_nsec=").expect("a time is left"));
        }
        "uname" => arguments = "NAMES".to_owned(),
        "prlimit64" if arguments.contains("NULL, {") => arguments.truncate(arguments.find('{').expect("it is there")),
        _ => {}
    }
    let result = match (name.as_str(), result.split_whitespace().next().unwrap_or_default()) {
        // An error has a name; strace explains it.
        (_, "-1" | "?") => result.split_whitespace().take(2).collect::<Vec<_>>().join(" "),
        ("brk" | "mmap" | "mremap", _) => "ADDRESS".to_owned(),
        // It may be who started the program.
        ("getppid", _) => "PARENT".to_owned(),
        (_, number) => match first_number(number) {
            Some(number) => number.to_string(),
            None => number.to_owned(),
        },
    };
    Call { name: name.clone(), arguments: masked(&arguments, numbers), result: masked(&result, numbers) }
}

/// Addresses and the numbers of threads by what they are, outside of quotes.
fn masked(text: &str, numbers: &[u64]) -> String {
    let mut out = String::new();
    let (mut is_quoted, mut is_escaped) = (false, false);
    let mut word = String::new();
    let finish = |word: &mut String, out: &mut String| {
        if let Some(place) = numbers.iter().position(|n| *word == n.to_string()) {
            write!(out, "THREAD{place}").expect("strings grow");
        } else if word.strip_prefix("0x").is_some_and(|hex| hex.len() > 4) {
            out.push_str("ADDRESS");
        } else {
            out.push_str(word);
        }
        word.clear();
    };
    for c in text.chars() {
        if !is_quoted && c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        finish(&mut word, &mut out);
        if c == '"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = is_quoted && c == '\\' && !is_escaped;
        out.push(c);
    }
    finish(&mut word, &mut out);
    out
}

/// Without `/* ... */`, outside of quotes.
fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((front, behind)) = rest.split_once(" /* ") {
        let Some((_, behind)) = behind.split_once(" */") else { break };
        out.push_str(front);
        rest = behind;
    }
    out + rest
}

/// Without the text between the first quotes.
fn without_text(text: &str) -> String {
    match (text.find('"'), text.rfind('"')) {
        (Some(from), Some(to)) if from < to => {
            format!("{}\"\"{}", &text[..from], text[to + 1..].trim_start_matches('.'))
        }
        _ => text.to_owned(),
    }
}

/// Where a program begins: its thread, and the place of its execve.
fn beginning(threads: &Threads, program: &[String]) -> (u64, usize) {
    let shown = |w: &String| if w.len() > 32 { format!("{:?}...", &w[..32]) } else { format!("{w:?}") };
    let start = format!("{:?}, [{}]", program[0], program.iter().map(shown).collect::<Vec<_>>().join(", "));
    let found = threads.iter().find_map(|(&number, calls)| {
        let place =
            calls.iter().position(|c| c.name == "execve" && c.arguments.starts_with(&start) && c.result == "0")?;
        Some((number, place))
    });
    found.unwrap_or_else(|| panic!("nobody executes {start}"))
}

/// strace leaves a call open in which its thread is ended.
fn is_same(table: &Call, strace: &Call) -> bool {
    let is_given = match strace.arguments.strip_suffix(" <unfinished ...>") {
        Some(front) => table.arguments.starts_with(front),
        None => table.arguments == strace.arguments,
    };
    table.name == strace.name && table.result == strace.result && is_given
}

fn difference(guest: &[Vec<Call>], host: &[Vec<Call>]) -> Option<String> {
    for (number, (guest, host)) in guest.iter().zip(host).enumerate() {
        for place in 0..guest.len().max(host.len()) {
            let (a, b) = (guest.get(place), host.get(place));
            if !a.zip(b).is_some_and(|(table, strace)| is_same(table, strace)) {
                return Some(format!("thread {number}, call {place}:\n  table  {a:?}\n  strace {b:?}"));
            }
        }
    }
    (guest.len() != host.len()).then(|| format!("{} threads, strace has {}", guest.len(), host.len()))
}

#[test]
fn tables_say_what_strace_and_the_programs_say() {
    let Some(work) = work("tables_say_what_strace_and_the_programs_say") else { return };
    let travel = open(&recorded(&work));
    let tables = rows(&travel, &[("syscalls", &[]), ("processes", &[]), ("files", &[])]);
    told_of_calls(&work, &tables["syscalls"]);
    told_of_processes(&tables["processes"]);
    told_of_files(&tables["files"]);
}

fn told_of_calls(work: &Work, table: &[serde_json::Value]) {
    let guest = by_thread(table);
    let statuses: BTreeSet<_> = table.iter().filter_map(|row| row["status"].as_str()).collect();
    let expected = ["interrupted", "no return", "restarted", "returned", "running"];
    assert_eq!(statuses, BTreeSet::from(expected), "each of these occurs, and no unmatched call");
    let mut differences = Vec::new();
    let mut calls = 0;
    for program in work.programs() {
        let host = traced(work, &program);
        let (first, from) = beginning(&guest, &program);
        let guest = lined_up(&guest, first, from);
        let (first, from) = beginning(&host, &program);
        let host = lined_up(&host, first, from);
        calls += host.iter().map(Vec::len).sum::<usize>();
        if let Some(difference) = difference(&guest, &host) {
            differences.push(format!("{}: {difference}", program[1..].join(" ")));
        }
    }
    assert!(calls > 1000, "only {calls} calls were compared");
    assert!(differences.is_empty(), "{} programs differ\n{}", differences.len(), differences.join("\n"));
}

/// What `calls processes` and `calls restarts` do with processes.
#[track_caller]
fn told_of_processes(rows: &[serde_json::Value]) {
    let has = |what: &[(&str, serde_json::Value)]| rows.iter().any(|row| what.iter().all(|(k, v)| row[k] == *v));
    let text = |text: &str| serde_json::Value::from(text);
    let arguments = r#"["calls","nothing","a rather long argument, longer than is shown"]"#;
    assert!(has(&[("event", text("exec")), ("arguments", text(arguments)), ("uid", 0.into())]));
    for (key, value) in [("exit_code", 42), ("exit_code", 7), ("signal", 15), ("signal", 11)] {
        assert!(has(&[("event", text("exit")), (key, value.into())]), "{key} {value}");
    }
    let threads = rows.iter().filter(|r| r["event"] == "thread" && r["child_pid"] == r["pid"]);
    // Four of `calls threads`, one of `calls abandoned`.
    assert_eq!(threads.count(), 5);
    assert_eq!(rows.iter().filter(|r| r["event"] == "thread exit").count(), 5);
    assert!(has(&[("event", text("fork")), ("child_pid", 3.into()), ("is_kernel_thread", true.into())]));
}

/// What `calls files` does with its file, `calls pipes` with its pipes, and `calls sockets` with a pair of sockets.
#[track_caller]
fn told_of_files(rows: &[serde_json::Value]) {
    let whole = |row: &&serde_json::Value| {
        let path = row["path"].as_str().unwrap_or_default();
        let [read, written] = ["bytes_read", "bytes_written"].map(|k| row[k].as_u64().expect("a number"));
        path.ends_with("/data") && (read, written) == (51, 63)
    };
    let data = rows.iter().find(whole).expect("the file is told of");
    assert_eq!((&data["flags"], &data["kind"], &data["fd"]), (&"O_RDWR".into(), &"file".into(), &3.into()));
    assert_eq!((&data["reads"], &data["writes"]), (&2.into(), &3.into()));
    assert_eq!(data["ended"], "exit", "its copy 20 is never closed");
    let is_pipe = |r: &&serde_json::Value| r["kind"] == "pipe" && r["bytes_read"] == 43;
    assert!(rows.iter().any(|r| is_pipe(&r)), "the pipe that readv emptied");
    let is_socket = |r: &&serde_json::Value| r["kind"] == "socket" && r["bytes_written"] == 17 && r["writes"] == 2;
    assert!(rows.iter().any(|r| is_socket(&r)), "the socket that two messages went out of");
}
