//! Decoded blocks: straight-line runs of at most a few dozen instructions, kept by physical address and mode.
//!
//! A block never runs past the page it starts in, except that an instruction which straddles two pages is a
//! block of its own, tied to both. `ops[0]` is a header (see [`Block::header`]); the last op always leaves the
//! block. A store to bytes that were decoded kills every block of that page before the next instruction starts.
//!
//! The jump cache leads from an instruction pointer to a block without translating. Its entries carry a key of mode
//! and a number for the mappings in force; a new number is taken whenever a mapping that code was fetched through may
//! have changed. The upper half of the address space, where kernels live, has its own numbers, which address spaces
//! share while the upper halves of their top-level tables are equal.

use super::jit::{Jit, Native};
use super::op::Op;
use super::phys::{PAGE, PhysMemory, page};
use super::tlb::BANKS;
use iced_x86::Instruction;
use std::cell::Cell;
use std::collections::BTreeMap;

/// How instructions must be decoded and executed: part of a block's identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mode(pub u16);

impl Mode {
    /// Two bits: default operand size of the code segment, 0 = 16, 1 = 32, 2 = 64.
    pub const CODE: u16 = 3;
    /// A 32-bit stack outside 64-bit mode.
    pub const STACK32: u16 = 1 << 2;
    /// CPL 3.
    pub const USER: u16 = 1 << 3;
    /// ES, CS, SS and DS are flat: no base to add, no limit to check.
    pub const FLAT: u16 = 1 << 4;
    /// x87 and MMX instructions raise #NM (CR0.EM or CR0.TS).
    pub const NO_X87: u16 = 1 << 5;
    /// SSE instructions raise #NM (CR0.TS).
    pub const NO_SSE: u16 = 1 << 6;
    /// SSE instructions raise #UD (CR0.EM, or CR4.OSFXSR clear).
    pub const SSE_OFF: u16 = 1 << 7;
    /// CR0.EM: MMX instructions raise #UD.
    pub const EMULATE: u16 = 1 << 8;
    /// A block of one instruction, run where things are special.
    pub const ALONE: u16 = 1 << 9;
    /// CR0.TS and CR0.MP: WAIT raises #NM.
    pub const NO_WAIT: u16 = 1 << 10;

    /// Default operand size in bits.
    pub fn bits(self) -> u32 {
        16 << (self.0 & Mode::CODE)
    }
    /// True if a bit is set.
    pub fn has(self, bit: u16) -> bool {
        self.0 & bit != 0
    }
}

/// A decoded block.
pub struct Block {
    /// Header, instructions, and a last op that leaves. Owned; raw because running code reads it and writes its links
    /// through pointers of its own.
    ops: *mut [Op],
    /// The decoded instructions that `Slow` functions ask for.
    pub instructions: Box<[Instruction]>,
    /// RAM pages the bytes are in; the second for a straddling instruction.
    pub pages: (u32, Option<u32>),
    /// Where it starts in guest-physical memory.
    pub gpa: u64,
    /// The mode that it was decoded for.
    pub mode: Mode,
    /// Its generated code, if it has some.
    pub(crate) native: Cell<Native>,
}

impl Block {
    /// The header op: `rest` is the number of instructions, `imm` the address of the block itself, `disp` where it starts
    /// in its page, `aux` see [`super::op::NEEDS_RUN_LOOP`].
    pub fn header(&self) -> *const Op {
        self.ops.cast_const().cast()
    }
    /// Length of its instructions in bytes.
    pub(super) fn bytes(&self) -> u64 {
        // SAFETY: a block has its header, then as many instructions as the header says.
        let last = unsafe { &*self.header().add(usize::from((*self.header()).rest)) };
        u64::from(last.offset) + u64::from(last.len)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: `ops` came from Box::into_raw and nothing runs a block that is being dropped.
        drop(unsafe { Box::from_raw(self.ops) });
    }
}

/// One jump cache entry, in a cache line of its own.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Jump {
    /// Instruction pointer (offset in a flat or 64-bit CS).
    pub rip: u64,
    /// `Cpu::fetch_key` for which this is valid.
    pub key: u64,
    /// The block's header.
    pub header: *const Op,
    /// Where generated code goes on: the block's code, or a way back to the run loop. 0 where none is generated.
    pub code: usize,
    /// Place and mode of the block, if one page holds it; else 0.
    pub place: u64,
    /// [`BlockCache::stamp`] of its page: while that is the same, the block lives.
    pub stamp: u64,
}

/// Entries in the jump cache.
pub const JUMPS: usize = 16384;
/// A fetch key that no entry has.
pub const NO_KEY: u64 = u64::MAX;
/// The key of an unused entry, which is no fetch key either: where nothing may be looked up, an unused entry
/// must not match for RIP 0.
const UNUSED: u64 = u64::MAX - 1;
/// Slots of the block table, a power of two; blocks never fill more than half of it.
const SLOTS: usize = 1 << 18;
/// Where the mode is in a key, above the guest-physical address.
const MODE_AT: u32 = 44;
const GPA: u64 = (1 << MODE_AT) - 1;
/// Bytes of a page that one bit of its line mask stands for.
const LINE: usize = 128;
/// All blocks are dropped when their ops exceed this many (32 bytes each).
const MOST_OPS: usize = 1 << 20;

/// A half of the linear address space, by the sign of the address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Half {
    /// Where programs live; all of it outside long mode.
    Lower = 0,
    /// Where kernels live.
    Upper = 1,
}

/// Limits that may differ between two runs without any difference in what the guest sees.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// Most instructions in a block, 1..=64.
    pub block: usize,
    /// TLB entries a class, a power of two, at least 2.
    pub tlb: usize,
    /// What runs the blocks.
    pub engine: Engine,
    /// With [`Engine::Jit`]: a block is translated when it is entered this many times, at least 1.
    pub hot: u32,
}

/// What runs decoded blocks. All give the same machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    /// Handlers, one call an instruction.
    Interpreter,
    /// Hot blocks of 64-bit mode as host code, the rest by handlers. Where it is not available, all by handlers.
    Jit,
}

impl Engine {
    /// False for the translator on hosts that are not x86-64 Linux with SSE4.2, or that let no process have memory for
    /// generated code.
    pub fn is_available(self) -> bool {
        self == Engine::Interpreter || Jit::is_supported() && Jit::new(1).is_ok()
    }
    /// The name of what serves on this host when this is asked for.
    pub fn name(self) -> &'static str {
        if self == Engine::Jit && self.is_available() { "jit" } else { "interpreter" }
    }
}

impl Default for Geometry {
    fn default() -> Geometry {
        Geometry { block: 48, tlb: 2048, engine: Engine::Jit, hot: 12 }
    }
}

/// All decoded blocks.
pub struct BlockCache {
    /// Open addressing with linear probing. A key of 0 is an empty slot: no block has it, because bit 63 of keys is set.
    table: Vec<(u64, Option<Box<Block>>)>,
    count: usize,
    by_page: BTreeMap<u32, Vec<u64>>,
    lines: Vec<u32>,
    /// How often the blocks of each page were killed.
    deaths: Vec<u32>,
    /// Raised when blocks die that are not counted in `deaths`, or their code does.
    era: u32,
    /// The jump cache.
    pub jumps: Vec<Jump>,
    /// The last number given to a set of mappings.
    last_number: u64,
    /// Numbers of the lower and of the upper half, by TLB bank.
    numbers: [[u64; 2]; BANKS],
    ops: usize,
    #[expect(clippy::vec_box, reason = "a killed block may be running: it must not move")]
    dead: Vec<Box<Block>>,
    /// Most instructions in a block.
    pub longest: usize,
}

// SAFETY: the pointers in the jump cache are to blocks that this cache owns.
unsafe impl Send for BlockCache {}

impl BlockCache {
    /// An empty cache for a machine with this many RAM pages.
    pub fn new(pages: usize, longest: usize) -> BlockCache {
        BlockCache {
            table: (0..SLOTS).map(|_| (0, None)).collect(),
            count: 0,
            by_page: BTreeMap::new(),
            lines: vec![0; pages],
            deaths: vec![0; pages],
            era: 0,
            jumps: vec![Jump { rip: 0, key: UNUSED, header: std::ptr::null(), code: 0, place: 0, stamp: 0 }; JUMPS],
            last_number: 1,
            numbers: [[1; 2]; BANKS],
            ops: 0,
            dead: Vec::new(),
            longest,
        }
    }
    /// The jump cache slot of an instruction pointer.
    #[inline(always)]
    pub fn jump_slot(rip: u64) -> usize {
        ((rip ^ (rip >> 12)) as usize) & (JUMPS - 1)
    }
    /// The key that jump cache entries of `mode` must carry now, in the address space of a TLB bank and in one half
    /// of it.
    pub fn fetch_key(&self, mode: Mode, bank: usize, half: Half) -> u64 {
        self.numbers[bank][half as usize] << 16 | u64::from(mode.0)
    }
    fn fresh(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
    /// Some mapping that code was fetched through may have changed, in one half of some address space.
    pub fn half_changed(&mut self, half: Half) {
        let number = self.fresh();
        self.numbers.iter_mut().for_each(|n| n[half as usize] = number);
        // Equal numbers would say that all lower halves are the same.
        if half == Half::Lower {
            for bank in 0..BANKS {
                self.numbers[bank][0] = self.fresh();
            }
        }
    }
    /// Any mapping that code was fetched through may have changed.
    pub fn mappings_changed(&mut self) {
        for bank in 0..BANKS {
            self.numbers[bank] = [self.fresh(), self.fresh()];
        }
    }
    /// A bank is for another address space now, whose upper half is that of another bank, if one is named.
    pub fn bank_taken(&mut self, bank: usize, upper_like: Option<usize>) {
        self.numbers[bank][0] = self.fresh();
        self.numbers[bank][1] = match upper_like {
            Some(other) => self.numbers[other][1],
            None => self.fresh(),
        };
    }
    /// Changes when a block of a page dies, or the code that was generated for it.
    pub fn stamp(&self, index: u32) -> u64 {
        u64::from(self.era) << 32 | u64::from(self.deaths[index as usize])
    }
    /// Generated code is gone.
    pub fn code_dropped(&mut self) {
        self.era += 1;
        self.mappings_changed();
    }
    /// A jump cache entry for a block.
    pub fn jump(&self, rip: u64, key: u64, block: &Block, code: usize) -> Jump {
        let place = if block.pages.1.is_none() { Self::key(block.gpa, block.mode) } else { 0 };
        let stamp = self.stamp(block.pages.0);
        Jump { rip, key, header: block.header(), code, place, stamp }
    }
    /// The number of a place and mode, not 0.
    pub fn key(gpa: u64, mode: Mode) -> u64 {
        1 << 63 | gpa | u64::from(mode.0) << MODE_AT
    }
    /// Blocks that are neighbours in memory are neighbours in the table, because they tend to be looked for together.
    fn slot(key: u64) -> usize {
        let page = (key / PAGE).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SLOTS.trailing_zeros());
        (page + key % PAGE / 4) as usize & (SLOTS - 1)
    }
    /// The block that starts at a physical address, if it was decoded before.
    pub fn find(&self, gpa: u64, mode: Mode) -> Option<&Block> {
        let key = Self::key(gpa, mode);
        let mut at = Self::slot(key);
        loop {
            match &self.table[at] {
                (0, _) => return None,
                (k, block) if *k == key => return block.as_deref(),
                _ => at = (at + 1) & (SLOTS - 1),
            }
        }
    }
    /// Keeps a block. `spans` are the byte ranges it was decoded from: page, first byte, length.
    pub fn insert(
        &mut self,
        gpa: u64,
        mode: Mode,
        ops: Vec<Op>,
        instructions: Vec<Instruction>,
        spans: &[(u32, usize, usize)],
        phys: &mut PhysMemory,
    ) -> *const Op {
        if self.ops > MOST_OPS || self.count >= SLOTS / 2 {
            self.clear(phys);
        }
        let key = Self::key(gpa, mode);
        self.remove(key);
        for &(index, first, len) in spans {
            phys.attrs[index as usize] |= page::CODE;
            self.lines[index as usize] |= line_mask(first, len);
            self.by_page.entry(index).or_default().push(key);
        }
        self.ops += ops.len();
        let pages = (spans[0].0, spans.get(1).map(|s| s.0));
        let ops: Box<[Op]> = ops.into();
        let native = Cell::default();
        let block =
            Box::new(Block { ops: Box::into_raw(ops), instructions: instructions.into(), pages, gpa, mode, native });
        // SAFETY: the header op is there, and nothing else refers to it yet.
        unsafe {
            let header = &mut *block.ops.cast::<Op>();
            header.imm = &raw const *block as u64;
            header.disp = (gpa % PAGE) as i32;
        }
        let header = block.header();
        let mut at = Self::slot(key);
        while self.table[at].0 != 0 && self.table[at].0 != key {
            at = (at + 1) & (SLOTS - 1);
        }
        // The slot of a removed block keeps its key, so that probing goes on behind it.
        self.count += usize::from(self.table[at].0 == 0);
        self.table[at] = (key, Some(block));
        header
    }
    fn remove(&mut self, key: u64) {
        let mut at = Self::slot(key);
        while self.table[at].0 != 0 {
            if self.table[at].0 == key {
                if let Some(block) = self.table[at].1.take() {
                    self.ops -= block.ops.len();
                    self.dead.push(block);
                }
                return;
            }
            at = (at + 1) & (SLOTS - 1);
        }
    }
    /// True if a store of `len` bytes at `offset` of a page hits bytes that were decoded (or their neighbours).
    pub fn covers(&self, index: usize, offset: usize, len: usize) -> bool {
        self.lines[index] & line_mask(offset, len) != 0
    }
    /// Drops every block that has bytes in a page. They stay in memory until [`BlockCache::bury`], because one of
    /// them may be running.
    pub fn kill_page(&mut self, index: usize, phys: &mut PhysMemory) {
        for key in self.by_page.remove(&(index as u32)).unwrap_or_default() {
            self.remove(key);
        }
        self.lines[index] = 0;
        self.deaths[index] = self.deaths[index].wrapping_add(1);
        phys.attrs[index] &= !page::CODE;
        self.mappings_changed();
    }
    /// Drops every block that `is_cut` says of its start in guest-physical memory and its length in bytes.
    pub fn drop_cut(&mut self, is_cut: &dyn Fn(u64, u64) -> bool) {
        for (key, slot) in &mut self.table {
            if slot.as_ref().is_some_and(|b| is_cut(*key & GPA, b.bytes())) {
                let block = slot.take().expect("just seen");
                self.ops -= block.ops.len();
                self.dead.push(block);
            }
        }
        self.era += 1;
        self.mappings_changed();
    }
    /// Frees killed blocks. Only between blocks.
    pub fn bury(&mut self) {
        if !self.dead.is_empty() {
            self.dead.clear();
        }
    }
    /// Drops every block.
    pub fn clear(&mut self, phys: &mut PhysMemory) {
        let pages: Vec<u32> = self.by_page.keys().copied().collect();
        for index in pages {
            self.kill_page(index as usize, phys);
        }
        self.table.fill_with(|| (0, None));
        self.count = 0;
    }
}

fn line_mask(offset: usize, len: usize) -> u32 {
    let first = offset / LINE;
    let last = (offset + len - 1).min(PAGE as usize - 1) / LINE;
    (u32::MAX >> (31 - (last - first))) << first
}
