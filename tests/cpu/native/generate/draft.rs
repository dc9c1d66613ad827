//! A case in the making: random registers, and values that are pinned because an address or a count depends on them.

use super::super::case::{Bytes, CODE_BASE, DATA_BASE, DATA_SIZE, FLAGS, FxImage, State};
use super::super::random::Random;
use super::values;

/// State and memory under construction.
pub struct Draft {
    pub random: Random,
    pub state: State,
    pub memory: Vec<Bytes>,
    /// Bit n set: general register n must keep its value.
    pinned: u16,
    /// Registers reserved as addresses in a block; empty for single instructions.
    pub pointers: Vec<usize>,
    /// The counter of a block that is a loop: never an explicit operand.
    pub counter: Option<usize>,
}

impl Draft {
    /// A draft with random registers and the code at `entry` in code memory.
    pub fn new(mut random: Random, entry: u64) -> Self {
        let mut fx = FxImage::initial();
        for i in 0..16 {
            fx.set_xmm(i, values::xmm(&mut random));
        }
        for i in 0..8 {
            fx.set_st(i, values::f80(&mut random));
        }
        let fcw = values::fcw(&mut random);
        fx.set_fcw(fcw);
        fx.set_fsw(values::fsw(&mut random, fcw));
        fx.set_ftw(values::ftw(&mut random));
        fx.set_mxcsr(values::mxcsr(&mut random));
        let gpr = std::array::from_fn(|_| values::integer(&mut random));
        let rflags = random.next() & FLAGS;
        let state = State { gpr, rip: CODE_BASE + entry, rflags, fx };
        Draft { random, state, memory: Vec::new(), pinned: 0, pointers: Vec::new(), counter: None }
    }

    pub fn is_pinned(&self, register: usize) -> bool {
        self.pinned & (1 << register) != 0
    }

    /// Sets and pins a register, unless something already depends on its value.
    pub fn pin(&mut self, register: usize, value: u64) -> bool {
        if self.is_pinned(register) {
            return false;
        }
        self.state.gpr[register] = value;
        self.pinned |= 1 << register;
        true
    }

    /// Puts bytes at a guest address; what lies behind the end of data memory is dropped.
    pub fn patch(&mut self, address: u64, bytes: &[u8]) {
        let offset = address.wrapping_sub(DATA_BASE);
        if offset < DATA_SIZE as u64 && !bytes.is_empty() {
            let room = DATA_SIZE - offset as usize;
            let bytes = bytes[..bytes.len().min(room)].to_vec();
            self.memory.push(Bytes { offset: offset as u32, bytes });
        }
    }

    /// An address for an access of `size` bytes: mostly inside, often misaligned, sometimes at or over an edge.
    pub fn data_address(&mut self, size: u64) -> u64 {
        let random = &mut self.random;
        let size = size.clamp(1, 512);
        let align = size.next_power_of_two().min(16);
        let inside = 0x2000 - size;
        DATA_BASE
            + match random.below(100) {
                0..=62 => random.below(inside + 1) & !(align - 1),
                63..=78 => random.below(inside + 1),
                79..=88 => 0x1000 - random.below(size.max(2)),
                89..=91 => 0x2000 + (random.below(0x1000 - size) & !(align - 1)),
                92..=94 => 0x2000 - random.below(size.max(2)),
                95 | 96 => 0x3000 - random.below(size.max(2)),
                97 => return DATA_BASE - random.below(size.max(2)),
                98 => return DATA_BASE + 0x3000 + random.below(0x1000),
                _ => return random.next() & 0x7FFF_FFFF,
            }
    }

    /// An address for a stack or string pointer: usually with room on both sides.
    pub fn roomy_address(&mut self) -> u64 {
        match self.random.below(10) {
            0 => self.data_address(8),
            1 => DATA_BASE + 0xFF8 + self.random.below(16),
            2 => DATA_BASE + 0x40 + self.random.below(0x1F00),
            _ => DATA_BASE + 0x40 + (self.random.below(0x1F00) & !7),
        }
    }
}
