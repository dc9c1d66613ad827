//! From a recording to its tables: what is missing is made in one pass over the recording, by the host of plugins.

use super::make::{Evidence, Permit, Ran, Stock, Wanted, look, make, permit};
use crate::analysis::host::{Job, Outcome, Plan, cut, run};
use crate::analysis::kernel::Kernel;
use crate::analysis::sink::{Failure, Sink};
use crate::analysis::{builtin, registry};
use crate::guest::{Absent, Symbol, Vcpu, View};
use crate::moment::Moment;
use crate::recording::Reader;
use crate::replay::travel::{Cancel, Cut, Options, Stretches, Travel, rule};
use reenact_plugin::Value;
use std::collections::BTreeMap;

/// The lowest address of a kernel; lower symbols are numbers.
const KERNEL: u64 = 0xffff_8000_0000_0000;
/// The number under which symbols are written, beyond those of slices.
const ITS_SLICE: usize = u32::MAX as usize;

/// What is done just now, with how far it has come of how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The index is made.
    Index,
    /// The tables are made.
    Tables,
}

/// How to see to tables.
pub struct Ensure<'a> {
    /// How many machines work at once, and what the index may take.
    pub options: Options,
    /// How history is cut.
    pub cut: Cut,
    /// Told how far it has come; from any thread.
    pub progress: &'a (dyn Fn(Stage, Moment, Moment) + Sync),
    /// Ends it.
    pub cancel: &'a Cancel,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Ensured {
    /// How many tables were made.
    pub made: usize,
    /// What the user should know, a sentence each.
    pub notes: Vec<String>,
    /// It was cancelled; nothing has changed.
    pub is_cancelled: bool,
}

impl Evidence {
    /// Of an open recording.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(reader: &Reader) -> Result<Evidence, crate::recording::Error> {
        let identity = reader.summary()?.chain_head.0;
        Ok(Evidence { recording: reader.path().to_path_buf(), identity, rule: rule() })
    }
}

/// The plugins whose tables are made by the first question.
pub fn defaults() -> Vec<Wanted> {
    let plugins = registry::PLUGINS.iter().copied().filter(|p| p.about().is_default);
    // The built-in tables come last: they have no analysis.
    plugins.chain([builtin::PLUGIN]).map(Wanted::plain).collect()
}

/// Makes the tables that are missing or stale.
///
/// # Errors
/// What kept them from being made, a sentence with its causes.
pub fn ensure(of: &Evidence, wanted: Vec<Wanted>, how: &Ensure) -> Result<Ensured, Failure> {
    let Some((permit, stock)) = missing(of, wanted)? else { return Ok(Ensured::default()) };
    let mut travel = Travel::open(Reader::open(&of.recording)?, how.options)?;
    make_missing(&mut travel, of, &permit, stock, how)
}

/// The same with a traveller that is there already; it stays where it is.
///
/// # Errors
/// As [`ensure`].
pub fn ensure_with(travel: &mut Travel, wanted: Vec<Wanted>, how: &Ensure) -> Result<Ensured, Failure> {
    let of = Evidence::of(travel.reader())?;
    let Some((permit, stock)) = missing(&of, wanted)? else { return Ok(Ensured::default()) };
    make_missing(travel, &of, &permit, stock, how)
}

/// What is missing, and the right to make it.
fn missing(of: &Evidence, wanted: Vec<Wanted>) -> Result<Option<(Permit, Stock)>, Failure> {
    if look(of, wanted.clone()).missing.is_empty() {
        return Ok(None);
    }
    let permit = permit(of)?;
    // Another process may have made them while this one waited.
    Ok(Some((permit, look(of, wanted))))
}

fn make_missing(
    travel: &mut Travel,
    of: &Evidence,
    permit: &Permit,
    stock: Stock,
    how: &Ensure,
) -> Result<Ensured, Failure> {
    let mut ensured = Ensured { notes: stock.notes, ..Ensured::default() };
    if stock.missing.is_empty() {
        return Ok(ensured);
    }
    keep_freed_memory();
    let end = travel.end();
    let is_complete = travel.finish_index(how.cancel, &|at| (how.progress)(Stage::Index, at, end))?;
    ensured.notes.extend(travel.take_notes());
    if !is_complete || how.cancel.is_requested() {
        return Ok(Ensured { is_cancelled: true, ..ensured });
    }
    let made = make(of, &stock.missing, permit, |sink| pass(travel, &stock.missing, sink, how, &mut ensured))?;
    ensured.is_cancelled = made.is_none();
    ensured.made = made.map_or(0, |made| made.len());
    Ok(ensured)
}

/// Has the allocator keep what is freed, at most this much: the next group of rows needs it again, and a fault for each page of it costs
/// a sixth of the time that writing takes. For the whole process.
#[allow(unsafe_code)]
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: parameters of the allocator (mallopt(3)); it may refuse them. The first is the greatest that glibc takes.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
            libc::mallopt(libc::M_TRIM_THRESHOLD, 512 << 20);
        }
    }
}

/// The pass over the recording; none if it was cancelled.
fn pass(
    travel: &Travel,
    wanted: &[Wanted],
    sink: &dyn Sink,
    how: &Ensure,
    ensured: &mut Ensured,
) -> Result<Option<Ran>, Failure> {
    let abouts: Vec<_> = wanted.iter().map(|w| w.plugin.about()).collect();
    let mut jobs = Vec::new();
    for (wanted, about) in wanted.iter().zip(&abouts).filter(|(_, about)| about.name != builtin::ABOUT.name) {
        let analysis = wanted.plugin.prepare(&wanted.arguments)?;
        jobs.push(Job { name: about.name, tables: about.tables.len(), analysis });
    }
    let progress = |at, of| (how.progress)(Stage::Tables, at, of);
    let plan = Plan { cut: how.cut, workers: how.options.workers, progress: &progress, cancel: how.cancel };
    let wants_symbols = abouts.iter().any(|about| about.name == builtin::ABOUT.name);
    let stretches = if jobs.is_empty() { Stretches::default() } else { cut(travel, &jobs, plan.cut)? };
    // Machines are made and put in their places while the kernel is looked for, and a machine begins when both are there.
    let ran = travel.while_prepared(&stretches, plan.workers, how.cancel, || {
        find_and_run(travel, &jobs, wants_symbols, sink, &plan)
    })??;
    let Some((outcome, no_symbols)) = ran else { return Ok(None) };
    if outcome.is_cancelled || how.cancel.is_requested() {
        return Ok(None);
    }
    ensured.notes.extend(left_out(&outcome.left_out));
    let mut ran = Ran { complete: travel.damage().is_none(), ..Ran::default() };
    for (number, about) in abouts.iter().enumerate() {
        let why = outcome.left_out.iter().find(|(name, _)| name == about.name).map(|(_, why)| why.clone());
        if let Some(why) = why {
            ran.absent.insert(number, why);
        }
        if let (true, Some(absent)) = (about.name == builtin::ABOUT.name, &no_symbols) {
            ran.absent.insert(number, absent.to_string());
        }
    }
    Ok(Some(ran))
}

/// Finds the kernel, and runs the analyses; tells besides why there are no symbols. None if it was cancelled.
fn find_and_run(
    travel: &Travel,
    jobs: &[Job],
    wants_symbols: bool,
    sink: &dyn Sink,
    plan: &Plan,
) -> Result<Option<(Outcome, Option<Absent>)>, Failure> {
    let found = Kernel::find_with(travel, plan.cancel, &|past, kernel| {
        let vcpu = Vcpu::of_saved(&past.state().cpu);
        let modules = wants_symbols.then(|| View::new(past, vcpu, &kernel.profile).map(|view| view.module_symbols()));
        (kernel, modules.transpose())
    })?;
    if plan.cancel.is_requested() {
        return Ok(None);
    }
    let (kernel, modules) = match found {
        Ok((kernel, modules)) => (Ok(kernel), modules),
        Err(absent) => (Err(absent.clone()), if wants_symbols { Err(absent) } else { Ok(None) }),
    };
    let (end, table) = (travel.end(), jobs.iter().map(|job| job.tables).sum());
    let outcome = std::thread::scope(|scope| -> Result<Outcome, Failure> {
        let modules = modules.as_ref().ok().and_then(Option::as_ref);
        let symbols = kernel.as_ref().ok().zip(modules);
        let written = symbols.map(|(kernel, modules)| {
            let symbols = kernel.profile.symbols.all().iter().chain(modules);
            scope.spawn(move || write_symbols(symbols, end, table, sink))
        });
        let outcome = if jobs.is_empty() { Outcome::default() } else { run(travel, &kernel, jobs, sink, plan)? };
        written.map_or(Ok(()), |written| written.join().expect("it does not panic"))?;
        Ok(outcome)
    })?;
    Ok(Some((outcome, modules.err())))
}

/// Which analyses were not run, a sentence for each reason.
fn left_out(all: &[(String, String)]) -> Vec<String> {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    all.iter().for_each(|(name, why)| by_reason.entry(why).or_default().push(name));
    by_reason.into_iter().map(|(why, names)| format!("not run: {}: {why}", names.join(", "))).collect()
}

/// Fills the table of symbols.
fn write_symbols<'s>(
    symbols: impl Iterator<Item = &'s Symbol>,
    end: Moment,
    table: usize,
    sink: &dyn Sink,
) -> Result<(), Failure> {
    let mut symbols: Vec<&Symbol> = symbols.filter(|symbol| symbol.address >= KERNEL).collect();
    symbols.sort_by_key(|symbol| symbol.address);
    let mut rows = sink.slice(ITS_SLICE, 0, end.0);
    for symbol in symbols {
        rows.push(table, &[Value::U(end.0), Value::U(symbol.address), Value::Text(&symbol.name)]);
    }
    rows.finish()
}
