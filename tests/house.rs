//! The house rules that a compiler does not check: the arrows between rooms, the length of files, and how they open.
//!
//! The arrows are read from docs/architecture.md, so that the page cannot say one thing and the code do another.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines that a file may have.
const LONGEST: usize = 700;
/// Files that may be longer, how long, and why.
const LONG_FILES: &[(&str, usize, &str)] = &[];
/// A program of its own inside a room: its `crate` is not this one.
const OTHER_CRATES: &[&str] = &["src/pack/init/"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder, by their path from the root, in order.
fn rust_files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(root().join(&folder)) else { continue };
        for entry in entries {
            let path = folder.join(entry.expect("the folder can be read").file_name());
            if root().join(&path).is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path.to_str().expect("names are ASCII").to_owned());
            }
        }
    }
    found.sort();
    found
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The lines `room -> room, room` of the page's block that opens with "```arrows".
fn arrows() -> BTreeMap<String, Vec<String>> {
    let page = text("docs/architecture.md");
    let block = page.split("```arrows\n").nth(1).expect("docs/architecture.md has a block of arrows");
    let lines = block.lines().take_while(|l| *l != "```").filter(|l| !l.trim().is_empty());
    lines.map(arrow).collect()
}

fn arrow(line: &str) -> (String, Vec<String>) {
    let (from, to) = line.split_once("->").unwrap_or_else(|| panic!("not an arrow: {line}"));
    let to = to.split(',').map(|room| room.trim().to_owned()).filter(|room| room != "nothing");
    (from.trim().to_owned(), to.collect())
}

/// The room that a file of `src` is in; none for the files that tie the rooms together.
fn room_of(path: &str) -> Option<String> {
    let inside = path.strip_prefix("src/").expect("a path in src");
    let first = inside.split('/').next().expect("a path has a first part");
    let room = first.strip_suffix(".rs").unwrap_or(first);
    (!matches!(room, "lib" | "main")).then(|| room.to_owned())
}

fn is_other_crate(path: &str) -> bool {
    OTHER_CRATES.iter().any(|folder| path.starts_with(folder))
}

/// The source without whole-line comments.
fn code(path: &str) -> String {
    text(path).lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Rooms that paths starting with `crate::` name.
fn rooms_used(code: &str) -> Vec<String> {
    let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    code.split("crate::").skip(1).map(name).collect()
}

/// Module levels between a file and its room: 0 for the room's own `mod.rs`.
fn depth(path: &str) -> usize {
    let parts = path.split('/').count() - 2;
    if path.ends_with("/mod.rs") { parts - 1 } else { parts }
}

/// The longest run of `super::` in some code.
fn steps_up(code: &str) -> usize {
    (1..9).take_while(|n| code.contains(&"super::".repeat(*n))).count()
}

#[test]
fn rooms_use_only_the_rooms_that_the_architecture_page_allows() {
    let arrows = arrows();
    let mut broken = Vec::new();
    for path in rust_files("src").into_iter().filter(|p| !is_other_crate(p)) {
        let Some(room) = room_of(&path) else { continue };
        let Some(allowed) = arrows.get(&room) else {
            broken.push(format!("{path}: the room \"{room}\" is not in docs/architecture.md"));
            continue;
        };
        for used in rooms_used(&code(&path)) {
            if used != room && !allowed.contains(&used) {
                broken.push(format!(
                    "{path}: {room} -> {} is no arrow of docs/architecture.md",
                    if used.is_empty() { "{..}" } else { &used }
                ));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn no_room_is_left_through_super() {
    let escapes = |path: &String| {
        let code = code(path);
        // A module written inside the file is one level more.
        let inner = usize::from(code.contains("mod tests {"));
        steps_up(&code) > depth(path) + inner
    };
    let files = rust_files("src").into_iter().filter(|p| room_of(p).is_some() && !is_other_crate(p));
    let broken: Vec<String> = files.filter(escapes).collect();
    assert!(broken.is_empty(), "write crate::ROOM instead of super::, so that the arrow is seen: {broken:?}");
}

#[test]
fn every_arrow_leads_to_a_room_and_none_leads_back() {
    let arrows = arrows();
    for (from, to) in &arrows {
        for room in to {
            let onward = arrows.get(room).unwrap_or_else(|| panic!("{from} -> {room}: there is no such room"));
            assert!(!onward.contains(from), "{from} and {room} use each other");
        }
        let is_there =
            root().join("src").join(from).is_dir() || root().join("src").join(format!("{from}.rs")).is_file();
        assert!(is_there, "docs/architecture.md has the room \"{from}\", src/ does not");
    }
}

/// What a plugin has: its folder, its page in one form, one line of Cargo.toml, and no dependency but the API.
#[test]
fn plugins_are_alike_and_depend_on_the_api_alone() {
    const PAGE: [&str; 6] = ["Sees", "Makes", "Arguments", "Needs", "Runs", "Limits"];
    let manifest = text("Cargo.toml");
    let mut broken = Vec::new();
    for entry in fs::read_dir(root().join("plugins")).expect("plugins/ is there") {
        let name = entry.expect("the folder can be read").file_name().into_string().expect("names are ASCII");
        if name == "api" {
            continue;
        }
        let line = format!("reenact-plugin-{name} = {{ path = \"plugins/{name}\" }}");
        if !manifest.lines().any(|l| l == line) {
            broken.push(format!("Cargo.toml has no line {line}"));
        }
        let own = text(&format!("plugins/{name}/Cargo.toml"));
        let dependencies = own.split("\n[dependencies]\n").nth(1).unwrap_or_default();
        let dependencies = dependencies.lines().take_while(|l| !l.starts_with('['));
        let others = dependencies.filter(|l| !l.is_empty() && !l.starts_with("reenact-plugin = "));
        broken.extend(others.map(|l| format!("plugins/{name}/Cargo.toml depends on {l}")));
        let page = text(&format!("plugins/{name}/README.md"));
        let missing = PAGE.iter().filter(|part| !page.contains(&format!("**{part}**")));
        broken.extend(missing.map(|part| format!("plugins/{name}/README.md does not say **{part}**")));
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

fn all_files() -> Vec<String> {
    let mut files = vec!["build.rs".to_owned()];
    files.extend(["src", "plugins", "tests", "benches", "fuzz/fuzz_targets"].into_iter().flat_map(rust_files));
    files
}

#[test]
fn files_stay_short_unless_listed_with_a_reason() {
    let limit = |path: &str| LONG_FILES.iter().find(|(p, ..)| *p == path).map_or(LONGEST, |(_, lines, _)| *lines);
    let too_long = |path: String| {
        let lines = text(&path).lines().count();
        (lines > limit(&path)).then(|| format!("{path}: {lines} lines, at most {}", limit(&path)))
    };
    let broken: Vec<String> = all_files().into_iter().filter_map(too_long).collect();
    assert!(broken.is_empty(), "a file of this length is two ideas; split it:\n{}", broken.join("\n"));
}

#[test]
fn every_file_opens_by_saying_what_it_is_for() {
    let broken: Vec<String> = all_files().into_iter().filter(|path| !text(path).starts_with("//!")).collect();
    assert!(broken.is_empty(), "no //! at the head of {broken:?}");
}

#[test]
fn every_page_opens_with_a_title_and_a_sentence() {
    let pages = [
        "architecture",
        "cpu",
        "cpu-undefined-flags",
        "determinism",
        "deviations",
        "find",
        "gdb",
        "guest",
        "machine",
        "plugins",
        "record-program",
        "recording-format",
        "tables",
        "taps",
        "tui",
    ];
    for page in pages {
        let text = text(&format!("docs/{page}.md"));
        let mut lines = text.lines();
        assert!(lines.next().is_some_and(|l| l.starts_with("# ")), "docs/{page}.md has no title");
        let opening: String = lines.skip(1).take_while(|l| !l.is_empty()).collect();
        assert!(opening.ends_with('.'), "docs/{page}.md opens with {opening:?}");
    }
}
