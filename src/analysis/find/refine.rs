//! Which instruction brought a match: the step in which it came is run again, with watches on its bytes.

use super::place::{Found, window};
use super::{Appearance, Pattern, Step};
use crate::cpu::phys::PAGE;
use crate::cpu::probe::{Hit, What};
use crate::guest::{Profile, Vcpu, View};
use crate::machine::Machine;
use crate::moment::Moment;
use crate::replay::Error;
use crate::replay::travel::{AccessKind, Place, Scan, Stops, Watch};

/// Bytes behind a match that may decide whether it is one (a word's end, in UTF-8).
const BEHIND: u64 = 4;

/// A match that stands at the end of the step.
struct Candidate {
    found: Found,
    /// It stands now.
    stands: bool,
    /// Its coming was seen, or it never was away.
    is_settled: bool,
}

/// Runs on to the end of a step, and adds what came to stand in it at the places that were found.
pub fn refine(
    scan: &mut Scan,
    step: &Step,
    pattern: &Pattern,
    profile: Option<&Profile>,
    into: &mut Vec<Appearance>,
) -> Result<(), Error> {
    scan.run(step.from)?;
    let mut candidates: Vec<Candidate> = step
        .found
        .iter()
        .map(|&found| {
            let stands = ends(scan.machine(), found.start, pattern).is_some();
            Candidate { found, stands, is_settled: stands }
        })
        .collect();
    let groups: Vec<std::ops::Range<usize>> = by_page(&step.found);
    let watches = groups.iter().map(|group| watch(&step.found[group.clone()])).collect();
    scan.watch(step.to, &Stops { watches, ..Stops::default() }, &mut |hit, machine| {
        let What::Access { watch, .. } = hit.what else { return };
        for candidate in &mut candidates[groups[watch].clone()] {
            let len = ends(machine, candidate.found.start, pattern);
            if let (false, Some(len)) = (candidate.stands, len) {
                candidate.is_settled = true;
                // Part of a longer match is no match: that one has been told, or its coming was missed.
                if is_told(machine, candidate.found.start, pattern) {
                    into.push(brought(hit, machine, Found { len, ..candidate.found }, profile));
                }
            }
            candidate.stands = len.is_some();
        }
    })?;
    // What only a write elsewhere made a match: an expression may look far ahead.
    let others = candidates.iter().filter(|c| !c.is_settled);
    into.extend(others.map(|c| c.found.appeared(scan.machine(), step.to)));
    Ok(())
}

/// The length of the match that begins at an address, if there is one.
fn ends(machine: &Machine, start: u64, pattern: &Pattern) -> Option<usize> {
    let (bytes, start) = around(machine, start, pattern);
    pattern.at(&bytes, start).map(|end| end - start)
}

/// True if the match that begins at an address is one of its page's, not a part of one that begins before.
fn is_told(machine: &Machine, start: u64, pattern: &Pattern) -> bool {
    let (bytes, start) = around(machine, start, pattern);
    pattern.starts(&bytes).any(|(other, _)| usize::from(other) == start)
}

/// The window of the page that holds an address, and where in it that is.
fn around(machine: &Machine, address: u64, pattern: &Pattern) -> (Vec<u8>, usize) {
    let phys = &machine.cpu.phys;
    let page = phys.page(address).expect("a match lies in RAM");
    let mut bytes = Vec::new();
    window(phys, page.index as u32, pattern.reach(), &mut bytes);
    (bytes, (address % PAGE) as usize)
}

/// Runs of matches that begin in the same page; they are ascending.
fn by_page(found: &[Found]) -> Vec<std::ops::Range<usize>> {
    let mut groups = Vec::new();
    let mut from = 0;
    for group in found.chunk_by(|a, b| a.start / PAGE == b.start / PAGE) {
        groups.push(from..from + group.len());
        from += group.len();
    }
    groups
}

/// One watch for all matches that begin in a page.
fn watch(group: &[Found]) -> Watch {
    let first = group.iter().map(|f| f.start).min().unwrap_or_default();
    let behind = group.iter().map(|f| f.start + f.len as u64).max().unwrap_or_default() + BEHIND;
    Watch { place: Place::Physical(first), len: behind - first, kind: AccessKind::Write, changes_only: true }
}

/// A match that an instruction has just completed.
fn brought(hit: &Hit, machine: &Machine, found: Found, profile: Option<&Profile>) -> Appearance {
    let mut appearance = found.appeared(machine, Moment(hit.at.0));
    let What::Access { address, rip, .. } = hit.what else { return appearance };
    // The match may begin before what was written last; it has the same linear neighbourhood if that leads there.
    let leads_there = |linear: &u64| machine.cpu.translate_quietly(*linear) == Some(found.start);
    let written = machine.cpu.translate_quietly(address);
    let linear = written.map(|at| address.wrapping_add(found.start.wrapping_sub(at)));
    appearance.linear = linear.filter(leads_there);
    appearance.rip = Some(rip);
    let view = profile.and_then(|profile| View::new(machine, Vcpu::of(machine), profile).ok());
    if let Some(view) = view {
        appearance.symbol = view.symbol(rip).map(|s| format!("{}+{:#x}", s.name, s.offset));
        appearance.task = view.current().ok();
    }
    appearance
}
