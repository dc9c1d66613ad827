//! Screens of the fixed world at 80x24 and 120x40, compared with `screens/NAME-WIDTHxHEIGHT.txt` beside this file.
//!
//! With REENACT_WRITE_SCREENS set the files are written instead; look at them before they are committed.

use super::super::once::draw;
use super::fixed::World;
use std::path::PathBuf;

fn check(name: &str, prepare: impl Fn(&mut World)) {
    for size in [(80, 24), (120, 40)] {
        let mut world = World::new(size);
        prepare(&mut world);
        let screen = draw(&world.model);
        let file = format!("src/tui/tests/screens/{name}-{}x{}.txt", size.0, size.1);
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(&file);
        if std::env::var_os("REENACT_WRITE_SCREENS").is_some() {
            std::fs::write(&path, &screen).expect("the folder is there");
            continue;
        }
        let wanted = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(screen == wanted, "{file} is not what is drawn now:\n{screen}");
    }
}

#[test]
fn code_registers_memory_and_the_time_bar() {
    check("start", |_| {});
}

#[test]
fn stack() {
    check("stack", |world| world.press("4 down"));
}

#[test]
fn console() {
    check("console", |world| world.press("5"));
}

#[test]
fn processes() {
    check("processes", |world| world.press("6 down"));
}

#[test]
fn maps_and_files() {
    check("maps", |world| world.press("7"));
    check("files", |world| world.press("8 down"));
}

#[test]
fn tables() {
    check("tables", |world| world.press("9 down right"));
    check("choose-table", |world| world.press("T"));
    check("filter", |world| {
        world.press("9 /");
        world.enter("comm=cat ret<0");
    });
}

#[test]
fn changes_are_marked() {
    check("changed", |world| {
        world.arrives = super::fixed::START + 1000;
        world.press("3 s");
    });
}

#[test]
fn what_lies_over_the_panes() {
    check("help", |world| world.press("?"));
    check("palette", |world| world.press(": s y s t e m"));
    check("bookmarks", |world| world.press("' down"));
    check("found", |world| {
        world.press("b");
        world.enter("secret");
    });
    check("goto", |world| world.press("g"));
}

#[test]
fn a_pane_alone_and_a_zoomed_time_bar() {
    check("alone", |world| world.press("5 z"));
    check("zoomed", |world| world.press("+ + +"));
}
