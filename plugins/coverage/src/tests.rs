//! The coverage plugin on scenes made by hand.

use super::*;
use reenact_plugin::Mapping;
use reenact_plugin::mock::{MockScene, tables, tables_however_cut, task};

const KERNEL: u64 = 0xffff_ffff_8100_0000;

fn scene(moment: u64, pid: u32, path: &str) -> MockScene {
    let mut scene = MockScene::at(moment).running(task(0x100, pid, "sh"));
    let mapping = |from, to, offset, path: Option<&str>| Mapping { from, to, offset, path: path.map(str::to_owned) };
    let mappings = vec![
        mapping(0x40_1000, 0x40_3000, 0x1000, Some(path)),
        mapping(0x40_3000, 0x40_4000, 0, None),
        mapping(0x7000_0000, 0x7002_0000, 0, Some("/lib/big.so")),
    ];
    scene.mappings = [(0x100, mappings)].into();
    scene.symbols = [(KERNEL, "_text".to_owned()), (KERNEL + 0x10_0000, "_end".to_owned())].into();
    scene
}

fn block(from: u64, to: u64) -> Event<'static> {
    Event::Block { from, to }
}

#[test]
fn blocks_become_ranges_of_their_modules() {
    let history = [
        (scene(4, 7, "/bin/sh"), block(0x40_1000, 0x40_1010)),
        (scene(8, 7, "/bin/sh"), block(0x40_1020, 0x40_1030)),
        (scene(9, 7, "/bin/sh"), block(0x40_1010, 0x40_1020)),
        // The run goes from the file into what is not a file's.
        (scene(12, 7, "/bin/sh"), block(0x40_2ff0, 0x40_3004)),
        (scene(20, 7, "/bin/sh"), block(KERNEL + 0x10, KERNEL + 0x20)),
        (scene(21, 7, "/bin/sh"), block(KERNEL + 0x20_0000, KERNEL + 0x20_0004)),
        (scene(21, 8, "/bin/sh"), Event::UserReturn),
        (scene(30, 8, "/bin/sh"), block(0x40_1000, 0x40_1010)),
        (scene(31, 8, "/bin/sh"), block(0x9000_0000, 0x9000_0008)),
        (scene(31, 8, "/bin/sh"), Event::UserReturn),
    ];
    let found = tables_however_cut(&PLUGIN, &[], &history[..]);
    let behind = KERNEL + 0x20_0000;
    assert_eq!(
        found[0],
        [
            r#"4 | 7 | "sh" | "/bin/sh" | 4194304 | 4096 | 48"#.to_owned(),
            r#"12 | 7 | "sh" | "/bin/sh" | 4194304 | 12272 | 16"#.to_owned(),
            r#"12 | 7 | "sh" | "[anonymous]" | 0 | 4206592 | 4"#.to_owned(),
            format!(r#"20 | - | - | "[kernel]" | {KERNEL} | 16 | 16"#),
            format!(r#"21 | - | - | "[modules]" | 0 | {behind} | 4"#),
            r#"30 | 8 | "sh" | "/bin/sh" | 4194304 | 4096 | 16"#.to_owned(),
            r#"31 | 8 | "sh" | - | 0 | 2415919104 | 8"#.to_owned(),
        ]
    );
}

#[test]
fn a_file_mapped_in_the_place_of_another_is_seen_behind_the_kernel() {
    let history = [
        (scene(4, 7, "/bin/sh"), block(0x40_1000, 0x40_1010)),
        (scene(4, 7, "/bin/ls"), Event::UserReturn),
        (scene(9, 7, "/bin/ls"), block(0x40_1000, 0x40_1010)),
    ];
    let found = tables_however_cut(&PLUGIN, &[], &history);
    assert_eq!(found[0].len(), 2, "{found:?}");
    assert!(found[0].iter().any(|row| row.contains("/bin/ls")), "{found:?}");
}

#[test]
fn how_a_run_of_code_is_cut_into_blocks_does_not_matter() {
    let whole = [(scene(1, 7, "/bin/sh"), block(0x40_1000, 0x40_1010))];
    let cut =
        [(scene(1, 7, "/bin/sh"), block(0x40_1000, 0x40_1008)), (scene(5, 7, "/bin/sh"), block(0x40_1008, 0x40_1010))];
    assert_eq!(tables(&PLUGIN, &[], &whole, &[]), tables(&PLUGIN, &[], &cut, &[1]));
}

#[test]
fn what_is_too_long_for_drcov_is_split() {
    let history = [(scene(4, 7, "/bin/sh"), block(0x7000_0000, 0x7001_0001))];
    let found = tables(&PLUGIN, &[], &history, &[]);
    let sizes: Vec<&str> = found[0].iter().filter_map(|row| row.rsplit(' ').next()).collect();
    assert_eq!(sizes, ["65535", "2"]);
}
