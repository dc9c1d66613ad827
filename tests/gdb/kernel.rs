//! gdb on kernel code: the entry of system calls, found by its register, and the last ten calls backwards.

use crate::program::walk;
use crate::server::Server;

#[test]
fn the_last_ten_system_calls_are_the_same_backwards_and_forwards() {
    let Some(walk) = walk("the_last_ten_system_calls_are_the_same_backwards_and_forwards") else { return };
    let server = Server::start(&walk.recording, &["--at", "end"]);
    let regs = server.gdb(None, &["monitor regs"]).err;
    let line = regs.lines().find(|line| line.starts_with("IA32_LSTAR")).expect("it is among the registers");
    let entry = line.split_whitespace().last().expect("the line ends with the value").to_owned();
    let mut commands = vec!["monitor space any".to_owned(), format!("break *{entry}")];
    for _ in 0..10 {
        commands.extend(["reverse-continue".to_owned(), "p/x $rax".to_owned()]);
    }
    commands.push("echo forth\\n".to_owned());
    for _ in 0..9 {
        commands.extend(["continue".to_owned(), "p/x $rax".to_owned()]);
    }
    commands.push("continue".to_owned());
    let said = server.gdb(None, &commands.iter().map(String::as_str).collect::<Vec<_>>());
    let (back, forth) = said.out.split_once("forth\n").expect("it was echoed");
    let calls = |text: &str| {
        let values = text.lines().filter(|line| line.starts_with('$'));
        values.filter_map(|line| Some(line.split_once(" = ")?.1.to_owned())).collect::<Vec<_>>()
    };
    let mut backwards = calls(back);
    assert_eq!(backwards.len(), 10, "{}", said.out);
    // The first process ends by switching the machine off: reboot is the last call of all.
    assert_eq!(backwards[0], "0xa9");
    backwards.pop();
    backwards.reverse();
    // Forwards the first hit is the ninth from the end.
    assert_eq!(backwards, calls(forth)[..9], "{}", said.out);
    assert!(forth.contains("No more reverse-execution history"), "{forth}");
}
