//! What a user of tables waits for: rows into Parquet, and a query with a Moment range. `cargo bench --bench tables`;
//! REENACT_BENCH_ROWS says how many rows (default 50 M, which takes about 2 GB of the disk), REENACT_BENCH_FOLDER where.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock and the environment")]

use reenact::analysis::query::Tables;
use reenact::analysis::sink::{Failure, RowSink, Sink};
use reenact::analysis::tables::{Evidence, Packing, Provenance, Sizes, Store, folder, keep_freed_memory};
use reenact_plugin::{About, Arguments, Column, Kind, Rows, Table, Value};
use std::path::Path;
use std::time::Instant;

/// The columns of the table `writes`.
const WRITES: Table = Table {
    name: "writes",
    about: "A write to memory",
    columns: &[
        Column::new("moment", Kind::Moment, ""),
        Column::new("time_ns", Kind::U64, ""),
        Column::new("rip", Kind::Address, ""),
        Column::new("address", Kind::Address, ""),
        Column::new("size", Kind::U8, ""),
        Column::new("old", Kind::U64, ""),
        Column::new("new", Kind::U64, ""),
        Column::new("tid", Kind::U32, ""),
        Column::new("comm", Kind::Name, ""),
        Column::new("symbol", Kind::Name, ""),
    ],
};
const ABOUT: About =
    About { name: "writes", version: 1, summary: "", arguments: &[], tables: &[WRITES], is_default: false };
const SLICES: u64 = 8;

fn main() {
    keep_freed_memory();
    let rows: u64 = std::env::var("REENACT_BENCH_ROWS").ok().map_or(50_000_000, |n| n.parse().expect("a number"));
    let given = std::env::var_os("REENACT_BENCH_FOLDER");
    let own = tempfile::tempdir().expect("a folder");
    let place = given.as_deref().map_or(own.path(), Path::new);
    let of = Evidence { recording: place.join("bench.reen"), identity: [7; 32], rule: "bench".to_owned() };

    let (started, before) = (Instant::now(), processor_seconds());
    let nothing = Nothing;
    (0..SLICES).for_each(|slice| fill(&nothing, slice, rows / SLICES));
    println!("making the rows: {}", figures(rows, started, before));
    for (threads, packing) in
        [(2, Packing::Plain), (2, Packing::Snappy), (2, Packing::Lz4), (1, Packing::Zstd), (2, Packing::Zstd)]
    {
        let (started, before) = (Instant::now(), processor_seconds());
        let bytes = write(&of, rows, threads, packing);
        let size = bytes as f64 / rows as f64;
        println!("write, {threads} threads, {packing:?}: {}, {size:.1} bytes a row", figures(rows, started, before));
    }
    let tables = Tables::open_of(&of, 0, [(ABOUT, WRITES)]).expect("the table is there");
    let (from, to) = (rows / 2 * 2, rows / 2 * 2 + 200_000);
    for sql in [
        format!("SELECT * FROM writes WHERE moment BETWEEN {from} AND {to}"),
        format!(
            "SELECT symbol, count(*) AS n FROM writes WHERE moment BETWEEN {from} AND {to} GROUP BY symbol ORDER BY n DESC LIMIT 10"
        ),
        "SELECT count(*) FROM writes".to_owned(),
        "SELECT comm, count(*) AS n FROM writes GROUP BY comm ORDER BY n DESC".to_owned(),
    ] {
        let started = Instant::now();
        let found = tables.sql(&sql).expect("it is SQL").collect().expect("it is computed").height();
        println!("{:.3} s, {found} rows: {sql}", started.elapsed().as_secs_f64());
    }
    let started = Instant::now();
    let page = tables.rows("writes", rows / 2..rows / 2 + 50, &[], None, None).expect("a page");
    println!("{:.3} s: a page of {} rows from the middle", started.elapsed().as_secs_f64(), page.rows.len());
    println!("peak memory: {}", peak());
}

/// Time on the clock, and of processors: other work on the machine changes only the first.
fn figures(rows: u64, started: Instant, before: f64) -> String {
    let (took, used) = (started.elapsed().as_secs_f64(), processor_seconds() - before);
    let rows = rows as f64;
    format!("{:.2} M rows/s ({took:.1} s), {:.0} ns of processors a row", rows / took / 1e6, used / rows * 1e9)
}

/// User and system time of this process, in ticks of 10 ms.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks: f64 = fields.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<f64>().ok()).sum();
    ticks / 100.0
}

/// Takes rows and forgets them.
struct Nothing;

impl Sink for Nothing {
    fn joined<'a>(&'a self) -> Box<dyn RowSink + 'a> {
        Box::new(Nothing)
    }
    fn slice<'a>(&'a self, _: usize, _: u64, _: u64) -> Box<dyn RowSink + 'a> {
        Box::new(Nothing)
    }
}

impl Rows for Nothing {
    fn push(&mut self, _: usize, row: &[Value<'_>]) {
        std::hint::black_box(row);
    }
}

impl RowSink for Nothing {
    fn failed(&self) -> bool {
        false
    }
    fn finish(self: Box<Self>) -> Result<(), Failure> {
        Ok(())
    }
}

/// Writes the table in slices, and gives its bytes.
fn write(of: &Evidence, rows: u64, threads: u64, packing: Packing) -> u64 {
    let provenance = Provenance::of(of, &ABOUT, &Arguments::default(), &WRITES);
    let store =
        Store::create(&folder(&of.recording), vec![(WRITES, provenance)], Sizes { packing, ..Sizes::default() })
            .expect("a folder");
    let each = rows / SLICES;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let store = &store;
            scope.spawn(move || {
                for slice in (0..SLICES).filter(|slice| slice % threads == thread) {
                    fill(&*store, slice, each);
                }
            });
        }
    });
    let made = store.publish(true, &|_| None).expect("it is published");
    made[0].parts.iter().map(|p| p.bytes).sum()
}

fn fill(store: &dyn Sink, slice: u64, each: u64) {
    let from = slice * each * 2;
    let mut rows = store.slice(slice as usize, from, from + each * 2);
    let symbols: Vec<String> = (0..3000).map(|n| format!("a_kernel_function_{n}")).collect();
    let comms = ["systemd", "bash", "cc1", "kworker/0:1"];
    let mut state = slice + 1;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let (mut place, mut task) = (0, 0);
    for n in 0..each {
        let bits = random();
        // A loop writes from a few places for a while, then execution moves on.
        if bits & 63 == 0 {
            place = (bits >> 8) % 20_000;
        }
        if bits & 0xffff == 0 {
            task = (bits >> 20) as usize % 4;
        }
        let rip = 0xffff_ffff_8100_0000 + (place + (bits >> 50) % 4) * 7;
        let address = match (bits >> 40) & 3 {
            0 | 1 => 0xffff_c900_0001_3000 + (bits >> 54) * 8,
            2 => 0x7fff_1234_0000 + (n % 4096) * 8,
            _ => 0xffff_8880_0000_0000 + (bits >> 38) * 8,
        };
        let old = if bits & 2 == 0 { 0 } else { address ^ 0x1000 };
        let new = if bits & 4 == 0 { bits >> 60 } else { 0xffff_8880_0000_0000 + (bits >> 40) * 64 };
        rows.push(
            0,
            &[
                Value::U(from + n * 2),
                Value::U(from + n * 2 + 1_000_000),
                Value::U(rip),
                Value::U(address),
                Value::U([1, 2, 4, 8, 8, 8, 8, 4][(bits >> 30) as usize & 7]),
                Value::U(old),
                Value::U(new),
                Value::U(100 + task as u64),
                Value::Text(comms[task]),
                Value::Text(&symbols[place as usize * 3000 / 20_000]),
            ],
        );
    }
    rows.finish().expect("it is written");
}

fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or("unknown").to_owned()
}
