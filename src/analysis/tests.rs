//! The law of taps: what an analysis is shown depends on the history alone. Recordings of our own guests are cut in all ways,
//! run by both engines with caches of all sizes, and looked at one instruction at a time.

use super::collected::{Collected, Owned};
use super::host::{Error, Job, Outcome, Plan, run};
use super::kernel::Kernel;
use super::sink::{Failure, RowSink, Sink};
use crate::cpu::Cpu;
use crate::cpu::tap::{Bytes, Seen, Tap, Wanted};
use crate::machine::{Engine, Geometry};
use crate::recording::Reader;
use crate::replay::travel::{Cancel, Cut, Options, Travel};
use reenact_plugin::{
    Analysis, Column, Event, Kind, MemoryRange, Out, Rows, Scene, Table, Value, Wants, Whose, runnable,
};
use std::path::Path;
use std::time::Duration;

const TRACES: [&str; 4] = ["heap_overflow", "monitor", "timers", "usermode"];
/// Those short enough for what takes long.
const SHORT: [&str; 2] = ["monitor", "usermode"];

fn travel(path: &Path, geometry: Geometry, workers: usize) -> Travel {
    let options = Options { workers, slice_time: Duration::ZERO, keeps_index: false, geometry, ..Options::default() };
    let mut travel = Travel::open(Reader::open(path).expect("a recording"), options).expect("it opens");
    assert!(travel.finish_index(&Cancel::default(), &|_| {}).expect("the first pass proves it"));
    travel
}

fn trace(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traces").join(format!("{name}.reen"))
}

const TABLES: [Table; 2] = [
    Table {
        name: "bundles",
        about: "Events folded together",
        columns: &[
            Column::new("moment", Kind::Moment, "of the last"),
            Column::new("count", Kind::U64, "how many"),
            Column::new("hash", Kind::U64, "of all so far"),
        ],
    },
    Table {
        name: "seen",
        about: "Rows without a join",
        columns: &[Column::new("moment", Kind::Moment, "of an event")],
    },
];

/// Notes everything it sees, with what the scene says at it.
struct Everything {
    wants: Wants,
    /// Events that make one row.
    bundle: u64,
}

fn everything() -> Wants {
    Wants {
        syscalls: true,
        user_returns: true,
        interrupts: true,
        reads: vec![MemoryRange::ALL],
        writes: vec![MemoryRange::ALL],
        ports: true,
        mmio: true,
        console: true,
        idle: true,
        ..Wants::default()
    }
}

/// FNV-1a.
fn hash(mut hash: u64, bytes: &[u8]) -> u64 {
    for &b in bytes {
        hash = (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3);
    }
    hash
}

impl Analysis for Everything {
    type Slice = ();
    type Note = (u64, u64);
    type Join = (u64, u64, u64);

    fn wants(&self) -> Wants {
        self.wants.clone()
    }
    fn begin(&self, _: &dyn Scene) {}
    fn see(&self, (): &mut (), event: &Event<'_>, scene: &dyn Scene, out: &mut Out<'_, (u64, u64)>) {
        // What shapes blocks is not part of the law.
        if matches!(event, Event::Block { .. } | Event::Instruction { .. }) {
            return;
        }
        let moment = scene.moment();
        let mut text = format!("{event:x?} {}", scene.time_ns()).into_bytes();
        let registers = scene.registers();
        text.extend(registers.general.iter().flat_map(|r| r.to_le_bytes()));
        text.extend(registers.rip.to_le_bytes());
        text.extend([registers.cpl]);
        let mut stack = [0; 16];
        let len = scene.read(registers.general[4], &mut stack);
        text.extend(&stack[..len]);
        out.notes.push((moment, hash(0xcbf2_9ce4_8422_2325, &text)));
        if !matches!(event, Event::Memory { .. }) {
            out.rows.push(1, &[Value::U(moment)]);
        }
    }
    fn start(&self) -> (u64, u64, u64) {
        (0, 0, 0)
    }
    fn join(&self, (at, count, so_far): &mut (u64, u64, u64), (moment, note): (u64, u64), rows: &mut dyn Rows) {
        assert!(moment >= *at, "an event of {moment} comes behind one of {at}");
        (*at, *count, *so_far) = (moment, *count + 1, hash(*so_far, &note.to_le_bytes()));
        if (*count).is_multiple_of(self.bundle) {
            rows.push(0, &[Value::U(moment), Value::U(*count), Value::U(*so_far)]);
        }
    }
    fn end(&self, (_, count, so_far): (u64, u64, u64), moment: u64, rows: &mut dyn Rows) {
        rows.push(0, &[Value::U(moment), Value::U(count), Value::U(so_far)]);
    }
}

type Tables = [Vec<Vec<Owned>>; 2];

fn tables(travel: &Travel, wants: &Wants, cut: Cut, workers: usize) -> (Tables, Outcome) {
    let rows = Collected::new(&TABLES);
    let plan = Plan { cut, workers, progress: &|_, _| {}, cancel: &Cancel::default() };
    let analysis = runnable(Everything { wants: wants.clone(), bundle: 1000 });
    let kernel = Kernel::find(travel, plan.cancel).expect("it replays");
    let outcome =
        run(travel, &kernel, &[Job { name: "everything", tables: 2, analysis }], &rows, &plan).expect("it runs");
    ([rows.rows(0), rows.rows(1)], outcome)
}

fn first_difference(a: &Tables, b: &Tables) -> Option<String> {
    for (table, (a, b)) in a.iter().zip(b).enumerate() {
        if let Some(i) = (0..a.len().max(b.len())).find(|&i| a.get(i) != b.get(i)) {
            return Some(format!("table {table}, row {i}: {:?} and {:?}", a.get(i), b.get(i)));
        }
    }
    None
}

const INTERPRETED: Geometry = Geometry { block: 48, tlb: 2048, engine: Engine::Interpreter, hot: 1 };
const ODD: [Geometry; 3] = [
    Geometry { block: 48, tlb: 2048, engine: Engine::Jit, hot: 1 },
    Geometry { block: 3, tlb: 4, engine: Engine::Jit, hot: 2 },
    Geometry { block: 1, tlb: 2, engine: Engine::Interpreter, hot: 1 },
];

#[test]
fn what_is_shown_does_not_depend_on_cuts_engines_or_caches() {
    for name in TRACES {
        // Of the long ones a part of memory is enough.
        let part = [MemoryRange { whose: Whose::Physical, from: 0x10_0000, last: 0x10_0fff }];
        let ranges = if SHORT.contains(&name) { [MemoryRange::ALL] } else { part };
        let wants = Wants { reads: ranges.to_vec(), writes: ranges.to_vec(), ..everything() };
        let plain = travel(&trace(name), INTERPRETED, 2);
        let (expected, _) = tables(&plain, &wants, Cut::Parts(1), 1);
        let events = expected[0].last().map(|row| row[1].clone());
        assert!(matches!(events, Some(Owned::U(n)) if n > 100), "{name}: {events:?}");
        for cut in [Cut::Parts(7), Cut::Parts(23), Cut::AtSnapshots] {
            let (found, outcome) = tables(&plain, &wants, cut, 2);
            assert!(outcome.slices > 0);
            assert_eq!(first_difference(&expected, &found), None, "{name} {cut:?}");
        }
        for geometry in ODD {
            let odd = travel(&trace(name), geometry, 2);
            let (found, _) = tables(&odd, &wants, Cut::Parts(5), 2);
            assert_eq!(first_difference(&expected, &found), None, "{name} {geometry:?}");
        }
    }
}

#[test]
fn one_instruction_at_a_time_shows_the_same() {
    for name in SHORT {
        let (expected, _) = tables(&travel(&trace(name), Geometry::default(), 1), &everything(), Cut::Parts(1), 1);
        for (instructions, blocks) in [(true, false), (false, true), (true, true)] {
            let wants = Wants { instructions, blocks, ..everything() };
            let (found, _) = tables(&travel(&trace(name), Geometry::default(), 2), &wants, Cut::Parts(9), 2);
            assert_eq!(first_difference(&expected, &found), None, "{name} {instructions} {blocks}");
        }
    }
}

/// Which bytes were executed.
#[derive(Default)]
struct Covered {
    bytes: std::collections::BTreeSet<u64>,
    retired: u64,
}

impl Tap for Covered {
    fn see(&mut self, cpu: &Cpu, seen: &Seen<'_>) {
        if let crate::cpu::tap::What::Block { from, to } = seen.what {
            assert!(from < to && to - from <= 48 * 15, "{from:x} {to:x}");
            self.bytes.extend(from..to);
            self.retired += 1;
            assert!(cpu.icount() > seen.moment);
        }
    }
}

fn covered(travel: &Travel, cut: Cut) -> std::collections::BTreeSet<u64> {
    let all = std::sync::Mutex::new(Covered::default());
    let cuts = travel.cut(cut).expect("it can be cut");
    let wanted = Wanted { blocks: true, ..Wanted::default() };
    travel
        .each_stretch(&cuts, 2, &Cancel::default(), &|stretch| {
            let mut tap = Covered::default();
            assert!(stretch.run(&wanted, &mut tap, &|_| {})?);
            all.lock().expect("no holder panics").bytes.extend(tap.bytes);
            Ok(())
        })
        .expect("it runs");
    all.into_inner().expect("no holder panics").bytes
}

#[test]
fn executed_bytes_do_not_depend_on_blocks() {
    for name in TRACES {
        let plain = travel(&trace(name), Geometry::default(), 2);
        let expected = covered(&plain, Cut::Parts(1));
        assert!(expected.len() > 100);
        assert_eq!(expected, covered(&plain, Cut::Parts(17)), "{name}");
        for geometry in ODD {
            assert_eq!(expected, covered(&travel(&trace(name), geometry, 2), Cut::AtSnapshots), "{name} {geometry:?}");
        }
    }
}

/// Is shown everything and looks at nothing.
struct Nothing;

impl Tap for Nothing {
    fn see(&mut self, _: &Cpu, _: &Seen<'_>) {}
}

#[test]
fn the_guest_cannot_tell_that_it_is_tapped() {
    let all = vec![Bytes { is_linear: false, from: 0, last: u64::MAX }];
    let wanted = Wanted {
        syscalls: true,
        user_returns: true,
        deliveries: true,
        executed: (0xffff_ffff_8000_0000..0xffff_ffff_8000_1000).collect(),
        reads: all.clone(),
        writes: all,
        ports: true,
        mmio: true,
        console: true,
        idle: true,
        ..Wanted::default()
    };
    let mut proven = 0;
    for name in TRACES {
        for geometry in [Geometry::default(), ODD[1], INTERPRETED] {
            let travel = travel(&trace(name), geometry, 2);
            for wanted in [&wanted, &Wanted { blocks: true, ..wanted.clone() }] {
                let cuts = travel.cut(Cut::AtSnapshots).expect("it can be cut");
                let script = travel.script();
                let count = std::sync::atomic::AtomicUsize::new(0);
                travel
                    .each_stretch(&cuts, 2, &Cancel::default(), &|stretch| {
                        assert!(stretch.run(wanted, &mut Nothing, &|_| {})?);
                        if let Some(known) = script.digest_at(stretch.to) {
                            assert_eq!(stretch.digest(), known.digest, "{name} {geometry:?} at {}", stretch.to);
                            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        }
                        Ok(())
                    })
                    .expect("it replays");
                proven += count.into_inner();
            }
        }
    }
    assert!(proven > 100, "{proven} Digests were compared");
}

/// An analysis of the few events of a trace, that may want or do something odd.
struct Odd {
    wants: Wants,
    panics: bool,
}

impl Analysis for Odd {
    type Slice = u64;
    type Note = u64;
    type Join = u64;

    fn wants(&self) -> Wants {
        self.wants.clone()
    }
    fn begin(&self, _: &dyn Scene) -> u64 {
        0
    }
    fn see(&self, seen: &mut u64, _: &Event<'_>, scene: &dyn Scene, out: &mut Out<'_, u64>) {
        assert!(!self.panics || scene.moment() < 5000, "the analysis is wrong");
        *seen += 1;
        out.notes.push(*seen);
        out.rows.push(1, &[Value::U(scene.moment())]);
    }
    fn start(&self) -> u64 {
        0
    }
    fn join(&self, last: &mut u64, note: u64, _: &mut dyn Rows) {
        *last = note.max(*last);
    }
    fn end(&self, last: u64, moment: u64, rows: &mut dyn Rows) {
        rows.push(0, &[Value::U(moment), Value::U(last), Value::U(0)]);
    }
}

fn memory() -> Wants {
    Wants { writes: vec![MemoryRange::ALL], reads: vec![MemoryRange::ALL], ..Wants::default() }
}

fn run_odd(travel: &Travel, odd: Odd, sink: &dyn Sink, cancel: &Cancel) -> Result<Outcome, Error> {
    let plan = Plan { cut: Cut::Parts(30), workers: 2, progress: &|_, _| {}, cancel };
    let kernel = Kernel::find(travel, cancel)?;
    run(travel, &kernel, &[Job { name: "odd", tables: 2, analysis: runnable(odd) }], sink, &plan)
}

#[test]
fn what_has_to_be_seen_in_order_is_one_slice() {
    let travel = travel(&trace("usermode"), Geometry::default(), 2);
    let last = |in_order| {
        let rows = Collected::new(&TABLES);
        let wants = Wants { in_order, ..memory() };
        let outcome = run_odd(&travel, Odd { wants, panics: false }, &rows, &Cancel::default()).expect("it runs");
        (outcome.slices, rows.rows(0), rows.rows(1).len() as u64)
    };
    let (slices, rows, all) = last(true);
    assert_eq!((slices, &rows[0][1]), (1, &Owned::U(all)), "the state of the slice has seen all");
    let (slices, rows, same) = last(false);
    assert_eq!((slices, same), (30, all));
    assert!(matches!(rows[0][1], Owned::U(n) if n < all));
}

#[test]
fn what_needs_linux_is_left_out_where_there_is_none() {
    let travel = travel(&trace("usermode"), Geometry::default(), 2);
    let rows = Collected::new(&TABLES);
    let wants = Wants { needs_linux: true, ..memory() };
    let outcome = run_odd(&travel, Odd { wants, panics: false }, &rows, &Cancel::default()).expect("it runs");
    assert_eq!(outcome.left_out.len(), 1);
    assert!(!outcome.left_out[0].1.is_empty());
    assert!(rows.rows(0).is_empty() && rows.rows(1).is_empty());
}

/// Keeps nothing, and says so after a while.
struct Full;

impl Rows for Full {
    fn push(&mut self, _: usize, _: &[Value<'_>]) {}
}
impl RowSink for Full {
    fn failed(&self) -> bool {
        true
    }
    fn finish(self: Box<Self>) -> Result<(), Failure> {
        Err("the disk is full".into())
    }
}
impl Sink for Full {
    fn joined<'a>(&'a self) -> Box<dyn RowSink + 'a> {
        Box::new(Full)
    }
    fn slice<'a>(&'a self, _: usize, _: u64, _: u64) -> Box<dyn RowSink + 'a> {
        Box::new(Full)
    }
}

#[test]
fn a_run_that_cannot_go_on_ends() {
    let travel = travel(&trace("heap_overflow"), Geometry::default(), 2);
    let fine = || Odd { wants: memory(), panics: false };
    let error = run_odd(&travel, fine(), &Full, &Cancel::default()).expect_err("rows cannot be kept");
    assert!(matches!(&error, Error::Rows(cause) if cause.to_string() == "the disk is full"), "{error}");
    let cancel = Cancel::default();
    cancel.request();
    let outcome = run_odd(&travel, fine(), &Collected::new(&TABLES), &cancel).expect("no error");
    assert!(outcome.is_cancelled);
    let wrong = Odd { wants: memory(), panics: true };
    let panics = std::panic::AssertUnwindSafe(|| run_odd(&travel, wrong, &Collected::new(&TABLES), &Cancel::default()));
    assert!(std::panic::catch_unwind(panics).is_err());
}
