//! Rows in any order come out in the order of time; what is killed leaves nothing; what is stale is made anew.

use super::columns::Columns;
use super::store::Store;
use super::{Evidence, Manifest, Permit, Provenance, Ran, Sizes, Wanted, folder, look, make, part, permit};
use crate::analysis::sink::{RowSink, Sink};
use reenact_plugin::{About, Argument, ArgumentError, Arguments, Column, Kind, Plugin, Runnable, Table, Value};
use std::fs;
use std::path::Path;

const TABLE: Table = Table {
    name: "things",
    about: "A thing",
    columns: &[
        Column::new("moment", Kind::Moment, ""),
        Column::new("number", Kind::U64, ""),
        Column::new("at", Kind::Address, ""),
        Column::new("result", Kind::I64, ""),
        Column::new("errno", Kind::I32, ""),
        Column::new("size", Kind::U8, ""),
        Column::new("tid", Kind::U32, ""),
        Column::new("is_user", Kind::Bool, ""),
        Column::new("path", Kind::Text, ""),
        Column::new("comm", Kind::Name, ""),
    ],
};
const SMALL: Sizes = Sizes { rows: 64, bytes: 1 << 20, groups: 2, late: 1000, packing: super::Packing::Zstd };

struct Things;

impl Plugin for Things {
    fn about(&self) -> About {
        let arguments = &[Argument { name: "from", about: "" }];
        About { name: "things", version: 3, summary: "", arguments, tables: &[TABLE], is_default: true }
    }
    fn prepare(&self, _: &Arguments) -> Result<Box<dyn Runnable>, ArgumentError> {
        Err(ArgumentError("it is not run here".to_owned()))
    }
}

fn evidence(place: &Path) -> Evidence {
    Evidence { recording: place.join("a.reen"), identity: [5; 32], rule: "a rule".to_owned() }
}

fn store(of: &Evidence, sizes: Sizes) -> Store {
    let provenance = Provenance::of(of, &Things.about(), &Arguments::default(), &TABLE);
    Store::create(&folder(&of.recording), vec![(TABLE, provenance)], sizes).unwrap()
}

/// A row that is told by its number; every seventh is full of nulls.
fn push(rows: &mut dyn RowSink, moment: u64, number: u64) {
    let (path, comm) = (format!("/tmp/{number}"), format!("comm {}", number % 5));
    let mut row = [
        Value::U(moment),
        Value::U(number),
        Value::U(u64::MAX - number),
        Value::I(-(number as i64)),
        Value::I(number as i64 % 100 - 50),
        Value::U(number % 256),
        Value::U(number % 3),
        Value::Bool(number.is_multiple_of(2)),
        Value::Text(&path),
        Value::Text(&comm),
    ];
    if number.is_multiple_of(7) {
        row[2..].fill(Value::Null);
    }
    rows.push(0, &row);
}

/// Moment and number of each row, as the published parts have them; each part is checked against the manifest.
fn published(of: &Evidence, manifest: &Manifest) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    for part in &manifest.parts {
        let rows = part::read(&folder(&of.recording).join("things").join(&part.file), &TABLE).unwrap();
        let moments = rows.moments();
        assert_eq!((moments.len() as u64, moments[0], moments[moments.len() - 1]), (part.rows, part.first, part.last));
        found.extend((0..rows.rows()).map(|row| check(&rows, row)));
    }
    assert_eq!(found.len() as u64, manifest.rows);
    found
}

/// Every value of the row is what `push` gave for its number.
fn check(rows: &Columns, row: usize) -> (u64, u64) {
    let values: Vec<Value<'_>> = rows.columns().iter().map(|c| c.value(row)).collect();
    let (Value::U(moment), Value::U(number)) = (values[0], values[1]) else { panic!("{values:?}") };
    if number.is_multiple_of(7) {
        assert!(values[2..].iter().all(|v| *v == Value::Null), "{values:?}");
    } else {
        assert_eq!((values[2], values[3]), (Value::U(u64::MAX - number), Value::I(-(number as i64))));
        assert_eq!((values[8], values[7]), (Value::Text(&format!("/tmp/{number}")), Value::Bool(number % 2 == 0)));
        assert_eq!(values[9], Value::Text(&format!("comm {}", number % 5)));
    }
    (moment, number)
}

/// The order that is wanted: by Moment, those of one Moment as they came.
fn in_order(given: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut sorted = given.to_vec();
    sorted.sort_by_key(|(moment, _)| *moment);
    sorted
}

#[test]
fn joined_rows_that_come_late_find_their_places() {
    let place = tempfile::tempdir().unwrap();
    let of = evidence(place.path());
    // So few may be late that they are put into their places on the way, too.
    let store = store(&of, Sizes { late: 50, ..SMALL });
    let mut rows = store.joined();
    // Every eleventh row returns a long time after it began, and many share a Moment.
    let given: Vec<(u64, u64)> = (0..2000).map(|n| (if n % 11 == 10 { n / 2 } else { n } / 4 * 4, n)).collect();
    given.iter().for_each(|(moment, number)| push(&mut *rows, *moment, *number));
    rows.finish().unwrap();
    let made = store.publish(true, &|_| None).unwrap();
    assert!(made[0].parts.len() > 3, "{:?}", made[0].parts);
    assert!(made[0].parts.is_sorted_by(|a, b| a.last <= b.first), "{:?}", made[0].parts);
    assert_eq!(published(&of, &made[0]), in_order(&given));
}

#[test]
fn one_slice_and_many_that_end_in_any_order_make_the_same_rows() {
    let given: Vec<(u64, u64)> = (0..1000).map(|n| (n ^ 3, n)).collect();
    let mut tables = Vec::new();
    for cuts in [vec![0, 1000], vec![0, 128, 132, 500, 900, 1000]] {
        let place = tempfile::tempdir().unwrap();
        let of = evidence(place.path());
        let store = store(&of, SMALL);
        let slices: Vec<(usize, u64, u64)> = cuts.windows(2).enumerate().map(|(n, c)| (n, c[0], c[1])).collect();
        for (number, from, to) in slices.into_iter().rev() {
            let mut rows = store.slice(number, from, to);
            given[from as usize..to as usize].iter().for_each(|(moment, n)| push(&mut *rows, *moment, *n));
            rows.finish().unwrap();
        }
        let made = store.publish(true, &|_| None).unwrap();
        tables.push(published(&of, &made[0]));
    }
    assert_eq!(tables[0], in_order(&given));
    assert_eq!(tables[0], tables[1]);
}

#[test]
fn what_is_not_published_is_no_table() {
    let place = tempfile::tempdir().unwrap();
    let of = evidence(place.path());
    let killed = store(&of, SMALL);
    let mut rows = killed.slice(0, 0, 1000);
    (0..1000).for_each(|n| push(&mut *rows, n, n));
    rows.finish().unwrap();
    // A process that is killed drops nothing.
    std::mem::forget(killed);
    let left = |of: &Evidence| {
        fs::read_dir(folder(&of.recording)).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>()
    };
    assert!(left(&of).iter().all(|name| name.to_str().unwrap().ends_with(".unfinished")), "{:?}", left(&of));
    assert_eq!(look(&of, vec![Wanted::plain(&Things)]).missing.len(), 1);
    drop(permit(&of).unwrap());
    assert_eq!(left(&of), ["lock"]);
}

fn make_one(of: &Evidence, wanted: &Wanted, permit: &Permit) {
    let run = |sink: &dyn Sink| {
        let mut rows = sink.joined();
        push(&mut *rows, 1, 1);
        rows.finish()?;
        Ok(Some(Ran { complete: true, ..Ran::default() }))
    };
    make(of, std::slice::from_ref(wanted), permit, run).unwrap();
}

#[test]
fn a_table_of_another_recording_version_or_argument_is_stale() {
    let place = tempfile::tempdir().unwrap();
    let of = evidence(place.path());
    let permit = permit(&of).unwrap();
    let plain = Wanted::plain(&Things);
    make_one(&of, &plain, &permit);
    let why = |of: &Evidence, wanted: &Wanted| look(of, vec![wanted.clone()]).notes;
    assert_eq!((look(&of, vec![plain.clone()]).missing.len(), why(&of, &plain)), (0, Vec::new()));
    let other = Arguments::parse(&["from=5".to_owned()], Things.about().arguments).unwrap();
    assert!(why(&of, &Wanted { arguments: other, ..plain.clone() })[0].contains("other arguments"));
    assert!(why(&Evidence { identity: [6; 32], ..of.clone() }, &plain)[0].contains("another state of the recording"));
    assert!(why(&Evidence { rule: "x".to_owned(), ..of.clone() }, &plain)[0].contains("another version of reenact"));
    let path = folder(&of.recording).join("things/manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"plugin_version\": 3", "\"plugin_version\": 2")).unwrap();
    assert!(why(&of, &plain)[0].contains("another version of its plugin"));
    fs::write(&path, text.replace("part-00000", "../part-00000")).unwrap();
    assert_eq!(
        look(&of, vec![plain.clone()]).missing.len(),
        1,
        "a manifest that leads out of its folder is not believed"
    );
    make_one(&of, &plain, &permit);
    assert_eq!(look(&of, vec![plain]).missing.len(), 0);
}

#[test]
fn a_row_that_does_not_fit_ends_the_run_and_changes_no_table() {
    let place = tempfile::tempdir().unwrap();
    let of = evidence(place.path());
    let store = store(&of, SMALL);
    let mut rows = store.joined();
    rows.push(0, &[Value::U(1)]);
    assert!(rows.failed());
    let said = rows.finish().unwrap_err().to_string();
    assert!(said.contains("mistake in the plugin"), "{said}");
    drop(store);
    assert_eq!(fs::read_dir(folder(&of.recording)).unwrap().count(), 0);
}
