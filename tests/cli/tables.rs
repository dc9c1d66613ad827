//! Tables as users ask them: the first question makes them, wrong questions are told what is wrong, files stay; and the page
//! docs/tables.md says what the schemas say.

use crate::command::{Ran, run};
use reenact::analysis::query::FUNCTIONS;
use reenact::analysis::{builtin, registry};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A recording of a small guest, in a folder where it may have an index.
fn recording() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("timers.reen");
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/traces/timers.reen"), &path).expect("the trace can be copied");
    (folder, path)
}

fn ask(recording: &Path, more: &[&str]) -> Ran {
    let path = recording.to_str().expect("a path in ASCII");
    let (verb, rest) = more.split_first().expect("a verb");
    run([&[*verb, path], rest].concat())
}

#[test]
fn a_plugin_is_run_once_and_its_table_answers() {
    let (_folder, path) = recording();
    ask(&path, &["query", "SELECT * FROM halts"]).refused(2, &["table halts is not made yet", "reenact run"]);
    let made = ask(&path, &["run", "skeleton"]).succeeded().text();
    assert!(made.starts_with("halts: ") && made.trim_end().ends_with(" rows"), "{made}");
    let counted =
        ask(&path, &["query", "SELECT count(*) AS n, min(moment) AS m FROM halts", "--format", "jsonl"]).succeeded();
    let counted: serde_json::Value = serde_json::from_slice(&counted.out).expect("one JSON object");
    assert!(counted["n"].as_u64() > Some(0), "{counted}");
    let listed = ask(&path, &["tables", "--json"]).succeeded();
    let listed: serde_json::Value = serde_json::from_slice(&listed.out).expect("JSON");
    let halts = listed["tables"].as_array().expect("a list").iter().find(|t| t["name"] == "halts").expect("the table");
    assert_eq!((&halts["rows"], &halts["first"]), (&counted["n"], &counted["m"]));
    // As many cuts as wanted make the same rows.
    let csv = |more: &[&str]| ask(&path, &[&["run", "skeleton", "--format", "csv"], more].concat()).succeeded().out;
    let whole = csv(&[]);
    fs::remove_dir_all(path.with_extension("reen.index").join("tables")).expect("the tables can be deleted");
    assert_eq!(csv(&["--parts", "7"]), whole);
    let later = ask(&path, &["run", "skeleton", "after=1000000000000"]).succeeded();
    assert!(later.err.contains("halts is made anew: it was made with other arguments"), "{}", later.err);
}

#[test]
fn wrong_questions_are_told_what_is_wrong() {
    let (_folder, path) = recording();
    ask(&path, &["run", "skeleton"]).succeeded();
    ask(&path, &["query", "SELECT * FROM halt"])
        .refused(2, &["column 15", "no table \"halt\"", "did you mean \"halts\""]);
    ask(&path, &["query", "SELECT momnt FROM halts"])
        .refused(2, &["column 8", "no column \"momnt\"", "did you mean \"moment\""]);
    ask(&path, &["query", "SELECT FROM WHERE"]).refused(2, &["column "]);
    ask(&path, &["query", ""]).refused(2, &["empty"]);
    ask(&path, &["run", "skeletn"]).refused(2, &["did you mean \"skeleton\""]);
    ask(&path, &["run", "skeleton", "befor=1"]).refused(2, &["no argument \"befor\"", "after"]);
    ask(&path, &["run", "skeleton", "after=soon"]).refused(2, &["not a number"]);
    ask(&path, &["export", "--table", "hlats", "-o", "/nowhere/x.csv"]).refused(2, &["did you mean \"halts\""]);
}

#[test]
fn a_guest_that_is_no_linux_says_so_where_it_matters() {
    let (_folder, path) = recording();
    let ran = ask(&path, &["query", "SELECT count(*) AS n FROM symbols", "--format", "csv"]).succeeded();
    assert_eq!(ran.text(), "n\n0\n");
    assert!(ran.err.contains("table symbols has no rows: "), "{}", ran.err);
}

#[test]
fn files_are_replaced_only_when_asked() {
    let (folder, path) = recording();
    ask(&path, &["run", "skeleton"]).succeeded();
    let file = folder.path().join("out.csv");
    let name = file.to_str().expect("a path in ASCII");
    ask(&path, &["export", "--table", "halts", "-o", name]).succeeded();
    let all = fs::read_to_string(&file).expect("the file is there");
    ask(&path, &["export", "--table", "halts", "-o", name, "--to", "0"]).refused(3, &["out.csv", "--force"]);
    assert_eq!(fs::read_to_string(&file).expect("it is still there"), all);
    ask(&path, &["export", "--table", "halts", "-o", name, "--to", "0", "--force"]).succeeded();
    assert_eq!(fs::read_to_string(&file).expect("it is replaced"), "moment,until_ns\r\n");
    let odd = folder.path().join("out.xyz");
    ask(&path, &["export", "--table", "halts", "-o", odd.to_str().expect("ASCII")]).refused(2, &["--format"]);
    assert!(!odd.exists());
}

#[test]
fn the_plugins_are_listed_with_their_tables() {
    let listed = run(["plugins", "--json"]).succeeded();
    let listed: serde_json::Value = serde_json::from_slice(&listed.out).expect("JSON");
    assert_eq!(listed["plugins"].as_array().expect("a list").len(), registry::PLUGINS.len());
    assert!(run(["plugins"]).succeeded().text().contains("halts"));
}

const FROM: &str = "<!-- made from the schemas: REENACT_WRITE_DOCS=1 cargo test --test cli tables -->\n";
const TO: &str = "<!-- end -->";

fn schemas() -> String {
    let mut page = String::from("| function | gives |\n|---|---|\n");
    let mut line = |text: String| writeln!(page, "{text}").expect("a String takes everything");
    FUNCTIONS.iter().for_each(|(name, about)| line(format!("| `{name}(n)` | {about} |")));
    for (plugin, table) in registry::tables().chain(builtin::tables()) {
        let when = if plugin.is_default { "by default" } else { "by `reenact run`" };
        line(format!("\n### {}\n\n{}. Made {when} (plugin `{}`).\n", table.name, table.about, plugin.name));
        line("| column | kind | |\n|---|---|---|".to_owned());
        for column in table.columns {
            line(format!("| `{}` | {:?} | {} |", column.name, column.kind, column.about.replace('|', "\\|")));
        }
    }
    page
}

#[test]
fn the_page_about_tables_says_what_the_schemas_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tables.md");
    let page = fs::read_to_string(path).expect("the page is there");
    let (head, rest) = page.split_once(FROM).expect("the page has the mark of its generated part");
    let (made, tail) = rest.split_once(TO).expect("the generated part has an end");
    let now = schemas();
    if std::env::var_os("REENACT_WRITE_DOCS").is_some() {
        fs::write(path, format!("{head}{FROM}{now}{TO}{tail}")).expect("the page can be written");
    } else {
        assert_eq!(made, now, "docs/tables.md is old; write it anew with REENACT_WRITE_DOCS=1");
    }
}
