//! What listening costs, on a recording given by REENACT_BENCH_RECORDING: CPU time of one worker, and of nothing listening.

use reenact::analysis::host::{Job, Plan, run};
use reenact::analysis::kernel::Kernel;
use reenact::analysis::sink::{Failure, RowSink, Sink};
use reenact::machine::Geometry;
use reenact::recording::Reader;
use reenact::replay::travel::{Cancel, Cut, Options, Travel};
use reenact::replay::verify;
use reenact_plugin::{Analysis, Event, MemoryRange, Out, Rows, Scene, Value, Wants, runnable};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts what it is shown, and asks who did it.
struct Counter {
    wants: Wants,
    asks: Ask,
    count: &'static AtomicU64,
}

#[derive(Clone, Copy, PartialEq)]
enum Ask {
    Nothing,
    Task,
    Much,
}

impl Analysis for Counter {
    type Slice = u64;
    type Note = ();
    type Join = ();

    fn wants(&self) -> Wants {
        self.wants.clone()
    }
    fn begin(&self, _: &dyn Scene) -> u64 {
        0
    }
    fn see(&self, count: &mut u64, event: &Event<'_>, scene: &dyn Scene, _: &mut Out<'_, ()>) {
        *count += 1;
        if self.asks == Ask::Nothing {
            return;
        }
        let task = scene.task();
        std::hint::black_box(task);
        if let (Event::Syscall { arguments, .. }, Some(task), Ask::Much) = (event, task, self.asks) {
            std::hint::black_box(scene.file(task.key.at, arguments[0] as u32));
            std::hint::black_box(scene.text(arguments[0], 256));
        }
    }
    fn finish(&self, count: u64, _: &dyn Scene, _: &mut Out<'_, ()>) {
        self.count.fetch_add(count, Ordering::Relaxed);
    }
    fn start(&self) {}
    fn join(&self, (): &mut (), (): (), _: &mut dyn Rows) {}
}

/// Keeps nothing.
struct Nowhere;

impl Rows for Nowhere {
    fn push(&mut self, _: usize, _: &[Value<'_>]) {}
}
impl RowSink for Nowhere {
    fn failed(&self) -> bool {
        false
    }
    fn finish(self: Box<Self>) -> Result<(), Failure> {
        Ok(())
    }
}
impl Sink for Nowhere {
    fn joined<'a>(&'a self) -> Box<dyn RowSink + 'a> {
        Box::new(Nowhere)
    }
    fn slice<'a>(&'a self, _: usize, _: u64, _: u64) -> Box<dyn RowSink + 'a> {
        Box::new(Nowhere)
    }
}

fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock writes to the given place; every Linux has it.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[allow(clippy::disallowed_methods, reason = "a bench is the host edge")]
fn main() {
    let Ok(path) = std::env::var("REENACT_BENCH_RECORDING") else {
        return println!("REENACT_BENCH_RECORDING names no recording");
    };
    let open = || Reader::open(std::path::Path::new(&path)).expect("a recording");
    let started = cpu_time();
    verify::verify(&open(), Geometry::default(), &mut |_| {}).expect("it replays");
    let verified = cpu_time() - started;
    println!("verify                         {:>7.2} s", verified.as_secs_f64());
    let mut travel = Travel::open(open(), Options { workers: 1, ..Options::default() }).expect("it opens");
    travel.finish_index(&Cancel::default(), &|_| {}).expect("it replays");
    let cheap = Wants {
        syscalls: true,
        user_returns: true,
        interrupts: true,
        switches: true,
        console: true,
        idle: true,
        ..Wants::default()
    };
    let functions = vec![
        "wake_up_new_task",
        "begin_new_exec",
        "do_exit",
        "release_task",
        "fd_install",
        "filp_close",
        "commit_creds",
    ];
    let with_functions = Wants { functions, ..cheap.clone() };
    let writes = Wants { writes: vec![MemoryRange::ALL], ..Wants::default() };
    let cases = [
        ("nothing", Wants::default(), Ask::Nothing),
        ("calls, returns, switches ...", cheap, Ask::Nothing),
        ("and functions", with_functions.clone(), Ask::Nothing),
        ("and the task", with_functions.clone(), Ask::Task),
        ("and file and text of calls", with_functions, Ask::Much),
        ("writes to all memory", writes.clone(), Ask::Nothing),
        ("and the task", writes, Ask::Task),
        ("reads of all memory", Wants { reads: vec![MemoryRange::ALL], ..Wants::default() }, Ask::Nothing),
        ("blocks", Wants { blocks: true, ..Wants::default() }, Ask::Nothing),
        ("instructions", Wants { instructions: true, ..Wants::default() }, Ask::Nothing),
    ];
    let only = std::env::var("REENACT_BENCH_ONLY").ok();
    let kernel = Kernel::find(&travel, &Cancel::default()).expect("it replays");
    for (name, wants, asks) in cases {
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let count: &'static AtomicU64 = Box::leak(Box::default());
        let analysis = runnable(Counter { wants, asks, count });
        let plan = Plan { cut: Cut::AtSnapshots, workers: 1, progress: &|_, _| {}, cancel: &Cancel::default() };
        let started = cpu_time();
        run(&travel, &kernel, &[Job { name, tables: 0, analysis }], &Nowhere, &plan).expect("it runs");
        let took = (cpu_time() - started).as_secs_f64();
        let count = count.load(Ordering::Relaxed);
        let rate = count as f64 / took / 1e6;
        let ratio = took / verified.as_secs_f64();
        println!("{name:<30} {took:>7.2} s {ratio:>6.2} x {count:>12} events {rate:>7.2} M/s");
    }
}
