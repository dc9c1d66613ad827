//! Questions to a small table: hex, functions, places in messages, pages, and every format.

use super::output::{Format, write};
use super::{Answer, Cell, Error, Tables};
use crate::analysis::tables::{Evidence, Provenance, Sizes, Store, folder};
use reenact_plugin::{About, Arguments, Column, Kind, Table, Value};
use tempfile::TempDir;

const CALLS: Table = Table {
    name: "calls",
    about: "A call",
    columns: &[
        Column::new("moment", Kind::Moment, ""),
        Column::new("address", Kind::Address, ""),
        Column::new("comm", Kind::Name, ""),
        Column::new("result", Kind::I64, ""),
    ],
};
const CLOCK: Table = Table {
    name: "clock",
    about: "A halt",
    columns: &[Column::new("moment", Kind::Moment, ""), Column::new("until_ns", Kind::U64, "")],
};
const ABOUT: About =
    About { name: "test", version: 1, summary: "", arguments: &[], tables: &[CALLS, CLOCK], is_default: true };
const SYMBOLS: Table = crate::analysis::builtin::SYMBOLS;
const KERNEL: u64 = 0xffff_ffff_8100_0000;
const ROWS: u64 = 1000;

fn tables() -> (TempDir, Tables) {
    let place = tempfile::tempdir().unwrap();
    let of = Evidence { recording: place.path().join("a.reen"), identity: [1; 32], rule: "r".to_owned() };
    let all = [CALLS, CLOCK, SYMBOLS];
    let with = |t: Table| (t, Provenance::of(&of, &ABOUT, &Arguments::default(), &t));
    let sizes = Sizes { rows: 64, groups: 2, ..Sizes::default() };
    let store = Store::create(&folder(&of.recording), all.map(with).to_vec(), sizes).unwrap();
    let mut rows = crate::analysis::sink::Sink::joined(&store);
    for n in 0..ROWS {
        let comm = if n % 3 == 0 { "init" } else { "bash, \"the\" shell" };
        let result = if n % 10 == 0 { Value::Null } else { Value::I(-(n as i64)) };
        rows.push(0, &[Value::U(n * 2), Value::U(KERNEL + n), Value::Text(comm), result]);
    }
    rows.push(1, &[Value::U(100), Value::U(5_000)]);
    rows.push(2, &[Value::U(0), Value::U(KERNEL), Value::Text("start_kernel")]);
    rows.finish().unwrap();
    store.publish(true, &|_| None).unwrap();
    let tables = Tables::open_of(&of, 1_700_000_000_000_000_000, all.map(|t| (ABOUT, t))).unwrap();
    (place, tables)
}

fn rows(answer: Result<Answer, Error>) -> Vec<Vec<Cell>> {
    answer.unwrap_or_else(|e| panic!("{e}")).page().unwrap_or_else(|e| panic!("{e}")).rows
}

fn refused(tables: &Tables, sql: &str) -> String {
    tables.sql(sql).err().unwrap_or_else(|| panic!("{sql} was not refused")).to_string()
}

fn text(t: &str) -> Cell {
    Cell::Text(t.to_owned())
}

#[test]
fn hex_numbers_are_numbers_but_not_in_quotes() {
    let (_place, tables) = tables();
    let found =
        rows(tables.sql("SELECT moment, address, '0x10' AS t -- 0x1\nFROM calls WHERE address = 0xFFFFffff81000005"));
    assert_eq!(found, [vec![Cell::U(10), Cell::Address(KERNEL + 5), text("0x10")]]);
    let found =
        rows(tables.sql("SELECT moment FROM calls WHERE address IN (0xffffffff81000005, 7, 18446744071578845190)"));
    assert_eq!(found, [[Cell::U(10)], [Cell::U(12)]]);
    let found = rows(tables.sql("SELECT count(*) AS n FROM calls WHERE address NOT IN (0xffffffff81000005)"));
    assert_eq!(found, [[Cell::U(ROWS - 1)]]);
    let found = rows(tables.sql(
        "SELECT moment FROM calls WHERE address BETWEEN 0xffffffff81000005 AND 0xffffffff81000006 AND moment > 0xa",
    ));
    assert_eq!(found, [[Cell::U(12)]]);
}

#[test]
fn functions_tell_what_numbers_stand_for_at_every_depth() {
    let (_place, tables) = tables();
    let told = vec![
        text("0xffffffff81000034"),
        text("start_kernel+0x34"),
        Cell::U(5_004),
        text("2023-11-14T22:13:20.000005004Z"),
    ];
    let inner = "SELECT hex(address) AS h, symbol(address) AS s, guest_time(moment) AS g, wall_time(moment) AS w \
                 FROM calls WHERE moment = 104";
    assert_eq!(rows(tables.sql(inner)), std::slice::from_ref(&told));
    assert_eq!(rows(tables.sql(&format!("SELECT * FROM ({inner}) AS q"))), std::slice::from_ref(&told));
    assert_eq!(rows(tables.sql(&format!("WITH q AS ({inner}) SELECT * FROM q"))), std::slice::from_ref(&told));
    assert_eq!(rows(tables.sql(&format!("{inner} UNION ALL {inner}"))), [told.clone(), told]);
    let found = rows(tables.sql("SELECT count(*) AS n FROM calls WHERE symbol(address) = 'start_kernel'"));
    assert_eq!(found, [[Cell::U(1)]]);
}

#[test]
fn messages_tell_the_place_and_the_nearest_name() {
    let (_place, tables) = tables();
    let said = refused(&tables, "SELECT comm,\n FROM calls WHERE");
    assert!(said.ends_with("line 2, column 18: expected an expression, found the end"), "{said}");
    let said = refused(&tables, "SELECT comm\n FORM calls x");
    assert!(said.contains("line 2, column 7: expected"), "{said}");
    let said = refused(&tables, "SELECT * FROM halts");
    assert!(said.contains("reenact run RECORDING skeleton"), "{said}");
    let said = refused(&tables, "SELECT comm FROM call");
    assert!(said.starts_with("column 18: there is no table \"call\" (did you mean \"calls\"?)"), "{said}");
    let said = refused(&tables, "SELECT comm, adress FROM calls");
    assert!(said.starts_with("column 14: there is no column \"adress\" (did you mean \"address\"?)"), "{said}");
    let said = refused(&tables, "SELECT comm FROM calls WHERE\n resul = 0x10");
    assert!(said.starts_with("line 2, column 2: there is no column \"resul\""), "{said}");
    let said = refused(&tables, "SELECT simbol(address) FROM calls");
    assert!(said.contains("no function \"simbol\" (did you mean \"symbol\"?)"), "{said}");
    assert!(refused(&tables, "DROP TABLE calls").contains("only a SELECT"));
    assert!(refused(&tables, "SELECT 1; SELECT 2").contains("one at a time"));
}

#[test]
fn pages_are_the_rows_of_their_numbers() {
    let (_place, tables) = tables();
    for (range, expected) in
        [(0..3, vec![0, 1, 2]), (127..130, vec![127, 128, 129]), (998..1005, vec![998, 999]), (2000..2001, vec![])]
    {
        let page = tables.rows("calls", range, &["moment"], None, None).unwrap();
        let expected: Vec<Vec<Cell>> = expected.into_iter().map(|n| vec![Cell::U(n * 2)]).collect();
        assert_eq!((page.columns, page.rows), (vec!["moment".to_owned()], expected));
    }
    let page = tables.rows("calls", 1..3, &["moment", "comm"], Some("comm = 'init'"), Some("moment DESC")).unwrap();
    assert_eq!(page.rows, [[Cell::U(1992), text("init")], [Cell::U(1986), text("init")]]);
    assert_eq!(
        (tables.count("calls", None).unwrap(), tables.count("calls", Some("comm = 'init'")).unwrap()),
        (1000, 334)
    );
    assert!(tables.rows("cals", 0..1, &[], None, None).unwrap_err().to_string().contains("\"calls\""));
}

fn written(tables: &Tables, sql: &str, format: Format) -> String {
    let mut out = Vec::new();
    write(tables.sql(sql).unwrap(), format, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn formats_quote_what_has_to_be_quoted() {
    let (_place, tables) = tables();
    let sql = "SELECT * FROM calls WHERE moment <= 2 ORDER BY moment";
    let expected = "moment,address,comm,result\r\n0,0xffffffff81000000,init,\r\n\
                    2,0xffffffff81000001,\"bash, \"\"the\"\" shell\",-1\r\n";
    assert_eq!(written(&tables, sql, Format::Csv), expected);
    let lines = written(&tables, sql, Format::Jsonl);
    let second: serde_json::Value = serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
    assert_eq!(second["address"], "0xffffffff81000001");
    assert_eq!(second["result"], -1);
    let events = written(&tables, sql, Format::TimesketchJsonl);
    let first: serde_json::Value = serde_json::from_str(events.lines().next().unwrap()).unwrap();
    assert_eq!(first["datetime"], "2023-11-14T22:13:20.000000000Z");
    assert_eq!(first["timestamp"], 1_700_000_000_000_000_u64);
    assert!(first["message"].as_str().unwrap().starts_with("calls: address=0xffffffff81000000 comm=init"));
    assert!(
        written(&tables, sql, Format::TimesketchCsv).starts_with("message,datetime,timestamp,timestamp_desc,moment,")
    );
    let mut out = Vec::new();
    assert!(write(tables.sql("SELECT comm FROM calls").unwrap(), Format::TimesketchJsonl, &mut out).is_err());
}

#[test]
fn a_reader_that_has_enough_ends_the_query() {
    let (_place, tables) = tables();
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let answer = tables.sql("SELECT a.moment FROM calls a CROSS JOIN calls b").unwrap();
    assert!(matches!(write(answer, Format::Csv, &mut Full(100)), Err(Error::Output(_))));
}
