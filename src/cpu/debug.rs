//! The guest's own breakpoints (SDM vol. 3, chapter 17): DR0..DR3 as DR7 enables them.

use super::Cpu;
use super::phys::PAGE;
use super::state::seg;

/// What a breakpoint waits for: the R/W field of DR7.
const EXECUTE: u64 = 0;
const WRITE: u64 = 1;

impl Cpu {
    /// Enabled breakpoints: number, kind, address and length in bytes.
    fn breakpoints(&self) -> impl Iterator<Item = (usize, u64, u64, u64)> + '_ {
        let dr = &self.state.dr;
        (0..4).filter(|n| dr[7] >> (n * 2) & 3 != 0).map(|n| {
            let kind = dr[7] >> (16 + n * 4) & 3;
            let len = [1, 2, 8, 4][(dr[7] >> (18 + n * 4) & 3) as usize];
            (n, kind, dr[n] & !(len - 1), len)
        })
    }
    /// True if an instruction breakpoint is enabled.
    pub(crate) fn has_breakpoints(&self) -> bool {
        self.state.dr[7] & 0xff != 0 && self.breakpoints().any(|(_, kind, ..)| kind == EXECUTE)
    }
    /// True, with DR6 noted, if an instruction breakpoint is at the current instruction.
    pub(crate) fn instruction_breakpoint(&mut self) -> bool {
        if self.state.dr[7] & 0xff == 0 {
            return false;
        }
        let base = if self.is_64bit() { 0 } else { self.state.seg[seg::CS].base };
        let la = base.wrapping_add(self.rip);
        let hits: u64 =
            self.breakpoints().filter(|&(_, kind, at, _)| kind == EXECUTE && at == la).map(|(n, ..)| 1 << n).sum();
        self.state.debug_pending |= hits;
        hits != 0
    }
    /// True if a data breakpoint is in the page of `la`, so that accesses to it must be looked at.
    pub(crate) fn is_page_watched(&self, la: u64) -> bool {
        self.state.dr[7] & 0xff != 0 && self.breakpoints().any(|(_, kind, at, _)| kind != EXECUTE && (at ^ la) < PAGE)
    }
    /// Notes the data breakpoints that an access hits; they trap when the instruction has completed.
    pub(crate) fn data_breakpoints(&self, la: u64, len: u64, is_write: bool) -> u64 {
        if self.state.dr[7] & 0xff == 0 {
            return 0;
        }
        self.breakpoints()
            .filter(|&(_, kind, at, size)| {
                kind != EXECUTE && (is_write || kind != WRITE) && la < at + size && at < la + len
            })
            .map(|(n, ..)| 1 << n)
            .sum()
    }
    /// To be called after DR0..DR3 or DR7 changed.
    pub(crate) fn debug_changed(&mut self) {
        self.flush_translations();
    }
}
