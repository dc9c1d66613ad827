//! gdb's breakpoints and watchpoints as stops of the session, and arrivals as the reasons that gdb understands.
//!
//! All of them are virtual: nothing is written to memory or to debug registers, and there is no limit to their number.
//! gdb may set the same one twice; each time counts.

use crate::session::{AccessKind, Arrival, Breakpoint, Place, Space, Stops, Watch};
use gdbstub::common::Signal;
use gdbstub::stub::SingleThreadStopReason;
use gdbstub::target::ext::base::reverse_exec::ReplayLogPosition;
use gdbstub::target::ext::breakpoints::WatchKind;

/// What a stop reply says.
pub type Reason = SingleThreadStopReason<u64>;

/// How gdb asked for a breakpoint; it hears of the hit in the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Z0.
    Software,
    /// Z1.
    Hardware,
}

/// Everything that stops a run.
#[derive(Debug, Default)]
pub struct Table {
    breakpoints: Vec<(u64, Kind)>,
    watches: Vec<(u64, u64, WatchKind)>,
}

/// More than any debugger needs, and no burden yet.
const MOST: usize = 1 << 14;

impl Table {
    /// Sets a breakpoint; false if there are too many.
    pub fn add_breakpoint(&mut self, address: u64, kind: Kind) -> bool {
        let has_room = self.breakpoints.len() < MOST;
        if has_room {
            self.breakpoints.push((address, kind));
        }
        has_room
    }

    /// Takes a breakpoint away; false if there is none.
    pub fn remove_breakpoint(&mut self, address: u64, kind: Kind) -> bool {
        let found = self.breakpoints.iter().position(|&b| b == (address, kind));
        found.map(|i| self.breakpoints.swap_remove(i)).is_some()
    }

    /// Sets a watchpoint; false if it is empty, wraps around, or there are too many.
    pub fn add_watch(&mut self, address: u64, len: u64, kind: WatchKind) -> bool {
        let is_sound = len > 0 && address.checked_add(len - 1).is_some() && self.watches.len() < MOST;
        if is_sound {
            self.watches.push((address, len, kind));
        }
        is_sound
    }

    /// Takes a watchpoint away; false if there is none.
    pub fn remove_watch(&mut self, address: u64, len: u64, kind: WatchKind) -> bool {
        let found = self.watches.iter().position(|&w| w == (address, len, kind));
        found.map(|i| self.watches.swap_remove(i)).is_some()
    }

    /// For the session, tied to an address space. gdb drops writes that change nothing, so they are not even looked for.
    pub fn stops(&self, space: Space) -> Stops {
        let breakpoints =
            self.breakpoints.iter().map(|&(a, _)| Breakpoint { place: Place::Linear(a, space) }).collect();
        let watch = |&(address, len, kind): &(u64, u64, WatchKind)| Watch {
            place: Place::Linear(address, space),
            len,
            kind: match kind {
                WatchKind::Write => AccessKind::Write,
                WatchKind::Read => AccessKind::Read,
                WatchKind::ReadWrite => AccessKind::ReadWrite,
            },
            changes_only: kind == WatchKind::Write,
        };
        Stops { breakpoints, watches: self.watches.iter().map(watch).collect() }
    }

    /// Why the machine stands where it stands.
    pub fn reason(&self, arrival: Arrival) -> Reason {
        match arrival {
            Arrival::Breakpoint(index) => match self.breakpoints.get(index) {
                Some((_, Kind::Hardware)) => Reason::HwBreak(()),
                _ => Reason::SwBreak(()),
            },
            Arrival::Watch { index, address, .. } => self.watch_reason(index, address),
            Arrival::Stepped => signal(Signal::SIGTRAP),
            Arrival::Begin => Reason::ReplayLog { tid: None, pos: ReplayLogPosition::Begin },
            Arrival::End => Reason::ReplayLog { tid: None, pos: ReplayLogPosition::End },
            Arrival::Cancelled => signal(Signal::SIGINT),
        }
    }

    /// gdb looks for a watchpoint of its own around the address, which therefore has to be inside the watched range: the
    /// access may have begun in front of it.
    fn watch_reason(&self, index: usize, address: u64) -> Reason {
        match self.watches.get(index) {
            Some(&(start, len, kind)) => Reason::Watch { tid: (), kind, addr: address.clamp(start, start + (len - 1)) },
            None => signal(Signal::SIGTRAP),
        }
    }
}

/// A plain signal.
pub fn signal(signal: Signal) -> Reason {
    Reason::SignalWithThread { tid: (), signal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_store_over_a_narrow_watch_is_reported_inside_the_watch() {
        let mut table = Table::default();
        assert!(table.add_watch(0x1004, 2, WatchKind::Write));
        let arrival = |address| Arrival::Watch { index: 0, address, len: 8, is_write: true };
        for (access, said) in [(0x1000, 0x1004), (0x1004, 0x1004), (0x1005, 0x1005)] {
            let expected = Reason::Watch { tid: (), kind: WatchKind::Write, addr: said };
            assert_eq!(table.reason(arrival(access)), expected);
        }
    }

    #[test]
    fn equal_stops_count_each() {
        let mut table = Table::default();
        for _ in 0..2 {
            assert!(table.add_breakpoint(0x40, Kind::Software));
            assert!(table.add_watch(0x80, 4, WatchKind::Read));
        }
        assert!(table.add_watch(0x80, 8, WatchKind::Write));
        assert!(table.remove_breakpoint(0x40, Kind::Software));
        assert!(table.remove_watch(0x80, 4, WatchKind::Read));
        let stops = table.stops(Space::Any);
        assert_eq!((stops.breakpoints.len(), stops.watches.len()), (1, 2));
        assert!(!table.remove_breakpoint(0x40, Kind::Hardware));
    }

    #[test]
    fn watches_that_wrap_or_are_empty_are_refused() {
        let mut table = Table::default();
        assert!(!table.add_watch(0x1000, 0, WatchKind::Write));
        assert!(!table.add_watch(u64::MAX, 2, WatchKind::Write));
        assert!(table.add_watch(u64::MAX, 1, WatchKind::Write));
    }
}
