//! From a recording to its tables: what is missing is made in one pass over the recording, by the host of plugins.

use super::make::{Evidence, Permit, Ran, Stock, Wanted, look, make, permit};
use crate::analysis::host::{Job, Outcome, Plan, run};
use crate::analysis::sink::{Failure, Sink};
use crate::analysis::{builtin, registry};
use crate::guest::{Profile, View};
use crate::moment::Moment;
use crate::recording::Reader;
use crate::replay::travel::{Cancel, Cut, Options, Travel, rule};
use reenact_plugin::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Places in a recording at which a kernel's symbols are looked for, from the end backwards.
const LOOKS: u64 = 12;
/// The lowest address of a kernel; lower symbols are numbers.
const KERNEL: u64 = 0xffff_8000_0000_0000;

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
pub fn ensure(reader: Reader, wanted: Vec<Wanted>, how: &Ensure) -> Result<Ensured, Failure> {
    let of = Evidence::of(&reader)?;
    let Some((permit, stock)) = missing(&of, wanted)? else { return Ok(Ensured::default()) };
    make_missing(&mut Travel::open(reader, how.options)?, &of, &permit, stock, how)
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
    let outcome = if jobs.is_empty() { Outcome::default() } else { run(travel, &jobs, sink, &plan)? };
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
        if about.name == builtin::ABOUT.name {
            let first = abouts[..number].iter().map(|a| a.tables.len()).sum();
            if let Some(why) = symbols(travel, first, outcome.slices, sink, how.cancel)? {
                ran.absent.insert(number, why);
            }
        }
    }
    Ok(Some(ran))
}

/// Which analyses were not run, a sentence for each reason.
fn left_out(all: &[(String, String)]) -> Vec<String> {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    all.iter().for_each(|(name, why)| by_reason.entry(why).or_default().push(name));
    by_reason.into_iter().map(|(why, names)| format!("not run: {}: {why}", names.join(", "))).collect()
}

/// Fills the table of symbols; why there are none, if there are none.
fn symbols(
    travel: &Travel,
    table: usize,
    slice: usize,
    sink: &dyn Sink,
    cancel: &Cancel,
) -> Result<Option<String>, Failure> {
    let why = std::cell::RefCell::new(None);
    let found = travel.find_backwards(LOOKS, cancel, &|machine| {
        let profile = Profile::of(machine);
        let symbols = profile.and_then(|profile| Ok(Arc::new(View::of(machine, &profile)?.all_symbols())));
        symbols.map_err(|absent| why.borrow_mut().get_or_insert(absent.to_string()).clone()).ok()
    })?;
    let end = travel.end().0;
    let mut rows = sink.slice(slice, 0, end);
    for symbol in found.iter().flat_map(|symbols| symbols.all()).filter(|symbol| symbol.address >= KERNEL) {
        rows.push(table, &[Value::U(end), Value::U(symbol.address), Value::Text(&symbol.name)]);
    }
    rows.finish()?;
    Ok(if found.is_some() { None } else { why.take() })
}
