//! Accesses to memory: what a tap wants of them is kept until the instruction that makes them retires.
//!
//! Pages that are wanted have their TLB tags withheld, so that every access to them comes by the slow path, where it is noted.
//! An instruction that is left before its end takes what it noted with it: it will be begun again. Accessed and dirty bits of
//! page tables stay set whatever becomes of the instruction, so they are shown in any case.

use super::{Bytes, Front, What};
use crate::cpu::Cpu;
use crate::cpu::op::Op;
use crate::cpu::phys::{PAGE, page};
use crate::cpu::state::gpr;
use crate::cpu::tlb::Class;
use crate::cpu::word::Word;

/// The most bytes that are shown together.
const MOST: usize = 8;

/// An access that a tap is to be shown.
#[derive(Clone, Copy)]
pub struct Move {
    linear: Option<u64>,
    physical: u64,
    old: u64,
    new: u64,
    size: u8,
    is_write: bool,
    /// It stays made if the instruction is left.
    is_lasting: bool,
}

/// The accesses of one instruction, and what the registers were before the first of them.
#[derive(Default)]
pub struct Moves {
    list: Vec<Move>,
    /// Taken out while they are shown; it is large.
    front: Option<Box<Front>>,
}

impl Moves {
    fn front_mut(&mut self) -> &mut Front {
        self.front.get_or_insert_default()
    }
}

impl Bytes {
    /// True if one of `len` bytes at these addresses is among them.
    #[inline]
    fn has(&self, linear: Option<u64>, physical: u64, len: u64) -> bool {
        let at = if self.is_linear { linear } else { Some(physical) };
        at.is_some_and(|at| at <= self.last && at.saturating_add(len - 1) >= self.from)
    }
}

/// # Safety
/// 1, 2, 4 or 8 bytes that can be read.
unsafe fn load(from: *const u8, len: u32) -> u64 {
    // SAFETY: the caller's.
    unsafe {
        match len {
            1 => u8::load(from).to_u64(),
            2 => u16::load(from).to_u64(),
            4 => u32::load(from).to_u64(),
            _ => u64::load(from),
        }
    }
}

fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; MOST];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

impl Cpu {
    /// Whether (reads, writes) of some bytes of the page at `la`, which is at `gpa`, are wanted.
    pub(in crate::cpu) fn is_page_tapped(&self, la: u64, gpa: u64) -> (bool, bool) {
        let (la, gpa) = (la & !(PAGE - 1), gpa & !(PAGE - 1));
        let is_in = |list: &[Bytes]| list.iter().any(|bytes| bytes.has(Some(la), gpa, PAGE));
        (is_in(&self.taps.wanted.reads), is_in(&self.taps.wanted.writes))
    }
    fn note_move(&mut self, m: Move) {
        if self.taps.moves.list.is_empty() {
            // In two pieces: what is longer than 128 bytes is copied by a call.
            let Front { regs, rip, cpl } = self.front();
            let front = self.taps.moves.front_mut();
            front.regs = regs;
            (front.rip, front.cpl) = (rip, cpl);
        }
        self.taps.moves.list.push(m);
    }
    /// Bytes of RAM inside one page were read.
    pub(in crate::cpu) fn tap_read(&mut self, la: u64, gpa: u64, bytes: &[u8]) {
        for (i, chunk) in bytes.chunks(MOST).enumerate() {
            let (la, gpa) = (la.wrapping_add((i * MOST) as u64), gpa + (i * MOST) as u64);
            if self.taps.wanted.reads.iter().any(|r| r.has(Some(la), gpa, chunk.len() as u64)) {
                let (old, size) = (word(chunk), chunk.len() as u8);
                self.note_move(Move {
                    linear: Some(la),
                    physical: gpa,
                    old,
                    new: old,
                    size,
                    is_write: false,
                    is_lasting: false,
                });
            }
        }
    }
    /// Bytes inside one page are about to be written.
    pub(in crate::cpu) fn tap_write(&mut self, la: u64, gpa: u64, bytes: &[u8]) {
        let Some(page) = self.phys.page(gpa) else { return };
        for (i, chunk) in bytes.chunks(MOST).enumerate() {
            let (la, gpa) = (la.wrapping_add((i * MOST) as u64), gpa + (i * MOST) as u64);
            if self.taps.wanted.writes.iter().any(|w| w.has(Some(la), gpa, chunk.len() as u64)) {
                let at = (gpa % PAGE) as usize;
                let old = word(&self.phys.page_bytes(page.index)[at..at + chunk.len()]);
                self.note_move(Move {
                    linear: Some(la),
                    physical: gpa,
                    old,
                    new: word(chunk),
                    size: chunk.len() as u8,
                    is_write: true,
                    is_lasting: false,
                });
            }
        }
    }
    /// The accessed or dirty bit in a byte of RAM is about to be set.
    pub(in crate::cpu) fn tap_mark(&mut self, gpa: u64, old: u8, new: u8) {
        if self.taps.wanted.writes.iter().any(|w| w.has(None, gpa, 1)) {
            let (old, new) = (u64::from(old), u64::from(new));
            let m = Move { linear: None, physical: gpa, old, new, size: 1, is_write: true, is_lasting: true };
            self.note_move(m);
        }
    }

    /// Where an op of the running block is.
    pub(in crate::cpu) fn op_address(&self, op: &Op) -> u64 {
        self.regs[gpr::BLOCK].wrapping_add(u64::from(op.offset)) & self.rip_mask()
    }
    /// An instruction at `rip` has run, with `rest` instructions of its block paid for from it on; if it is not done, the block was
    /// left in front of it.
    #[inline(always)]
    pub(in crate::cpu) fn tap_op(&mut self, rip: u64, rest: u8, is_done: bool) {
        if !self.taps.moves.list.is_empty() {
            self.op_moved(rip, rest, is_done);
        }
    }
    #[cold]
    #[inline(never)]
    fn op_moved(&mut self, rip: u64, rest: u8, is_done: bool) {
        self.taps.moves.front_mut().rip = rip;
        if is_done {
            self.show_moves(self.icount() - u64::from(rest));
        } else {
            self.taps.moves.list.retain(|m| m.is_lasting);
            self.show_moves(self.icount());
        }
    }
    /// An iteration of a repeated instruction that is the last of its block has retired, the one behind `done` others.
    #[inline(always)]
    pub(in crate::cpu) fn tap_iteration(&mut self, op: &Op, done: u64) {
        if !self.taps.moves.list.is_empty() {
            self.iteration_moved(op, done);
        }
    }
    #[cold]
    #[inline(never)]
    fn iteration_moved(&mut self, op: &Op, done: u64) {
        let rip = self.op_address(op);
        let front = self.taps.moves.front_mut();
        front.rip = rip;
        // The count is written when all are done.
        let count = &mut front.regs[gpr::RCX];
        let left = count.wrapping_sub(done);
        *count = match op.address_bytes {
            8 => left,
            4 if done > 0 => left & 0xffff_ffff,
            4 => *count,
            _ => *count & !0xffff | left & 0xffff,
        };
        self.show_moves(self.icount() - 1 + done);
    }
    /// What was moved between two instructions, or by a part of the running one that stays done.
    pub(in crate::cpu) fn tap_between(&mut self, moment: u64) {
        if !self.taps.moves.list.is_empty() {
            self.show_moves(moment);
        }
    }
    fn show_moves(&mut self, moment: u64) {
        let mut list = std::mem::take(&mut self.taps.moves.list);
        let front = self.taps.moves.front.take();
        for &Move { linear, physical, old, new, size, is_write, .. } in &list {
            self.show(moment, front.as_deref(), What::Memory { linear, physical, size, is_write, old, new });
        }
        list.clear();
        self.taps.moves.list = list;
        self.taps.moves.front = front;
    }

    /// Reads 1, 2, 4 or 8 bytes of RAM in a page that is known, which is most of what is done where all reads are wanted. `None`
    /// for the rest.
    pub(in crate::cpu) fn read_tapped(&mut self, la: u64, len: u32) -> Option<u64> {
        let (gpa, host, _) = self.known(la, u64::from(len), false)?;
        // SAFETY: so many bytes of a page of RAM.
        let value = unsafe { load(host, len) };
        if self.taps.wanted.reads.iter().any(|r| r.has(Some(la), gpa, u64::from(len))) {
            let (old, new, size) = (value, value, len as u8);
            self.note_move(Move {
                linear: Some(la),
                physical: gpa,
                old,
                new,
                size,
                is_write: false,
                is_lasting: false,
            });
        }
        Some(value)
    }
    /// Writes in the same way.
    pub(in crate::cpu) fn write_tapped(&mut self, la: u64, len: u32, value: u64) -> Option<()> {
        let (gpa, host, index) = self.known(la, u64::from(len), true)?;
        let attrs = self.phys.attrs[index];
        if attrs & page::DIRTY == 0 || attrs & (page::CODE | page::TABLE) != 0 {
            return None;
        }
        if self.taps.wanted.writes.iter().any(|w| w.has(Some(la), gpa, u64::from(len))) {
            // SAFETY: so many bytes of a page of RAM.
            let old = unsafe { load(host, len) };
            let (new, size) = (value, len as u8);
            self.note_move(Move { linear: Some(la), physical: gpa, old, new, size, is_write: true, is_lasting: false });
        }
        // SAFETY: as above; nobody wants notice of writes to this page but the tap.
        unsafe {
            match len {
                1 => (value as u8).store(host),
                2 => (value as u16).store(host),
                4 => (value as u32).store(host),
                _ => value.store(host),
            }
        }
        Some(())
    }
    /// Where bytes inside one page of RAM are, if an access to them is known to be allowed and only a tap looks at it: guest-physical
    /// address, host address, page.
    #[inline]
    fn known(&self, la: u64, len: u64, is_write: bool) -> Option<(u64, *mut u8, usize)> {
        let offset = la % PAGE;
        let is_plain = self.class != Class::Checked && !self.has_watches() && self.state.dr[7] & 0xff == 0;
        if !is_plain || offset + len > PAGE {
            return None;
        }
        let (index, page) = self.tlb.hidden_page(self.class, la, is_write)?;
        // SAFETY: an entry that has tags, hidden or not, has the page's bytes.
        Some((self.phys.page_address(index) | offset, unsafe { page.add(offset as usize) }, index))
    }
}
