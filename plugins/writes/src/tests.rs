//! The writes plugin on scenes made by hand.

use super::*;
use reenact_plugin::mock::{MockScene, prepare, tables_however_cut, task};
use reenact_plugin::{MemoryRange, Whose};

const DATA: u64 = 0xffff_ffff_8200_0000;

fn written(moment: u64, linear: Option<u64>, physical: u64, size: u8) -> (MockScene, Event<'static>) {
    let mut scene = MockScene::at(moment).running(task(0x100, 7, "sh"));
    scene.registers.rip = 0xffff_ffff_8100_0004;
    let symbols = [(0xffff_ffff_8100_0000, "tick"), (DATA, "jiffies"), (DATA + 8, "other")];
    scene.symbols = symbols.map(|(at, name)| (at, name.to_owned())).into();
    (scene, Event::Memory { linear, physical, size, is_write: true, old: 1, new: 2 })
}

#[test]
fn a_row_says_what_was_written_and_by_whom() {
    let tables =
        tables_however_cut(&PLUGIN, &["all=yes"], &[written(3, Some(DATA), 0x2000, 4), written(4, None, 8, 8)]);
    assert_eq!(
        tables[0],
        [
            r#"3 | 30 | 18446744071578845188 | 18446744071595622400 | 8192 | 4 | 1 | 2 | 7 | 7 | "sh" | "tick""#,
            r#"4 | 40 | 18446744071578845188 | - | 8 | 8 | 1 | 2 | 7 | 7 | "sh" | "tick""#,
        ]
    );
}

#[test]
fn bytes_that_overlap_what_is_wanted_count() {
    let history = [
        written(1, Some(DATA - 4), 0x1ffc, 4),
        written(2, Some(DATA - 4), 0x1ffc, 8),
        written(3, Some(DATA + 7), 0x2007, 1),
        written(4, Some(DATA + 8), 0x2008, 8),
        written(5, None, 0x2000, 8),
    ];
    let moments = |words: &[&str]| -> Vec<String> {
        let rows = tables_however_cut(&PLUGIN, words, &history).remove(0);
        rows.iter().map(|row| row.split(' ').next().expect("a row has a first word").to_owned()).collect()
    };
    assert_eq!(moments(&["symbol=jiffies"]), ["2", "3"]);
    assert_eq!(moments(&["symbol=jiffies", "len=9"]), ["2", "3", "4"]);
    assert_eq!(moments(&["from=0xffffffff82000000", "len=1"]), ["2"]);
    assert_eq!(moments(&["range=0x2000-0x2008", "space=physical"]), ["2", "3", "5"]);
    assert_eq!(moments(&["symbol=nothing"]), [""; 0]);
}

#[test]
fn only_what_is_asked_for_is_tapped() {
    let wants = |words: &[&str]| prepare(&PLUGIN, words).expect("they are right").wants().writes;
    let linear = MemoryRange { whose: Whose::Linear, from: 16, last: 23 };
    assert_eq!(wants(&["from=16"]), [linear]);
    assert_eq!(wants(&["range=16-0x18"]), [linear]);
    assert_eq!(wants(&["all=yes"]), [MemoryRange::ALL]);
    assert_eq!(wants(&["from=0xffffffffffffffff", "len=1", "space=physical"])[0].last, u64::MAX);
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    let refused = |words: &[&str]| prepare(&PLUGIN, words).err().expect("they are wrong").0;
    assert!(refused(&[]).contains("all=yes"));
    assert!(refused(&["from=1", "range=1-2"]).contains("only one"));
    assert!(refused(&["range=1-2", "len=4"]).contains("len goes with"));
    assert!(refused(&["all=yes", "space=linear"]).contains("space goes with"));
    assert!(refused(&["all=no"]).contains("all=yes"));
    assert!(refused(&["space=virtual", "from=1"]).contains("linear or physical"));
    for empty in [&["range=2-2"][..], &["range=3-2"], &["from=1", "len=0"], &["from=0xffffffffffffffff", "len=2"]] {
        assert!(refused(empty).contains("no bytes"), "{empty:?}");
    }
    assert!(refused(&["range=12"]).contains("FIRST-BEHIND"));
    assert!(refused(&["symbol=a", "len=0"]).contains("nothing to watch"));
}
