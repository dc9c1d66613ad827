//! The register stack and the recording of exceptions in the status word.

use super::{C0, C1, C2, C3, X87};
use crate::cpu::softfloat::{F80, Flags};

impl X87 {
    fn physical(&self, i: u8) -> usize {
        usize::from(self.top().wrapping_add(i) & 7)
    }

    /// The content of ST(i), whatever its tag.
    pub fn st(&self, i: u8) -> F80 {
        self.regs[self.physical(i)]
    }

    pub(super) fn set_st(&mut self, i: u8, value: F80) {
        let register = self.physical(i);
        self.regs[register] = value;
        self.tags |= 1 << register;
    }

    /// True if the tag of ST(i) says empty.
    pub fn is_empty(&self, i: u8) -> bool {
        self.tags & 1 << self.physical(i) == 0
    }

    pub(super) fn free(&mut self, i: u8) {
        self.tags &= !(1 << self.physical(i));
    }

    pub(super) fn pop(&mut self) {
        self.free(0);
        self.set_top(self.top().wrapping_add(1));
    }

    pub(super) fn pop_times(&mut self, times: u8) {
        for _ in 0..times {
            self.pop();
        }
    }

    pub(super) fn push(&mut self, value: F80) {
        self.set_top(self.top().wrapping_sub(1));
        self.set_st(0, value);
    }

    pub(super) fn set_condition(&mut self, bit: u16, value: bool) {
        self.fsw = if value { self.fsw | bit } else { self.fsw & !bit };
    }

    /// Sets C3, C2 and C0; C1 stays.
    pub(super) fn set_c3_c2_c0(&mut self, c3: bool, c2: bool, c0: bool) {
        self.set_condition(C3, c3);
        self.set_condition(C2, c2);
        self.set_condition(C0, c0);
    }

    /// Records an operation's flags, C1 included, and tells whether its result may be stored.
    pub(super) fn record(&mut self, flags: Flags) -> bool {
        self.fsw |= (flags & (Flags::EXCEPTIONS | Flags::STACK)).0;
        self.set_condition(C1, flags.has(Flags::ROUNDED_UP));
        self.update_error_summary();
        !flags.suppress_result(self.env().masks)
    }

    /// Records a stack underflow; true if it is masked, so that the indefinite takes the place of the result.
    pub(super) fn underflow(&mut self) -> bool {
        self.record(Flags::INVALID | Flags::STACK)
    }

    /// Records a stack overflow; true if it is masked.
    pub(super) fn overflow(&mut self) -> bool {
        self.record(Flags::INVALID | Flags::STACK | Flags::ROUNDED_UP)
    }

    /// Pushes what a load computed, or answers a stack overflow.
    pub(super) fn push_checked(&mut self, value: F80, flags: Flags) {
        if !self.is_empty(7) {
            if self.overflow() {
                self.push(F80::INDEFINITE);
            }
        } else if self.record(flags) {
            self.push(value);
        }
    }
}
