//! Operands of vector instructions: XMM and MMX registers, aligned and unaligned memory.
//!
//! Decode leaves register numbers in `op.dst` and `op.src` (byte offsets for general registers) and an immediate in
//! `op.aux`; whether operand 1 is memory is a constant of each function.

use crate::cpu::Cpu;
use crate::cpu::fault::{Fault, Stop};
use crate::cpu::op::Op;

impl Cpu {
    /// Reads the 16-byte memory operand; legacy SSE wants it aligned (SDM vol. 1, 11.3), MOVU and its like do not.
    #[inline]
    pub(super) fn load128(&mut self, op: &Op, is_aligned: bool) -> Result<u128, Stop> {
        let la = self.operand_address(op, 16, false)?;
        if is_aligned && la % 16 != 0 {
            return self.fault(Fault::gp(0));
        }
        if let Some(host) = self.host_for_read(la, 16) {
            // SAFETY: host_for_read gave 16 bytes.
            return Ok(u128::from_le(unsafe { host.cast::<u128>().read_unaligned() }));
        }
        let mut b = [0; 16];
        self.read_bytes(la, op.seg, &mut b)?;
        Ok(u128::from_le_bytes(b))
    }
    /// Writes the 16-byte memory operand.
    #[inline]
    pub(super) fn store128(&mut self, op: &Op, value: u128, is_aligned: bool) -> Result<(), Stop> {
        let la = self.operand_address(op, 16, true)?;
        if is_aligned && la % 16 != 0 {
            return self.fault(Fault::gp(0));
        }
        if let Some(host) = self.host_for_write(la, 16) {
            // SAFETY: host_for_write gave 16 bytes.
            unsafe { host.cast::<u128>().write_unaligned(value.to_le()) };
            return Ok(());
        }
        self.write_bytes(la, op.seg, &value.to_le_bytes())
    }
    /// XMM register `n`.
    #[inline(always)]
    pub(super) fn x(&self, n: u8) -> u128 {
        self.xmm[usize::from(n & 15)]
    }
    /// Replaces XMM register `n`.
    #[inline(always)]
    pub(super) fn set_x(&mut self, n: u8, value: u128) {
        self.xmm[usize::from(n & 15)] = value;
    }
    /// Operand 1 as 16 bytes, aligned if it is memory.
    #[inline(always)]
    pub(super) fn source128<const MEM: bool>(&mut self, op: &Op) -> Result<u128, Stop> {
        if MEM { self.load128(op, true) } else { Ok(self.x(op.src)) }
    }
    /// Operand 1 as the low 8 bytes of a register or 8 bytes of memory.
    #[inline(always)]
    pub(super) fn source64<const MEM: bool>(&mut self, op: &Op) -> Result<u64, Stop> {
        if MEM { self.load(op) } else { Ok(self.x(op.src) as u64) }
    }
    /// Operand 1 as the low 4 bytes of a register or 4 bytes of memory.
    #[inline(always)]
    pub(super) fn source32<const MEM: bool>(&mut self, op: &Op) -> Result<u32, Stop> {
        if MEM { self.load(op) } else { Ok(self.x(op.src) as u32) }
    }
    /// To be called before the operands of an MMX instruction are touched: #MF for a waiting x87 exception.
    #[inline]
    pub(super) fn before_mmx(&mut self) -> Result<(), Stop> {
        if self.x87.has_pending_exception() { self.fault(Fault::mf()) } else { Ok(()) }
    }
    /// Operand 1 of an MMX instruction.
    #[inline]
    pub(super) fn source_mm<const MEM: bool>(&mut self, op: &Op) -> Result<u64, Stop> {
        if MEM { self.load(op) } else { Ok(self.x87.mm(op.src & 7)) }
    }
}
