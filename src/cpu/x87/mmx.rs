//! The MMX view of the registers: MMn is the significand of physical register n.

use super::X87;
use crate::cpu::softfloat::F80;

impl X87 {
    /// Content of MM`r` (`r` taken modulo 8).
    pub fn mm(&self, r: u8) -> u64 {
        self.regs[usize::from(r & 7)].sig
    }

    /// Writes MM`r` with the side effects of an MMX instruction: the exponent becomes all ones, and see
    /// [`X87::enter_mmx`].
    pub fn set_mm(&mut self, r: u8, value: u64) {
        self.regs[usize::from(r & 7)] = F80::new(0xffff, value);
        self.enter_mmx();
    }

    /// What every MMX instruction but EMMS does, also those that only read: TOP is 0 and all tags are valid. The caller
    /// checks [`X87::has_pending_exception`] before.
    pub fn enter_mmx(&mut self) {
        self.set_top(0);
        self.tags = 0xff;
    }

    /// EMMS: all tags empty.
    pub fn emms(&mut self) {
        self.tags = 0;
    }
}
