//! gdb on a recorded program with debug information: forwards and backwards through its source.

use crate::server::{Server, Transcript, has_gdb, reenact};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// The program of `walk.c`, compiled and recorded.
pub struct Recorded {
    _dir: TempDir,
    pub program: PathBuf,
    pub recording: PathBuf,
}

impl Recorded {
    fn new(kernel: &Path, flags: &[&str]) -> Recorded {
        let dir = tempfile::tempdir().expect("there is room");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gdb/walk.c");
        let program = dir.path().join("walk");
        let compiled = Command::new("gcc").args(["-g", "-O0"]).args(flags).arg(source).arg("-o").arg(&program).status();
        assert!(compiled.expect("gcc is installed: .ci/run does that").success());
        let recording = dir.path().join("walk.reen");
        let mut record = reenact();
        record.args(["record", "--offline", "--kernel"]).arg(kernel).arg("-o").arg(&recording).arg("--").arg(&program);
        let output = record.output().expect("the binary starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "134 100\n");
        Recorded { _dir: dir, program, recording }
    }

    pub fn gdb(&self, arguments: &[&str], commands: &[&str]) -> Transcript {
        Server::start(&self.recording, arguments).gdb(Some(&self.program), commands)
    }
}

/// The statically linked program; `None`, loudly, where there is no gdb or no kernel.
pub fn walk(test: &str) -> Option<&'static Recorded> {
    static RECORDED: OnceLock<Recorded> = OnceLock::new();
    let kernel = kernel(test)?;
    Some(RECORDED.get_or_init(|| Recorded::new(&kernel, &["-static", "-no-pie"])))
}

pub fn kernel(test: &str) -> Option<PathBuf> {
    let dir = std::env::var("REENACT_TEST_GUESTS").ok().filter(|dir| !dir.is_empty());
    if dir.is_none() {
        eprintln!("{test}: left out, because REENACT_TEST_GUESTS names no directory of kernels");
    }
    dir.filter(|_| has_gdb(test)).map(|dir| Path::new(&dir).join("vmlinuz-cloud"))
}

#[test]
fn a_watched_global_is_followed_to_the_end_and_back_through_every_write() {
    let Some(walk) = walk("a_watched_global_is_followed_to_the_end_and_back_through_every_write") else { return };
    let mut commands = vec!["break main", "continue", "delete", "watch total"];
    commands.extend(["continue"; 7]);
    commands.push("echo back\\n");
    commands.extend(["reverse-continue"; 7]);
    let said = walk.gdb(&[], &commands);
    said.says(&["Breakpoint 1, main ()", "long i, sum = 0;", "Hardware watchpoint 2: total"]);
    let values = ["1", "2", "6", "15", "31", "56", "134"];
    let changes = |list: &mut dyn Iterator<Item = (String, String)>| {
        list.flat_map(|(old, new)| [format!("Old value = {old}\n"), format!("New value = {new}\n")]).collect::<Vec<_>>()
    };
    let forth = values.windows(2).map(|w| (w[0].to_owned(), w[1].to_owned()));
    let back = values.windows(2).rev().map(|w| (w[1].to_owned(), w[0].to_owned()));
    let mut pieces = changes(&mut forth.into_iter());
    pieces.push("No more reverse-execution history".into());
    pieces.push("back\n".into());
    pieces.extend(changes(&mut back.into_iter()));
    pieces.push("No more reverse-execution history".into());
    said.says(&pieces.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn backtraces_are_equal_forwards_and_backwards() {
    let Some(walk) = walk("backtraces_are_equal_forwards_and_backwards") else { return };
    let said = walk.gdb(
        &[],
        &[
            "break square",
            "break factorial if n == 2",
            "continue",
            "continue",
            "echo one\\n",
            "bt",
            "info locals",
            "echo two\\n",
            "continue",
            "continue",
            "continue",
            "continue",
            "echo three\\n",
            "bt",
            "echo four\\n",
            "reverse-continue",
            "reverse-continue",
            "reverse-continue",
            "reverse-continue",
            "echo five\\n",
            "bt",
            "info locals",
            "echo six\\n",
        ],
    );
    let (forth, back) = (said.between("one\n", "two\n"), said.between("five\n", "six\n"));
    assert_eq!(forth, back);
    assert!(forth.contains("#0  square (n=2)") && forth.contains("#2  "), "{forth}");
    let deep = said.between("three\n", "four\n");
    assert!(
        deep.contains("#0  factorial (n=2)") && deep.contains("factorial (n=4)") && deep.contains("main ()"),
        "{deep}"
    );
}

#[test]
fn reverse_finish_goes_in_front_of_the_call() {
    let Some(walk) = walk("reverse_finish_goes_in_front_of_the_call") else { return };
    let said = walk.gdb(
        &[],
        &[
            "break square if n == 3",
            "continue",
            "delete",
            "next",
            "reverse-finish",
            "x/i $pc",
            "reverse-finish",
            "x/i $pc",
            "p i",
            "stepi",
            "bt 2",
            "finish",
        ],
    );
    said.says(&[
        "Breakpoint 1, square (n=3)",
        "return result;",
        "in add (n=3)",
        "total += square(n)",
        "call ",
        "<square>",
        "in main ()",
        "sum += add(i)",
        "call ",
        "<add>",
        "= 3",
        "#0  add (n=",
        "#1 ",
        "in main ()",
        "Value returned is ",
        "= 15",
    ]);
}

#[test]
fn next_and_reverse_next_pass_over_calls_and_go_through_loops() {
    let Some(walk) = walk("next_and_reverse_next_pass_over_calls_and_go_through_loops") else { return };
    let mut commands = vec!["break main", "continue", "delete", "echo forth\\n"];
    commands.extend(["next"; 8]);
    commands.extend(["p i", "p sum", "p total", "echo back\\n"]);
    commands.extend(["reverse-next"; 7]);
    commands.extend(["p total", "echo in\\n", "next", "step", "bt 1", "step", "reverse-step", "reverse-step", "bt 1"]);
    let said = walk.gdb(&[], &commands);
    let round = ["for (i = 1; i <= 5; i++)", "sum += add(i)"];
    let mut pieces = vec!["forth\n"];
    pieces.extend(round.iter().cycle().take(8));
    pieces.extend(["= 4", "= 23", "= 15", "back\n"]);
    pieces.extend(round.iter().cycle().take(6));
    pieces.extend(["long i, sum = 0;", "= 1\n", "in\n"]);
    pieces.extend(["for (i = 1", "sum += add(i)", "#0 ", "sum += add(i)"]);
    said.says(&pieces);
    // What is called shows nowhere while it is passed over.
    assert!(!said.between("forth\n", "in\n").contains("n="), "{}", said.out);
}

#[test]
fn a_position_independent_program_is_found_where_the_kernel_loaded_it() {
    let Some(kernel) = kernel("a_position_independent_program_is_found_where_the_kernel_loaded_it") else { return };
    let walk = Recorded::new(&kernel, &["-pie", "-fPIE"]);
    let said = walk.gdb(&[], &["bt 1", "info sharedlibrary", "break add", "continue", "bt", "reverse-continue"]);
    said.says(&[
        "_start ()",
        "libc.so.6",
        "Breakpoint 1, add (n=1)",
        "#0  add (n=1)",
        "main ()",
        "No more reverse-execution history",
    ]);
}

#[test]
fn an_interrupt_ends_a_long_search_backwards_and_nothing_has_moved() {
    let Some(walk) = walk("an_interrupt_ends_a_long_search_backwards_and_nothing_has_moved") else { return };
    let server = Server::start(&walk.recording, &["--at", "end"]);
    // The condition is never true and gdb asks it at each of the many hits.
    let commands =
        ["watch *(long *)$rsp if 0", "reverse-continue", "echo and now\\n", "stepi", "stepi", "info registers rip"];
    let child = server.start_gdb(None, &commands);
    std::thread::sleep(std::time::Duration::from_millis(2500));
    let id = i32::try_from(child.id()).expect("process ids are small");
    // SAFETY: the child is ours and has not been waited for, so the id is still its own.
    assert_eq!(unsafe { libc::kill(id, libc::SIGINT) }, 0);
    let output = child.wait_with_output().expect("gdb ends");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("SIGINT, Interrupt"), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}
