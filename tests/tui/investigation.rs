//! The tutorial of docs/tui.md: who overwrote a pointer, and coming back to the place.

use crate::{Tmux, trace};

#[test]
fn who_wrote_the_bytes_that_crashed_it_is_found_marked_and_found_again() {
    let Some(tmux) = Tmux::start((120, 40)) else { return };
    let dir = tempfile::tempdir().expect("there is room");
    let recording = trace(&dir, "heap_overflow");
    tmux.open(&recording, "--at end");
    tmux.waits_for("4,212,226 of 4,212,226");
    // The function pointer that the crash jumped through.
    tmux.press(&["3", "@"]);
    tmux.enter("0x10c038");
    tmux.waits_for("000000000010c030");
    tmux.press(&["W"]);
    let screen = tmux.waits_for("wrote 0x10c038");
    assert!(screen.contains("mov %al,(%rdi)"), "{screen}");
    let place = place(&screen);
    tmux.press(&["m"]);
    tmux.enter("overflow the copy runs over the end");
    tmux.waits_for("bookmark overflow");
    tmux.press(&["["]);
    tmux.waits_for("4,212,226 of 4,212,226");
    tmux.leave();

    tmux.open(&recording, "");
    tmux.waits_for(" 0 of 4,212,226");
    tmux.press(&["'"]);
    let screen = tmux.waits_for("the copy runs over the end");
    assert!(screen.contains(&place), "{place} in {screen}");
    tmux.press(&["Enter"]);
    let screen = tmux.waits_for(&format!("{place} of 4,212,226"));
    assert!(screen.contains("mov %al,(%rdi)"), "{screen}");
    tmux.leave();
}

/// The current Moment as the header says it.
fn place(screen: &str) -> String {
    let header = screen.lines().next().expect("there is a header");
    let (before, _) = header.split_once(" of ").expect("it says where");
    before.rsplit(' ').next().expect("a number").to_owned()
}
